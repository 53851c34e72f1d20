import type { PlainRow } from "../../collections/index.js";
import { runQuery, type PlainQuery } from "../core/query.js";
import { Emitter } from "../base/events.js";
import type { CollectionView } from "./collectionView.js";

/** A query over a collection's rows, kept up to date while somebody listens and worked out when asked otherwise. */
export class QueryView {
  readonly #view: CollectionView;
  readonly #query: PlainQuery;
  readonly #changed = new Emitter();
  #current: readonly PlainRow[] = [];
  #ids: ReadonlySet<string> = new Set();
  #stopListening: (() => void) | null = null;
  #isFresh = false;

  constructor(view: CollectionView, query: PlainQuery) {
    this.#view = view;
    this.#query = query;
  }

  get current(): readonly PlainRow[] {
    if (!this.#isFresh || this.#stopListening === null) this.#refresh();
    return this.#current;
  }

  subscribe(listener: () => void): () => void {
    if (this.#stopListening === null) {
      this.#refresh();
      this.#stopListening = this.#view.changed.on((ids) => this.#onChanged(ids));
    }
    const off = this.#changed.on(listener);
    return () => {
      off();
      if (this.#changed.size > 0) return;
      this.#stopListening?.();
      this.#stopListening = null;
    };
  }

  #onChanged(ids: ReadonlySet<string>): void {
    const { where } = this.#query;
    const matters = [...ids].some((id) => {
      const row = this.#view.get(id);
      return this.#ids.has(id) || (row !== undefined && (where === undefined || where(row)));
    });
    if (matters && this.#refresh()) this.#changed.emit();
  }

  /** @returns whether the result is another one; if not, the array stays the same object */
  #refresh(): boolean {
    const rows = runQuery(this.#view.rows(), this.#query);
    const before = this.#current;
    this.#isFresh = true;
    if (rows.length === before.length && rows.every((row, index) => row === before[index])) return false;
    this.#current = rows;
    this.#ids = new Set(rows.map((row) => row.id));
    return true;
  }
}
