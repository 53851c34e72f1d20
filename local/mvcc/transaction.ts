import type { Document } from "../engine.js";
import { compareKeys, isWithin, keyOf, type Edge, type IndexKey, type Interval } from "./indexKey.js";
import type { ReadInterval, VersionedStore } from "./versionedStore.js";

type Writes = Map<string, { readonly table: string; readonly id: string; readonly after: Document | null }>;

/**
 * Reads as of the commit it began at, with its own writes over it, and remembers of each index exactly the stretch
 * it has been handed: a query that takes one document of a long range depends on nothing behind that one.
 * A nested level is a savepoint: its writes can be taken back, what it read stays read.
 */
export class Transaction {
  readonly snapshotTs: bigint;
  readonly #store: VersionedStore;
  readonly #reads: ReadInterval[] = [];
  /** The outermost level first. */
  readonly #levels: Writes[] = [new Map()];

  constructor(store: VersionedStore) {
    this.#store = store;
    this.snapshotTs = store.begin();
  }

  /** The index `by_id` must be one of the table's. */
  get(table: string, id: string): Document | null {
    const point = { prefix: [id] };
    this.#reads.push({
      table,
      index: "by_id",
      from: { ...point, isAfter: false },
      to: { ...point, isAfter: true },
    });
    const own = this.#own(table, id);
    return own === undefined ? this.#store.table(table).get(id, this.snapshotTs) : own;
  }

  /** Documents of an interval in order, read as they are asked for. */
  *scan(table: string, index: string, interval: Interval, order: "asc" | "desc"): Generator<Document> {
    let last: IndexKey | null = null;
    try {
      for (const [key, document] of this.#merged(table, index, interval, order)) {
        last = key;
        yield document;
      }
      last = null; // read to the end: all of the interval
    } finally {
      this.#reads.push({ table, index, ...stretch(interval, order, last) });
    }
  }

  /** Inserts, replaces, or with null removes. */
  write(table: string, id: string, after: Document | null): void {
    this.#levels.at(-1)?.set(`${table} ${id}`, { table, id, after });
  }

  beginNested(): void {
    this.#levels.push(new Map());
  }

  commitNested(): void {
    const inner = this.#levels.pop();
    for (const [key, write] of inner ?? []) this.#levels.at(-1)?.set(key, write);
  }

  rollbackNested(): void {
    this.#levels.pop();
  }

  /** @returns the commit's timestamp. @throws ConflictError */
  commit(): bigint {
    try {
      return this.#store.commit(this.snapshotTs, this.#reads, [...this.#ownWrites().values()]);
    } finally {
      this.#store.end(this.snapshotTs);
    }
  }

  rollback(): void {
    this.#store.end(this.snapshotTs);
  }

  /** Undefined: this transaction has not written it. */
  #own(table: string, id: string): Document | null | undefined {
    return this.#levels.findLast((level) => level.has(`${table} ${id}`))?.get(`${table} ${id}`)?.after;
  }

  #ownWrites(): Writes {
    return new Map(this.#levels.flatMap((level) => [...level]));
  }

  *#merged(
    table: string,
    index: string,
    interval: Interval,
    order: "asc" | "desc",
  ): Generator<[IndexKey, Document]> {
    const definition = this.#store.table(table).definition(index);
    const sign = order === "asc" ? 1 : -1;
    const own = [...this.#ownWrites().values()].filter((write) => write.table === table);
    const written = new Set(own.map(({ id }) => id));
    const pending = own
      .flatMap(({ after }): [IndexKey, Document][] =>
        after === null ? [] : [[keyOf(definition, after), after]],
      )
      .filter(([key]) => isWithin(key, interval))
      .sort(([a], [b]) => sign * compareKeys(a, b));
    for (const entry of this.#store.table(table).scan(index, interval, order, this.snapshotTs)) {
      while (pending[0] !== undefined && sign * compareKeys(pending[0][0], entry[0]) < 0)
        yield pending.shift() as [IndexKey, Document];
      if (!written.has(entry[1]["_id"] as string)) yield entry;
    }
    yield* pending;
  }
}

/** What of an interval was read when `last` was the last key handed out; null: all of it. */
function stretch({ from, to }: Interval, order: "asc" | "desc", last: IndexKey | null): Interval {
  if (last === null) return { from, to };
  const edge = (isAfter: boolean): Edge => ({ prefix: last, isAfter });
  return order === "asc" ? { from, to: edge(true) } : { from: edge(false), to };
}
