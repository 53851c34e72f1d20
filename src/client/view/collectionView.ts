import type { AnyCollection, PlainRow } from "../../collections/index.js";
import type { Operation } from "../../shared/operations.js";
import { applyToRow, isSameRow } from "../core/overlay.js";
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
  /** Of documents that were deleted and inserted again. */
  readonly #incarnations = new Map<string, number>();
  /** Shown in place of confirmed rows. */
  readonly #hydrated = new Map<string, PlainRow>();
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

  setConfirmed(id: string, row: PlainRow | null, incarnation = 0): void {
    if (row === null) this.#confirmed.delete(id);
    else this.#confirmed.set(id, row);
    if (incarnation > 0) this.#incarnations.set(id, incarnation);
    else if (this.#incarnations.size > 0) this.#incarnations.delete(id);
  }

  /** In which of its lives the confirmed document is. */
  incarnationOf(id: string): number {
    return this.#incarnations.get(id) ?? 0;
  }

  /** Shows another row in its place. */
  hydrate(id: string, row: PlainRow): void {
    this.#hydrated.set(id, row);
  }

  /** Shows the confirmed row again. */
  dehydrate(id: string): void {
    this.#hydrated.delete(id);
  }

  /** Works out anew what is shown of the document. A row that is equal stays the same object. */
  recompute(id: string): void {
    const changes = this.#pendingOf(id);
    const confirmed = this.#hydrated.get(id) ?? this.#confirmed.get(id) ?? null;
    this.#show(
      id,
      changes.reduce((row, change) => this.#applied(id, row, change), confirmed),
    );
  }

  /**
   * Shows a change that comes after all that are shown of the document already. It leads to the same row as
   * {@link CollectionView.recompute}, without applying those before it again.
   */
  append(id: string, change: OverlaidChange): void {
    this.#show(id, this.#applied(id, this.#shown.get(id) ?? null, change));
  }

  #applied(id: string, row: PlainRow | null, change: OverlaidChange): PlainRow | null {
    return applyToRow(this.definition, id, row, this.#operationsOn(row, change));
  }

  #show(id: string, row: PlainRow | null): void {
    const before = this.#shown.get(id);
    if (row === null) this.#shown.delete(id);
    else if (before === undefined || !isSameRow(before, row)) this.#shown.set(id, Object.freeze(row));
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
