import { ReplicaError } from "../base/errors.js";
import { keyOf, keyOfPart } from "../core/keys.js";
import { isSameScreen } from "../core/screen.js";
import {
  FencedError,
  type Commit,
  type Damage,
  type Identity,
  type OutboxEntry,
  type PartPlace,
  type Storage,
  type StorageWatcher,
  type Stored,
  type StoredDocument,
  type StoredPart,
  type StoredTransaction,
} from "../ports/storage.js";
import { applyCommit, indexContents, metaAfter, type Contents } from "./contents.js";

interface Data {
  lastSequence: number;
  readonly contents: Contents;
  readonly parts: Map<string, StoredPart>;
  /** Documents that are read first, in the order in which that was told. */
  screen: Stored["screen"];
}

/** A database in memory. Several {@link MemoryStorage}s on one are what several tabs are on IndexedDB. */
export class MemoryDatabase {
  data: Data | null = null;
  /** For tests: the next append is refused, as by a full disk. */
  failNextAppend = false;
  /** For tests: the next attempt to take over fails. */
  failNextTakeOver = false;
  /** For tests: what cannot be read, until it is repaired. */
  damage: readonly Damage[] = [];
  /** Of so many documents is a slice of what `open` brings. */
  sliceDocuments = 500;
  /** For tests: awaited before each slice but the first. */
  beforeSlice: () => Promise<void> = () => Promise.resolve();
}

/** For Node and tests: the same contract as IndexedDB but for surviving the process. */
export class MemoryStorage implements Storage {
  readonly #database: MemoryDatabase;
  #isClosed = false;

  constructor(database: MemoryDatabase = new MemoryDatabase()) {
    this.#database = database;
  }

  async open(fresh: Identity, watcher?: StorageWatcher): Promise<Stored> {
    this.#assertOpen();
    const meta = { ...fresh, term: 0, commit: 0 };
    const nothing = { documents: [], outbox: [], groups: [], scopes: [], screen: [], damage: [] };
    const contents = indexContents({ meta, ...nothing });
    this.#database.data ??= { lastSequence: 0, contents, parts: new Map(), screen: [] };
    const stored = this.#read();
    if (watcher === undefined) return stored;
    const { sliceDocuments } = this.#database;
    void this.#readRest(stored.documents.slice(sliceDocuments), watcher);
    return { ...stored, documents: stored.documents.slice(0, sliceDocuments) };
  }

  async append(transactions: readonly StoredTransaction[]): Promise<number[]> {
    if (this.#database.failNextAppend) {
      this.#database.failNextAppend = false;
      throw new ReplicaError("storage_full", "The storage is full.");
    }
    return this.#append(transactions);
  }

  async removeFailed(sequences: readonly number[]): Promise<void> {
    for (const sequence of sequences) this.#data.contents.outbox.delete(sequence);
  }

  async outboxAfter(sequence: number): Promise<OutboxEntry[]> {
    return structuredClone(
      [...this.#data.contents.outbox.values()].filter((entry) => entry.sequence > sequence),
    );
  }

  async part(place: PartPlace): Promise<StoredPart | null> {
    return structuredClone(this.#data.parts.get(keyOfPart(place)) ?? null);
  }

  async takeOver(): Promise<Stored> {
    if (this.#database.failNextTakeOver) {
      this.#database.failNextTakeOver = false;
      throw new ReplicaError("storage_unavailable", "The storage cannot be used.");
    }
    const { contents } = this.#data;
    contents.meta = { ...contents.meta, term: contents.meta.term + 1 };
    return { ...this.#read(), parts: [...contents.parts.values()].flatMap((own) => [...own.values()]) };
  }

  async commit(term: number, changes: Commit): Promise<number> {
    const { contents, parts } = this.#data;
    if (contents.meta.term !== term) throw new FencedError();
    const own = structuredClone(changes);
    applyCommit(contents, own);
    for (const place of own.removedParts ?? []) parts.delete(keyOfPart(place));
    for (const part of own.parts ?? []) parts.set(keyOfPart(part), part);
    if (changes.repair !== undefined)
      this.#database.damage = this.#database.damage.filter(({ type }) => type === "transaction");
    return contents.meta.commit;
  }

  /** There is no better form than this one. What is to come first is written again, as where it has to be moved. */
  async fold(term: number, screen?: readonly StoredDocument[]): Promise<boolean> {
    const data = this.#data;
    const { contents } = data;
    if (contents.meta.term !== term) throw new FencedError();
    if (screen === undefined || isSameScreen(screen, data.screen)) return false;
    for (const document of screen)
      contents.documents.set(keyOf(document.collection, document.id), structuredClone(document));
    contents.meta = metaAfter(contents.meta, {});
    data.screen = screen.map(({ collection, id }) => ({ collection, id }));
    return false;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }

  async destroy(): Promise<void> {
    this.#isClosed = true;
    this.#database.data = null;
  }

  #append(transactions: readonly StoredTransaction[]): number[] {
    const data = this.#data;
    return transactions.map((transaction) => {
      const sequence = ++data.lastSequence;
      data.contents.outbox.set(sequence, structuredClone({ sequence, transaction }));
      return sequence;
    });
  }

  #read(): Stored {
    const { contents, screen } = this.#data;
    const { meta, documents, outbox, groups, scopes } = contents;
    const keys = screen.map(({ collection, id }) => keyOf(collection, id));
    const first = new Map(keys.flatMap((key) => (documents.has(key) ? [[key, documents.get(key)!]] : [])));
    const bySequence = (a: { sequence: number }, b: { sequence: number }) => a.sequence - b.sequence;
    return structuredClone({
      meta,
      documents: [...new Map([...first, ...documents]).values()],
      outbox: [...outbox.values()].sort(bySequence),
      groups: [...groups.values()].sort(bySequence),
      scopes: [...scopes.values()],
      damage: this.#database.damage,
      screen,
    });
  }

  async #readRest(documents: readonly StoredDocument[], watcher: StorageWatcher): Promise<void> {
    const { sliceDocuments, beforeSlice } = this.#database;
    for (let from = 0; from < documents.length; from += sliceDocuments) {
      await beforeSlice();
      if (this.#isClosed) return;
      watcher.onDocuments(documents.slice(from, from + sliceDocuments));
    }
    await null;
    watcher.onRead([]);
  }

  get #data(): Data {
    this.#assertOpen();
    if (this.#database.data === null) throw new ReplicaError("closed", "The local database was removed.");
    return this.#database.data;
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new ReplicaError("closed", "The local database is closed.");
  }
}
