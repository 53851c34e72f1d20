import type { AnyCollection, PlainRow } from "../../collections/index.js";
import { isSameValue } from "../../shared/canonicalJson.js";
import type { Operation } from "../../shared/operations.js";
import { applyToRow } from "../core/overlay.js";
import { rebaseOperations, type MergeRows, type PendingChange } from "../core/rebase.js";
import { Emitter, reportUncaught } from "../base/events.js";

/** What of a transaction a collection shows. */
export interface OverlaidChange {
  readonly operations: readonly Operation[];
  /** Of a parallel transaction: as the collection's own `merge` is shown it. */
  readonly pending?: PendingChange;
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
  readonly #merge: MergeRows | undefined;

  /**
   * @param pendingOf the changes to overlay on a document, in order
   * @param merge how parallel ones are worked in; default: like all others
   */
  constructor(
    definition: AnyCollection,
    pendingOf: (id: string) => readonly OverlaidChange[],
    merge?: MergeRows,
  ) {
    this.definition = definition;
    this.#pendingOf = pendingOf;
    this.#merge = merge;
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
    const row = this.#pendingOf(id).reduce(
      (so, change) => applyToRow(this.definition, id, so, this.#operationsOn(so, change)),
      this.#confirmed.get(id) ?? null,
    );
    const before = this.#shown.get(id);
    if (row === null) this.#shown.delete(id);
    else if (before === undefined || !isSameValue(before, row)) this.#shown.set(id, Object.freeze(row));
  }

  /** An app's `merge` that fails is told, and changes what is shown no more than if there were none. */
  #operationsOn(row: PlainRow | null, { operations, pending }: OverlaidChange): readonly Operation[] {
    if (pending === undefined || this.#merge === undefined) return operations;
    try {
      return rebaseOperations(this.definition, row, pending, this.#merge);
    } catch (error) {
      reportUncaught(error);
      return operations;
    }
  }
}
