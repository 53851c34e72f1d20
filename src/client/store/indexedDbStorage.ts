// Stores: meta (one record) · pages (what a large commit brought, immutable, one record: a record per row is many
// times slower to write and to open) · tail (a record per document changed since, which wins over the pages) ·
// outbox · groups · scopes. The tail's record of a removed document says so, until its page is gone too.
import { openDB, type DBSchema, type IDBPDatabase, type IDBPTransaction } from "idb";
import { ReplicaError } from "../base/errors.js";
import {
  FencedError,
  type AuthoredGroup,
  type Commit,
  type Identity,
  type Meta,
  type OutboxEntry,
  type Storage,
  type Stored,
  type StoredDocument,
  type StoredScope,
  type StoredTransaction,
} from "../ports/storage.js";

type TailRecord =
  StoredDocument | { readonly collection: string; readonly id: string; readonly isGone: true };

interface Schema extends DBSchema {
  meta: { key: "meta"; value: Meta };
  pages: { key: number; value: { readonly documents: readonly StoredDocument[] } };
  tail: { key: [string, string]; value: TailRecord };
  outbox: { key: number; value: StoredTransaction };
  groups: { key: number; value: AuthoredGroup };
  scopes: { key: [string, string]; value: StoredScope };
}
type StoreName = "meta" | "pages" | "tail" | "outbox" | "groups" | "scopes";
type Write<Names extends StoreName[] = StoreName[]> = IDBPTransaction<Schema, Names, "readwrite">;

const formatVersion = 1;
/** A commit of at least as many documents becomes a page. */
const pageDocuments = 64;
const outboxOnly: ["outbox"] = ["outbox"];
const allStores: StoreName[] = ["meta", "pages", "tail", "outbox", "groups", "scopes"];

/** The default in browsers. */
export class IndexedDbStorage implements Storage {
  readonly #name: string;
  #opening: Promise<IDBPDatabase<Schema>> | null = null;
  #isClosed = false;

  /** @param name - of the database; one per app, deployment and user */
  constructor(name: string) {
    this.#name = name;
  }

  async open(fresh: Identity): Promise<Stored> {
    return this.#write(allStores, async (tx) => {
      const meta = await tx.objectStore("meta").get("meta");
      if (meta === undefined) await tx.objectStore("meta").put({ ...fresh, term: 0, commit: 0 }, "meta");
      return readAll(tx);
    });
  }

  async append(transactions: readonly StoredTransaction[]): Promise<number[]> {
    return this.#write(outboxOnly, (tx) => appendAll(tx, transactions));
  }

  async removeFailed(sequences: readonly number[]): Promise<void> {
    await this.#write(outboxOnly, async (tx) => {
      for (const sequence of sequences) void tx.objectStore("outbox").delete(sequence);
    });
  }

  async outboxAfter(sequence: number): Promise<OutboxEntry[]> {
    const db = await this.#database();
    return translated(() => readOutbox(db.transaction("outbox"), IDBKeyRange.lowerBound(sequence, true)));
  }

  async takeOver(): Promise<Stored> {
    return this.#write(allStores, async (tx) => {
      const meta = await readMeta(tx);
      await tx.objectStore("meta").put({ ...meta, term: meta.term + 1 }, "meta");
      return readAll(tx);
    });
  }

  async commit(term: number, changes: Commit): Promise<number> {
    return this.#write(allStores, async (tx) => {
      const meta = await readMeta(tx);
      if (meta.term !== term) throw new FencedError();
      const commit = meta.commit + 1;
      await tx.objectStore("meta").put({ ...meta, author: changes.author ?? meta.author, commit }, "meta");
      await putDocuments(tx, changes);
      await putProgress(tx, changes);
      return commit;
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    (await this.#opening)?.close();
  }

  async destroy(): Promise<void> {
    await this.close();
    await new Promise<void>((resolve, reject) => {
      const request = indexedDB.deleteDatabase(this.#name);
      request.onsuccess = () => resolve();
      request.onerror = () => reject(toStorageError(request.error));
    });
  }

  async #write<Names extends StoreName[], Result>(
    stores: Names,
    work: (tx: Write<Names>) => Promise<Result>,
  ): Promise<Result> {
    const db = await this.#database();
    return translated(async () => {
      // Strict: `durable` is to survive the machine losing its power, for 0.2 ms more.
      const tx = db.transaction(stores, "readwrite", { durability: "strict" });
      try {
        const result = await work(tx);
        await tx.done;
        return result;
      } catch (error) {
        tx.done.catch(() => {}); // its rejection is the one that is thrown below, or follows from it
        if (!(error instanceof DOMException)) abort(tx);
        throw error;
      }
    });
  }

  #database(): Promise<IDBPDatabase<Schema>> {
    if (this.#isClosed) return Promise.reject(new ReplicaError("closed", "The local database is closed."));
    this.#opening ??= translated(() =>
      openDB<Schema>(this.#name, formatVersion, {
        upgrade(db) {
          for (const store of ["meta", "scopes"] as const) db.createObjectStore(store);
          db.createObjectStore("groups");
          db.createObjectStore("tail");
          db.createObjectStore("pages", { autoIncrement: true });
          db.createObjectStore("outbox", { autoIncrement: true });
        },
        // Another tab wants to delete or upgrade the database: in its way, we would block it for ever.
        blocking: (_current, _blocked, event) => (event.target as IDBDatabase).close(),
      }),
    );
    return this.#opening;
  }
}

async function readAll(tx: Write): Promise<Stored> {
  const [meta, pages, tail, outbox, groups, scopes] = await Promise.all([
    readMeta(tx),
    tx.objectStore("pages").getAll(),
    tx.objectStore("tail").getAll(),
    readOutbox(tx),
    tx.objectStore("groups").getAll(),
    tx.objectStore("scopes").getAll(),
  ]);
  const documents = new Map<string, StoredDocument>();
  for (const page of pages)
    for (const each of page.documents) documents.set(`${each.collection}\0${each.id}`, each);
  for (const each of tail) {
    const key = `${each.collection}\0${each.id}`;
    if ("isGone" in each) documents.delete(key);
    else documents.set(key, each);
  }
  return { meta, documents: [...documents.values()], outbox, groups, scopes };
}

async function readMeta(tx: Write): Promise<Meta> {
  const meta = await tx.objectStore("meta").get("meta");
  if (meta === undefined)
    throw new ReplicaError("storage_corrupt", "The local database has lost its identity.");
  return meta;
}

async function readOutbox(
  tx: {
    objectStore(name: "outbox"): {
      getAllKeys(range?: IDBKeyRange): Promise<number[]>;
      getAll(range?: IDBKeyRange): Promise<StoredTransaction[]>;
    };
  },
  range?: IDBKeyRange,
): Promise<OutboxEntry[]> {
  const store = tx.objectStore("outbox");
  const [sequences, transactions] = await Promise.all([store.getAllKeys(range), store.getAll(range)]);
  return sequences.map((sequence, index) => ({
    sequence,
    transaction: transactions[index] as StoredTransaction,
  }));
}

/** The key generator only ever rises, over all tabs: its keys are the order of durability. */
function appendAll(tx: Write<["outbox"]>, transactions: readonly StoredTransaction[]): Promise<number[]> {
  return Promise.all(transactions.map((transaction) => tx.objectStore("outbox").add(transaction)));
}

async function putDocuments(tx: Write, { documents = [], removedDocuments = [] }: Commit): Promise<void> {
  const tail = tx.objectStore("tail");
  for (const { collection, id } of removedDocuments)
    void tail.put({ collection, id, isGone: true }, [collection, id]);
  if (documents.length >= pageDocuments) {
    await tx.objectStore("pages").add({ documents });
    for (const { collection, id } of documents) void tail.delete([collection, id]);
  } else {
    for (const each of documents) void tail.put(each, [each.collection, each.id]);
  }
}

async function putProgress(tx: Write, changes: Commit): Promise<void> {
  const { groups = [], removedGroups = [], outbox = [], removedOutbox = [] } = changes;
  const scopes = tx.objectStore("scopes");
  for (const { collection, scope } of changes.removedScopes ?? []) void scopes.delete([collection, scope]);
  for (const scope of changes.scopes ?? []) void scopes.put(scope, [scope.collection, scope.scope]);
  for (const sequence of removedGroups) void tx.objectStore("groups").delete(sequence);
  for (const group of groups) void tx.objectStore("groups").put(group, group.sequence);
  for (const sequence of removedOutbox) void tx.objectStore("outbox").delete(sequence);
  for (const { sequence, transaction } of outbox) {
    const isThere = (await tx.objectStore("outbox").getKey(sequence)) !== undefined;
    if (isThere) void tx.objectStore("outbox").put(transaction, sequence);
  }
}

function abort(tx: { abort(): void }): void {
  try {
    tx.abort();
  } catch (error) {
    if (!(error instanceof DOMException)) throw error; // InvalidStateError: it has ended already
  }
}

async function translated<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof DOMException ? toStorageError(error) : error;
  }
}

function toStorageError(cause: DOMException | null): ReplicaError {
  if (cause?.name === "QuotaExceededError")
    return new ReplicaError(
      "storage_full",
      "The browser's storage is full: this write is not stored. Free some space and retry it.",
      { cause },
    );
  if (cause?.name === "DataError" || cause?.name === "VersionError")
    return new ReplicaError("storage_corrupt", `The local database cannot be read: ${cause.message}`, {
      cause,
    });
  return new ReplicaError(
    "storage_unavailable",
    `The browser's storage cannot be used: ${cause?.message ?? "unknown reason"}`,
    { cause },
  );
}
