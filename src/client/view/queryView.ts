import type { PlainRow } from "../../collections/index.js";
import { LiveRows } from "../core/liveRows.js";
import type { PlainQuery } from "../core/query.js";
import { Emitter } from "../base/events.js";
import type { DocumentName } from "../base/tabMessages.js";
import type { CollectionView } from "./collectionView.js";
import type { Screen } from "./screen.js";

/** A query over a collection's rows, kept up to date while somebody listens and worked out when asked otherwise. */
export class QueryView {
  readonly #view: CollectionView;
  /** Where its rows are noted while it is live; null: they are more than a screen can show. */
  readonly #screen: Screen | null;
  readonly #rows: LiveRows;
  readonly #changed = new Emitter();
  #stopListening: (() => void) | null = null;
  /** Whether all changes up to now were taken in. */
  #isFresh = false;

  constructor(view: CollectionView, query: PlainQuery, screen: Screen) {
    this.#view = view;
    this.#screen = query.limit === undefined ? null : screen;
    this.#rows = new LiveRows(query, () => view.rows());
  }

  get current(): readonly PlainRow[] {
    if (!this.#isFresh || this.#stopListening === null) this.#rows.reset();
    return this.#rows.result;
  }

  get documents(): readonly DocumentName[] {
    const collection = this.#view.definition.name;
    return this.#rows.result.map(({ id }) => ({ collection, id }));
  }

  subscribe(listener: () => void): () => void {
    if (this.#stopListening === null) {
      this.#rows.reset();
      this.#isFresh = true;
      this.#stopListening = this.#view.changed.on((ids) => this.#onChanged(ids));
      this.#screen?.show(this);
    }
    const off = this.#changed.on(listener);
    return () => {
      off();
      if (this.#changed.size > 0) return;
      this.#stopListening?.();
      this.#stopListening = null;
      this.#isFresh = false;
      this.#screen?.hide(this);
    };
  }

  #onChanged(ids: ReadonlySet<string>): void {
    const wasFresh = this.#isFresh;
    this.#isFresh = false; // until that is done: the app's own `where` may throw
    const isOther = wasFresh ? this.#rows.change(ids, (id) => this.#view.get(id)) : this.#rows.reset();
    this.#isFresh = true;
    if (!isOther) return;
    this.#screen?.note();
    this.#changed.emit();
  }
}
