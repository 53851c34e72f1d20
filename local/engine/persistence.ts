import type { DataDirectory, StoredCommit } from "../durable/dataDirectory.js";
import type { Commit, VersionedStore } from "../mvcc/versionedStore.js";
import type { Tables } from "./tables.js";

/** So many documents go into one record of a snapshot. */
const documentsARecord = 1_000;

/** Keeps what is committed on disk, where there is a directory for it. */
export class Persistence {
  readonly #data: DataDirectory | null;
  readonly #store: VersionedStore;
  readonly #tables: Tables;
  readonly #onFailure: (error: unknown) => void;
  #compacting: Promise<void> | null = null;

  /** @param onFailure is told of a compaction that failed: nothing is lost by it, and it is tried again */
  constructor(
    data: DataDirectory | null,
    store: VersionedStore,
    tables: Tables,
    onFailure: (error: unknown) => void,
  ) {
    this.#data = data;
    this.#store = store;
    this.#tables = tables;
    this.#onFailure = onFailure;
  }

  /** Brings back what an earlier life has left; to be called before anything is committed. */
  async recover(): Promise<void> {
    await this.#data?.recover(({ ts, tables, writes }) => {
      for (const table of tables) this.#tables.restore(table);
      for (const { after } of writes)
        if (after !== null) this.#tables.noteCreationTime(after["_creationTime"] as number);
      this.#store.restore(ts, writes);
    });
  }

  /** Every commit, in order. @throws DataDirectoryError once something could not be written */
  append({ ts, writes }: Commit): void {
    const tables = this.#tables.takeNew();
    if (this.#data === null) return;
    this.#data.append({
      ts,
      tables,
      writes: writes.map(({ table, id, after }) => ({ table, id, after })),
    });
    if (!this.#data.shouldCompact || this.#compacting !== null) return;
    this.#compacting = this.#compact(this.#data)
      .catch(this.#onFailure)
      .finally(() => (this.#compacting = null));
  }

  /** Until all that was committed is on disk. @throws DataDirectoryError if it could not be written */
  async flushed(): Promise<void> {
    await this.#data?.flushed();
  }

  async close(): Promise<void> {
    await this.#compacting;
    await this.#data?.close();
  }

  /** As a transaction that reads everything: what is there when it begins stays readable while others write. */
  async #compact(data: DataDirectory): Promise<void> {
    const ts = this.#store.begin();
    try {
      await data.compact(ts, this.#stateAt(ts));
    } finally {
      this.#store.end(ts);
    }
  }

  *#stateAt(ts: bigint): Generator<StoredCommit> {
    yield { ts, tables: [...this.#tables.all()], writes: [] };
    let writes: StoredCommit["writes"][number][] = [];
    for (const [table, versions] of this.#store.tables)
      for (const document of versions.documents(ts)) {
        writes.push({ table, id: document["_id"] as string, after: document });
        if (writes.length < documentsARecord) continue;
        yield { ts, tables: [], writes };
        writes = [];
      }
    yield { ts, tables: [], writes };
  }
}
