import type * as SortedBTree from "sorted-btree";
import type { Document } from "../engine/engine.js";
import { createOrderedMap } from "./btree.js";
import {
  compareKeys,
  keyOf,
  type Edge,
  type IndexDefinition,
  type IndexKey,
  type Interval,
} from "./indexKey.js";
import { asPending, withCommitTs } from "./pendingTs.js";
import { ReadSet } from "./readSet.js";
import type { Commit, VersionedStore } from "./versionedStore.js";
import { stretchOf } from "./versionedTable.js";

type PendingIndex = SortedBTree.default<IndexKey, Document>;

/** What a transaction has written to one table, with an order for each index that it has asked for since. */
class PendingTable {
  /** null: removed. */
  readonly documents = new Map<string, Document | null>();
  readonly #indexes = new Map<IndexDefinition, PendingIndex>();

  /** Undefined takes the write back. */
  set(id: string, after: Document | null | undefined): void {
    const before = this.documents.get(id);
    for (const [index, tree] of this.#indexes) {
      if (before) tree.delete(pendingKey(index, before));
      if (after) tree.set(pendingKey(index, after), after);
    }
    if (after === undefined) this.documents.delete(id);
    else this.documents.set(id, after);
  }

  index(definition: IndexDefinition): PendingIndex {
    const made = this.#indexes.get(definition);
    if (made !== undefined) return made;
    const tree: PendingIndex = createOrderedMap(compareKeys);
    for (const document of this.documents.values())
      if (document !== null) tree.set(pendingKey(definition, document), document);
    this.#indexes.set(definition, tree);
    return tree;
  }
}

/** A write that can be taken back; `before` undefined: it was the transaction's first of that document. */
interface Undo {
  readonly table: string;
  readonly id: string;
  readonly before: Document | null | undefined;
}

/**
 * Reads as of the commit it began at, with its own writes over it, and remembers of each index exactly the stretch
 * it has been handed: a query that takes one document of a long range depends on nothing behind that one.
 * A nested level is a savepoint: its writes can be taken back, what it read stays read.
 */
export class Transaction {
  readonly snapshotTs: bigint;
  readonly reads = new ReadSet();
  readonly #store: VersionedStore;
  readonly #pending = new Map<string, PendingTable>();
  readonly #undo: Undo[] = [];
  /** Where in the undo log each nested level began. */
  readonly #savepoints: number[] = [];

  constructor(store: VersionedStore) {
    this.#store = store;
    this.snapshotTs = store.begin();
  }

  get(table: string, id: string): Document | null {
    this.reads.addDocument(table, id);
    const own = this.#pending.get(table)?.documents.get(id);
    return own === undefined ? this.getCommitted(table, id) : own;
  }

  /** As of the beginning, whatever the transaction wrote; not noted as read. */
  getCommitted(table: string, id: string): Document | null {
    return this.#store.table(table).get(id, this.snapshotTs);
  }

  /** Documents of an interval in order, read as they are asked for. */
  *scan(
    table: string,
    index: IndexDefinition,
    interval: Interval,
    order: "asc" | "desc",
  ): Generator<[IndexKey, Document]> {
    let last: IndexKey | null = null;
    try {
      for (const entry of this.#merged(table, index, interval, order)) {
        last = entry[0];
        yield entry;
      }
      last = null; // read to the end: all of the interval
    } finally {
      this.reads.addInterval(table, index, stretch(interval, order, last));
    }
  }

  /** As of the beginning, whatever the transaction wrote; not noted as read. */
  scanCommitted(table: string, index: IndexDefinition, interval: Interval, order: "asc" | "desc") {
    return this.#store.table(table).scan(index, interval, order, this.snapshotTs);
  }

  /** Inserts, replaces, or with null removes. */
  write(table: string, id: string, after: Document | null): void {
    const pending = this.#pending.get(table) ?? new PendingTable();
    this.#pending.set(table, pending);
    this.#undo.push({ table, id, before: pending.documents.get(id) });
    pending.set(id, after);
  }

  beginNested(): void {
    this.#savepoints.push(this.#undo.length);
  }

  commitNested(): void {
    this.#savepoints.pop();
  }

  rollbackNested(): void {
    const start = this.#savepoints.pop() ?? 0;
    for (const { table, id, before } of this.#undo.splice(start).reverse())
      this.#pending.get(table)?.set(id, before);
  }

  get hasWrites(): boolean {
    return this.#undo.length > 0;
  }

  get writtenTables(): readonly string[] {
    return [...this.#pending.keys()];
  }

  /** @param source - what commits, for those that conflict with it. @throws ConflictError */
  commit(source = ""): Commit {
    try {
      return this.#store.commit(this.snapshotTs, this.reads, source, (ts) =>
        [...this.#pending].flatMap(([table, { documents }]) =>
          [...documents].map(([id, after]) => ({ table, id, after: after && withCommitTs(after, ts) })),
        ),
      );
    } finally {
      this.#store.end(this.snapshotTs);
    }
  }

  rollback(): void {
    this.#store.end(this.snapshotTs);
  }

  *#merged(
    table: string,
    index: IndexDefinition,
    interval: Interval,
    order: "asc" | "desc",
  ): Generator<[IndexKey, Document]> {
    const pending = this.#pending.get(table);
    const committed = this.scanCommitted(table, index, interval, order);
    if (pending === undefined) return yield* committed;
    const sign = order === "asc" ? 1 : -1;
    // What is written while the scan goes on does not move it.
    const own = [...stretchOf(pending.index(index), interval, order)].reverse();
    const written = new Set(pending.documents.keys());
    for (const entry of committed) {
      while (own.length > 0 && sign * compareKeys(own.at(-1)![0], entry[0]) < 0) yield own.pop()!;
      if (!written.has(entry[1]["_id"] as string)) yield entry;
    }
    yield* own.reverse();
  }
}

function pendingKey(index: IndexDefinition, document: Document): IndexKey {
  return keyOf(index, asPending(document));
}

/** What of an interval was read when `last` was the last key handed out; null: all of it. */
function stretch({ from, to }: Interval, order: "asc" | "desc", last: IndexKey | null): Interval {
  if (last === null) return { from, to };
  const edge = (isAfter: boolean): Edge => ({ prefix: last, isAfter });
  return order === "asc" ? { from, to: edge(true) } : { from: edge(false), to };
}
