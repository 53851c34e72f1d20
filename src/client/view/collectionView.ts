import type { AnyCollection, PlainRow } from "../../collections/index.js";
import { isSameValue } from "../../shared/canonicalJson.js";
import type { Operation } from "../../shared/operations.js";
import { applyToRow } from "../core/overlay.js";
import { Emitter } from "../base/events.js";

/** What of a transaction a collection shows. */
export interface OverlaidChange {
  readonly operations: readonly Operation[];
}

/**
 * A collection's rows as the app sees them: the confirmed rows, and over them the operations of transactions
 * that they do not contain yet, in order (I-7).
 */
export class CollectionView {
  readonly definition: AnyCollection;
  readonly changed = new Emitter<ReadonlySet<string>>();
  readonly #confirmed = new Map<string, PlainRow>();
  readonly #shown = new Map<string, PlainRow>();
  readonly #pendingOf: (id: string) => readonly OverlaidChange[];

  /** @param pendingOf the changes to overlay on a document, in order */
  constructor(definition: AnyCollection, pendingOf: (id: string) => readonly OverlaidChange[]) {
    this.definition = definition;
    this.#pendingOf = pendingOf;
  }

  get size(): number {
    return this.#shown.size;
  }

  get(id: string): PlainRow | undefined {
    return this.#shown.get(id);
  }

  rows(): IterableIterator<PlainRow> {
    return this.#shown.values();
  }

  /** Null: not there, or deleted. */
  confirmedRow(id: string): PlainRow | null {
    return this.#confirmed.get(id) ?? null;
  }

  confirmedIds(): IterableIterator<string> {
    return this.#confirmed.keys();
  }

  setConfirmed(id: string, row: PlainRow | null): void {
    if (row === null) this.#confirmed.delete(id);
    else this.#confirmed.set(id, row);
  }

  /** Brings what is shown of the document up to date. A row that is equal stays the same object. */
  recompute(id: string): void {
    const pending = this.#pendingOf(id);
    const confirmed = this.#confirmed.get(id) ?? null;
    const row =
      pending.length === 0
        ? confirmed
        : applyToRow(
            this.definition,
            id,
            confirmed,
            pending.flatMap((change) => change.operations),
          );
    const before = this.#shown.get(id);
    if (row === null) this.#shown.delete(id);
    else if (before === undefined || !isSameValue(before, row)) this.#shown.set(id, Object.freeze(row));
  }
}
