import { ReplicaError } from "../base/errors.js";
import { systemClock, type Clock } from "../ports/clock.js";
import {
  FencedError,
  type Commit,
  type Damage,
  type Identity,
  type Meta,
  type OutboxEntry,
  type PartPlace,
  type Storage,
  type StorageWatcher,
  type Stored,
  type StoredDocument,
  type StoredPart,
  type StoredTransaction,
} from "../ports/storage.js";
import { metaAfter } from "./contents.js";
import { inStorageErrors, toStorageError } from "./indexedDbErrors.js";
import {
  beginReading,
  headStores,
  readHead,
  readOutboxAfter,
  readPages,
  unsealMeta,
  type Head,
} from "./indexedDbReading.js";
import { partStores, putParts, readPart, readPartPositions } from "./indexedDbParts.js";
import type { Database, StoreName, Write } from "./indexedDbSchema.js";
import {
  appendAll,
  begin,
  clearDamage,
  durabilityOf,
  foldStep,
  isScreenDue,
  putDocuments,
  putProgress,
  putScreen,
  storesOf,
} from "./indexedDbWriting.js";
import { openDatabase } from "./openDatabase.js";
import { planFold, type PageDirectory } from "./pageDirectory.js";
import { seal } from "./sealed.js";
import { storeLimits, type StoreLimits } from "./storeLimits.js";

/** What a reading of all pages came to. */
interface AllPages {
  readonly directory: PageDirectory;
  readonly documents: readonly StoredDocument[];
  readonly damage: readonly Damage[];
}

/** The default in browsers. */
export class IndexedDbStorage implements Storage {
  readonly #name: string;
  readonly #clock: Clock;
  readonly #limits: StoreLimits;
  #opening: Promise<Database> | null = null;
  #watcher: StorageWatcher | null = null;
  /** Why the database cannot be used any more. */
  #ended: ReplicaError | null = null;
  /** The pages that are being read, as of this commit: a tab that is elected meanwhile need not read them twice. */
  #reading: { readonly commit: number; readonly pages: Promise<AllPages | null> } | null = null;
  /** Of the leader: where each document is. */
  #directory: PageDirectory | null = null;

  /**
   * @param name - of the database; one per app, deployment and user
   * @param clock - for how long another tab may keep the database from being opened
   * @param limits - for tests: smaller pages
   */
  constructor(name: string, clock: Clock = systemClock, limits: StoreLimits = storeLimits) {
    this.#name = name;
    this.#clock = clock;
    this.#limits = limits;
  }

  async open(fresh: Identity, watcher?: StorageWatcher): Promise<Stored> {
    this.#watcher = watcher ?? this.#watcher;
    const db = await this.#database();
    return inStorageErrors(() =>
      watcher === undefined ? this.#readAll(db, fresh) : this.#readFirst(db, fresh, watcher),
    );
  }

  async append(transactions: readonly StoredTransaction[]): Promise<number[]> {
    return this.#write(["outbox"], (tx) => appendAll(tx, transactions));
  }

  async removeFailed(sequences: readonly number[]): Promise<void> {
    await this.#write(["outbox"], async (tx) => {
      for (const sequence of sequences) begin(tx.objectStore("outbox").delete(sequence));
    });
  }

  async outboxAfter(sequence: number): Promise<OutboxEntry[]> {
    const db = await this.#database();
    return inStorageErrors(() => readOutboxAfter(beginReading(db, ["outbox"]), sequence));
  }

  async part(place: PartPlace): Promise<StoredPart | null> {
    const db = await this.#database();
    return inStorageErrors(() => readPart(beginReading(db, ["parts"]), place));
  }

  async takeOver(): Promise<Stored> {
    const db = await this.#database();
    const reading = this.#reading;
    const { head, pageKeys, parts } = await this.#write(
      [...headStores, "pages", ...partStores],
      async (tx) => {
        const meta = unsealMeta(await tx.objectStore("meta").get("meta"));
        await tx.objectStore("meta").put(seal({ ...meta, term: meta.term + 1 }), "meta");
        return {
          head: (await readHead(tx)) as Head,
          pageKeys: await tx.objectStore("pages").getAllKeys(),
          parts: await readPartPositions(tx),
        };
      },
    );
    return inStorageErrors(async () => {
      const read = reading?.commit === head.meta.commit ? await reading.pages.catch(() => null) : null;
      const isSame = read !== null && hasPages(read, pageKeys);
      const pages = isSame ? read : await this.#readPages(db, head, () => {});
      if (pages === null) throw new FencedError(); // a commit although the term was raised: by the next leader
      this.#directory = pages.directory;
      return { ...toStored(head, pages), parts };
    });
  }

  async commit(term: number, changes: Commit): Promise<number> {
    const work = async (tx: Write) => {
      // Nothing waits for the fence: if it fails, what was asked for meanwhile is undone with the transaction.
      const raising = this.#fence(tx, term).then((meta) => {
        const raised = metaAfter(meta, changes);
        begin(tx.objectStore("meta").put(seal(raised), "meta"));
        return raised.commit;
      });
      clearDamage(tx, changes.repair?.damage ?? []);
      putParts(tx, changes);
      const [commit, written] = await Promise.all([
        raising,
        putDocuments(tx, changes, this.#directory, this.#limits),
        putProgress(tx, changes),
      ]);
      return { commit, written };
    };
    const { commit, written } = await this.#write(storesOf(changes), work, durabilityOf(changes));
    if (this.#directory !== null) written(this.#directory);
    return commit;
  }

  async fold(term: number, screen?: readonly StoredDocument[]): Promise<boolean> {
    const directory = this.#directory;
    if (directory === null) return false;
    const due = screen !== undefined && isScreenDue(screen, directory) ? screen : null;
    const written = await this.#write(
      due === null ? ["meta", "pages", "tail"] : ["meta", "tail"],
      async (tx) => {
        const meta = await this.#fence(tx, term);
        return due === null ? foldStep(tx, directory, this.#limits) : putScreen(tx, meta, due, directory);
      },
      // Should the machine lose its power, what was there before is as good.
      "relaxed",
    );
    written?.(directory);
    return planFold(directory.pages(), directory.looseTail, this.#limits) !== null;
  }

  async close(): Promise<void> {
    this.#ended ??= new ReplicaError("closed", "The local database is closed.");
    this.#directory = null;
    (await this.#opening?.catch(() => null))?.close();
  }

  async destroy(): Promise<void> {
    await this.close();
    await new Promise<void>((resolve, reject) => {
      const request = indexedDB.deleteDatabase(this.#name);
      request.onsuccess = () => resolve();
      request.onerror = () => reject(toStorageError(request.error));
    });
  }

  async #readAll(db: Database, fresh: Identity): Promise<Stored> {
    for (;;) {
      const head = await this.#head(fresh);
      const pages = await this.#readPages(db, head, () => {});
      if (pages !== null) return toStored(head, pages);
    }
  }

  /** Answers with what comes first; the rest goes to the watcher. */
  #readFirst(db: Database, fresh: Identity, watcher: StorageWatcher): Promise<Stored> {
    return new Promise((resolve, reject) => {
      let isAnswered = false;
      const later: Damage[] = [];
      const read = async () => {
        let pages: AllPages | null = null;
        while (pages === null) {
          const head = await this.#head(fresh);
          pages = await this.#readPages(db, head, (slice) => {
            if (!isAnswered) resolve(toStored(head, slice));
            else if (slice.documents.length > 0) watcher.onDocuments(slice.documents);
            if (isAnswered) later.push(...slice.damage);
            isAnswered = true;
          });
        }
        watcher.onRead(later);
      };
      inStorageErrors(read).catch((error: unknown) => {
        if (isAnswered && ReplicaError.is(error)) watcher.onUnreadable(error);
        else reject(error as Error);
      });
    });
  }

  async #head(fresh: Identity): Promise<Head> {
    const db = await this.#database();
    const head = await readHead(beginReading(db, headStores));
    if (head !== null) return head;
    return this.#write([...headStores, "pages"], async (tx) => {
      const [found, pages] = [await readHead(tx), await tx.objectStore("pages").count()];
      if (found !== null) return found; // another tab was faster
      if (pages > 0) unsealMeta(undefined);
      await tx.objectStore("meta").put(seal({ ...fresh, term: 0, commit: 0 }), "meta");
      return (await readHead(tx)) as Head;
    });
  }

  async #readPages(
    db: Database,
    head: Head,
    onSlice: Parameters<typeof readPages>[2],
  ): Promise<AllPages | null> {
    const documents: StoredDocument[] = [];
    const damage: Damage[] = [];
    const pages = readPages(db, head, (slice) => {
      documents.push(...slice.documents);
      damage.push(...slice.damage);
      onSlice(slice);
    }).then((directory) => directory && { directory, documents, damage });
    const reading = { commit: head.meta.commit, pages };
    this.#reading = reading;
    try {
      return await pages;
    } finally {
      if (this.#reading === reading) this.#reading = null;
    }
  }

  async #fence(tx: Write, term: number): Promise<Meta> {
    const meta = unsealMeta(await tx.objectStore("meta").get("meta"));
    if (meta.term !== term) throw new FencedError();
    return meta;
  }

  async #write<Result>(
    stores: StoreName[],
    work: (tx: Write) => Promise<Result>,
    // `durable` is to survive the machine losing its power, for 0.2 ms more.
    durability: IDBTransactionDurability = "strict",
  ): Promise<Result> {
    const db = await this.#database();
    return inStorageErrors(async () => {
      const tx = db.transaction(stores, "readwrite", { durability });
      try {
        const result = await work(tx);
        await tx.done;
        return result;
      } catch (error) {
        tx.done.catch(() => {}); // its rejection is the one that is thrown below, or follows from it
        abort(tx);
        throw tx.error ?? error;
      }
    });
  }

  #database(): Promise<Database> {
    if (this.#ended !== null) return Promise.reject(this.#ended);
    this.#opening ??= inStorageErrors(() => this.#openDatabase()).catch((error: unknown) => {
      this.#opening = null; // the next call tries again
      throw error;
    });
    return this.#opening;
  }

  #openDatabase(): Promise<Database> {
    if (indexedDB === undefined || indexedDB === null)
      throw new ReplicaError(
        "storage_unavailable",
        "This browser offers no IndexedDB, or none in this mode.",
      );
    return openDatabase(this.#name, this.#clock, (error) => this.#lose(error));
  }

  #lose(error: ReplicaError): void {
    if (this.#ended !== null) return;
    this.#ended = error;
    this.#watcher?.onLost(error);
  }
}

function toStored(
  head: Head,
  pages: { readonly documents: readonly StoredDocument[]; readonly damage: readonly Damage[] },
): Stored {
  const { meta, screen, outbox, groups, scopes } = head;
  return {
    meta,
    screen,
    documents: pages.documents,
    outbox,
    groups,
    scopes,
    damage: [...head.damage, ...pages.damage],
  };
}

function hasPages({ directory, damage }: AllPages, keys: readonly number[]): boolean {
  const read = directory.pages().map(({ page }) => page);
  const all = new Set([...read, ...damage.flatMap((each) => (each.type === "page" ? [each.page] : []))]);
  return all.size === keys.length && keys.every((key) => all.has(key));
}

function abort(tx: { abort(): void }): void {
  try {
    tx.abort();
  } catch (error) {
    if (!(error instanceof DOMException)) throw error; // InvalidStateError: it has ended already
  }
}
