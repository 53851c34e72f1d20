import type { Document } from "../engine.js";
import { isWithin, keyOf, type IndexDefinition, type Interval } from "./indexKey.js";
import { VersionedTable } from "./versionedTable.js";

export interface StoredWrite {
  readonly table: string;
  readonly id: string;
  readonly before: Document | null;
  readonly after: Document | null;
}

/** A stretch of an index that a transaction has read: what is in it, and that nothing else is. */
export interface ReadInterval extends Interval {
  readonly table: string;
  readonly index: string;
}

/** Another transaction has written what this one had read before it could commit. */
export class ConflictError extends Error {
  override readonly name = "OptimisticConcurrencyControlFailure";
  readonly table: string;

  constructor({ table, id }: StoredWrite) {
    super(
      `Documents read from the table "${table}" changed while this mutation was being run (document ${id}).`,
    );
    this.table = table;
  }
}

/**
 * Documents with their versions. Transactions read at the timestamp at which they began, whatever is committed
 * meanwhile, and are validated when they commit: against every write since then, by what they read.
 */
export class VersionedStore {
  readonly #tables: ReadonlyMap<string, VersionedTable>;
  readonly #clock: () => bigint;
  /** Commits that a running transaction began before, oldest first. */
  #recent: { readonly ts: bigint; readonly writes: readonly StoredWrite[] }[] = [];
  readonly #running = new Map<bigint, number>();
  #lastTs = 0n;

  /** @param clock - nanoseconds since 1970; commit timestamps follow it, and rise even where it does not */
  constructor(schema: Readonly<Record<string, readonly IndexDefinition[]>>, clock: () => bigint) {
    this.#tables = new Map(
      Object.entries(schema).map(([name, indexes]) => [name, new VersionedTable(indexes)]),
    );
    this.#clock = clock;
  }

  get lastTs(): bigint {
    return this.#lastTs;
  }

  /** Held versions of all documents: bounded by what running transactions may still read. */
  get versions(): number {
    return [...this.#tables.values()].reduce((sum, table) => sum + table.versions, 0);
  }

  table(name: string): VersionedTable {
    const table = this.#tables.get(name);
    if (table === undefined) throw new Error(`There is no table "${name}".`);
    return table;
  }

  /** Begins to read at the newest commit: what is there then stays readable until {@link end}. */
  begin(): bigint {
    this.#running.set(this.#lastTs, (this.#running.get(this.#lastTs) ?? 0) + 1);
    return this.#lastTs;
  }

  end(snapshotTs: bigint): void {
    const left = (this.#running.get(snapshotTs) ?? 0) - 1;
    if (left > 0) this.#running.set(snapshotTs, left);
    else this.#running.delete(snapshotTs);
    this.#vacuum();
  }

  /** @returns the commit's timestamp. @throws ConflictError if a write since `snapshotTs` touches what was read */
  commit(
    snapshotTs: bigint,
    reads: readonly ReadInterval[],
    writes: readonly Omit<StoredWrite, "before">[],
  ): bigint {
    this.#validate(snapshotTs, reads);
    const now = this.#clock();
    const ts = now > this.#lastTs ? now : this.#lastTs + 1n;
    const stored = writes.map((write) => ({
      ...write,
      before: this.table(write.table).get(write.id, this.#lastTs),
    }));
    for (const { table, id, after } of stored) this.table(table).write(id, after, ts);
    this.#recent.push({ ts, writes: stored });
    this.#lastTs = ts;
    this.#vacuum();
    return ts;
  }

  #validate(snapshotTs: bigint, reads: readonly ReadInterval[]): void {
    for (const commit of this.#recent) {
      if (commit.ts <= snapshotTs) continue;
      const hit = commit.writes.find((write) => reads.some((read) => this.#touches(write, read)));
      if (hit !== undefined) throw new ConflictError(hit);
    }
  }

  #touches({ table, before, after }: StoredWrite, read: ReadInterval): boolean {
    if (table !== read.table) return false;
    const definition = this.table(table).definition(read.index);
    return [before, after].some(
      (document) => document !== null && isWithin(keyOf(definition, document), read),
    );
  }

  /** Forgets what no running transaction can read or be validated against. */
  #vacuum(): void {
    const oldest = [...this.#running.keys()].reduce((min, ts) => (ts < min ? ts : min), this.#lastTs);
    const old = this.#recent.filter(({ ts }) => ts <= oldest);
    this.#recent = this.#recent.filter(({ ts }) => ts > oldest);
    for (const { writes } of old) for (const { table, id } of writes) this.table(table).vacuum(id, oldest);
  }
}
