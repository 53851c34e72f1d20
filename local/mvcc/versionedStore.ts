import { defineIndex, type IndexDefinition } from "./indexKey.js";
import type { ReadSet, StoredWrite } from "./readSet.js";
import { VersionedTable } from "./versionedTable.js";

/** What a transaction leaves of a document. */
export type DocumentAfter = Omit<StoredWrite, "before">;

export interface Commit {
  readonly ts: bigint;
  /** What committed it, for those it conflicts with. */
  readonly source: string;
  readonly writes: readonly StoredWrite[];
}

/** Another transaction has written what this one had read before it could commit. */
export class ConflictError extends Error {
  override readonly name = "OptimisticConcurrencyControlFailure";
  readonly write: StoredWrite;
  /** That was in the way. */
  readonly commit: Commit;

  constructor(write: StoredWrite, commit: Commit) {
    super(`A document of the table "${write.table}" that was read has changed since (${write.id}).`);
    this.write = write;
    this.commit = commit;
  }
}

/** Indexes that every table has. */
const systemIndexes = [defineIndex("by_id", ["_id"]), defineIndex("by_creation_time", ["_creationTime"])];

/**
 * Documents with their versions. Transactions read at the timestamp at which they began, whatever is committed
 * meanwhile, and are validated when they commit: against every write since then, by what they read.
 */
export class VersionedStore {
  readonly #tables = new Map<string, VersionedTable>();
  readonly #clock: () => bigint;
  /** Commits that a running transaction began before, oldest first. */
  #recent: Commit[] = [];
  /** How many run, by the timestamp they began at, oldest first: timestamps only rise. */
  readonly #running = new Map<bigint, number>();
  #lastTs = 0n;

  /** @param clock - nanoseconds since 1970; commit timestamps follow it, and rise even where it does not */
  constructor(clock: () => bigint) {
    this.#clock = clock;
  }

  get lastTs(): bigint {
    return this.#lastTs;
  }

  /** Held versions of all documents: bounded by what running transactions may still read. */
  get versions(): number {
    return [...this.#tables.values()].reduce((sum, table) => sum + table.versions, 0);
  }

  get tables(): ReadonlyMap<string, VersionedTable> {
    return this.#tables;
  }

  /** Made when it is first asked for, with the indexes that every table has. */
  table(name: string): VersionedTable {
    const made = this.#tables.get(name);
    if (made !== undefined) return made;
    const table = new VersionedTable(systemIndexes);
    this.#tables.set(name, table);
    return table;
  }

  /** Declares the indexes of a table, between two transactions: those not named any more go. */
  defineIndexes(table: string, indexes: readonly IndexDefinition[]): void {
    this.table(table).defineIndexes([...systemIndexes, ...indexes]);
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

  /**
   * @param source - what commits, for those that conflict with it
   * @param writesAt - the writes, given the timestamp that they are committed at
   * @throws ConflictError if a write since `snapshotTs` touches what was read
   */
  commit(
    snapshotTs: bigint,
    reads: ReadSet,
    source: string,
    writesAt: (ts: bigint) => readonly DocumentAfter[],
  ): Commit {
    this.#validate(snapshotTs, reads);
    const now = this.#clock();
    const ts = now > this.#lastTs ? now : this.#lastTs + 1n;
    return this.#apply(ts, source, writesAt(ts));
  }

  /** Puts a commit of an earlier life of this store back in its place; to be called while nothing runs. */
  restore(ts: bigint, writes: readonly DocumentAfter[]): void {
    for (const { table: name, id, after } of writes) {
      const table = this.table(name);
      table.write(id, after, ts);
      table.vacuum(id, ts);
    }
    this.#lastTs = ts;
  }

  #apply(ts: bigint, source: string, writes: readonly DocumentAfter[]): Commit {
    const stored = writes.map((write) => ({
      ...write,
      before: this.table(write.table).get(write.id, this.#lastTs),
    }));
    for (const { table, id, after } of stored) this.table(table).write(id, after, ts);
    const commit = { ts, source, writes: stored };
    this.#recent.push(commit);
    this.#lastTs = ts;
    this.#vacuum();
    return commit;
  }

  #validate(snapshotTs: bigint, reads: ReadSet): void {
    for (const commit of this.#recent) {
      if (commit.ts <= snapshotTs) continue;
      const hit = commit.writes.find((write) => reads.isTouchedBy(write));
      if (hit !== undefined) throw new ConflictError(hit, commit);
    }
  }

  /** Forgets what no running transaction can read or be validated against. */
  #vacuum(): void {
    const [oldest = this.#lastTs] = this.#running.keys();
    const firstNeeded = this.#recent.findIndex(({ ts }) => ts > oldest);
    const count = firstNeeded < 0 ? this.#recent.length : firstNeeded;
    for (const { writes } of this.#recent.splice(0, count))
      for (const { table, id } of writes) this.table(table).vacuum(id, oldest);
  }
}
