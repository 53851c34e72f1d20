import type { PlainRow } from "../../collections/index.js";
import { LiveRows } from "../core/liveRows.js";
import type { PlainQuery } from "../core/query.js";
import { Emitter } from "../base/events.js";
import type { CollectionView } from "./collectionView.js";

/** A query over a collection's rows, kept up to date while somebody listens and worked out when asked otherwise. */
export class QueryView {
  readonly #view: CollectionView;
  readonly #rows: LiveRows;
  readonly #changed = new Emitter();
  #stopListening: (() => void) | null = null;
  /** Whether all changes up to now were taken in. */
  #isFresh = false;

  constructor(view: CollectionView, query: PlainQuery) {
    this.#view = view;
    this.#rows = new LiveRows(query, () => view.rows());
  }

  get current(): readonly PlainRow[] {
    if (!this.#isFresh || this.#stopListening === null) this.#rows.reset();
    return this.#rows.result;
  }

  subscribe(listener: () => void): () => void {
    if (this.#stopListening === null) {
      this.#rows.reset();
      this.#isFresh = true;
      this.#stopListening = this.#view.changed.on((ids) => this.#onChanged(ids));
    }
    const off = this.#changed.on(listener);
    return () => {
      off();
      if (this.#changed.size > 0) return;
      this.#stopListening?.();
      this.#stopListening = null;
      this.#isFresh = false;
    };
  }

  #onChanged(ids: ReadonlySet<string>): void {
    const wasFresh = this.#isFresh;
    this.#isFresh = false; // until that is done: the app's own `where` may throw
    const isOther = wasFresh ? this.#rows.change(ids, (id) => this.#view.get(id)) : this.#rows.reset();
    this.#isFresh = true;
    if (isOther) this.#changed.emit();
  }
}
