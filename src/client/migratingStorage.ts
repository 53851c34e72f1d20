import type { AnyCollection } from "../collections/index.js";
import type { Refusal } from "../shared/errorCodes.js";
import { createDeferred } from "./base/deferred.js";
import type { ReplicaError } from "./base/errors.js";
import { isProjected, projectStored } from "./documents/projectStored.js";
import { isOlder, translateOutbox } from "./documents/translate.js";
import { collectionOf } from "./epochs.js";
import type {
  Commit,
  Damage,
  Identity,
  OutboxEntry,
  PartPlace,
  Storage,
  StorageWatcher,
  Stored,
  StoredDocument,
  StoredPart,
  StoredTransaction,
} from "./ports/storage.js";
import { keyOf } from "./core/keys.js";
import { metaAfter } from "./store/contents.js";

/** So many rows are written anew in one step of folding. */
const rewrittenAtOnce = 250;

/**
 * A database as this app's definitions have it, whatever app has written it. Rows that are projections by another schema
 * version are made anew from their bases as they are read, slice by slice, and are written when there is nothing else to
 * do. What waits in the outbox and was made with an older version is translated as it is read, by each tab for itself and
 * with the same result; it is stored by the next leader, before anything newer reaches the device. Only for the sake of
 * that is a database read as a whole before it is shown.
 */
export class MigratingStorage implements Storage {
  readonly #inner: Storage;
  readonly #definitions: ReadonlyMap<string, AnyCollection>;
  readonly #onFault: (error: ReplicaError) => void;
  /** What was made anew of a document that the storage may hand out again. */
  readonly #projected = new WeakMap<StoredDocument, StoredDocument>();
  /** As a leader: rows made anew that the database does not hold yet. */
  readonly #unwritten = new Map<string, StoredDocument>();

  /** @param onFault documents that cannot be migrated, and are not shown */
  constructor(inner: Storage, definitions: readonly AnyCollection[], onFault: (error: ReplicaError) => void) {
    this.#inner = inner;
    this.#definitions = new Map(definitions.map((each) => [each.name, each]));
    this.#onFault = onFault;
  }

  async open(fresh: Identity, watcher?: StorageWatcher): Promise<Stored> {
    if (watcher === undefined) return this.#migrate(await this.#inner.open(fresh));
    const rest = new Rest({
      ...forwardTo(watcher),
      onDocuments: (documents) => watcher.onDocuments(this.#project(documents)),
    });
    const stored = await this.#inner.open(fresh, rest);
    const isWhole = stored.outbox.some((entry) => isOlder(entry, this.#definitions));
    const all = isWhole ? await rest.join(stored) : stored;
    rest.release();
    return this.#migrate(all);
  }

  append(transactions: readonly StoredTransaction[]): Promise<number[]> {
    return this.#inner.append(transactions);
  }

  removeFailed(sequences: readonly number[]): Promise<void> {
    return this.#inner.removeFailed(sequences);
  }

  /** A tab that still runs an older app may have appended something. */
  async outboxAfter(sequence: number): Promise<OutboxEntry[]> {
    const entries = await this.#inner.outboxAfter(sequence);
    if (!entries.some((entry) => isOlder(entry, this.#definitions))) return entries;
    const { outbox } = this.#migrate(await this.#inner.open({ client: "", author: 0 }));
    const translated = new Map(outbox.map((entry) => [entry.sequence, entry]));
    return entries.map((entry) => translated.get(entry.sequence) ?? entry);
  }

  part(place: PartPlace): Promise<StoredPart | null> {
    return this.#inner.part(place);
  }

  async takeOver(): Promise<Stored> {
    const stored = await this.#inner.takeOver();
    const migrated = this.#migrate(stored);
    this.#unwritten.clear();
    for (const [index, document] of migrated.documents.entries())
      if (document !== stored.documents[index] && document.rowVersion !== 0)
        this.#unwritten.set(keyOf(document.collection, document.id), document);
    const outbox = migrated.outbox.filter((entry, index) => entry !== stored.outbox[index]);
    if (outbox.length === 0) return migrated;
    await this.#inner.commit(stored.meta.term, { outbox });
    return { ...migrated, meta: metaAfter(stored.meta, { outbox }) };
  }

  async commit(term: number, changes: Commit): Promise<number> {
    const commit = await this.#inner.commit(term, changes);
    for (const { collection, id } of [...(changes.documents ?? []), ...(changes.removedDocuments ?? [])])
      this.#unwritten.delete(keyOf(collection, id));
    return commit;
  }

  async fold(term: number, screen?: readonly StoredDocument[]): Promise<boolean> {
    if (await this.#inner.fold(term, screen)) return true;
    if (this.#unwritten.size === 0) return false;
    await this.commit(term, { documents: [...this.#unwritten.values()].slice(0, rewrittenAtOnce) });
    return true;
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  destroy(): Promise<void> {
    return this.#inner.destroy();
  }

  #migrate(stored: Stored): Stored {
    const documents = this.#project(stored.documents);
    if (!stored.outbox.some((entry) => isOlder(entry, this.#definitions))) return { ...stored, documents };
    const bases = new Map(documents.map(({ collection, id, base }) => [keyOf(collection, id), base]));
    const baseOf = (collection: string, id: string) => bases.get(keyOf(collection, id));
    const outbox = translateOutbox(stored.outbox, stored.groups, this.#definitions, baseOf);
    return { ...stored, documents, outbox };
  }

  #project(documents: readonly StoredDocument[]): StoredDocument[] {
    const faults: ReplicaError[] = [];
    const projected = documents.map((document) => {
      const definition = this.#definitions.get(collectionOf(document.collection));
      if (definition === undefined || isProjected(definition, document)) return document;
      const known = this.#projected.get(document);
      if (known !== undefined) return known;
      const { document: anew, fault } = projectStored(definition, document);
      if (fault !== null) faults.push(fault);
      this.#projected.set(document, anew);
      return anew;
    });
    const [first] = faults;
    if (first !== undefined) this.#onFault(withCount(first, faults.length));
    return projected;
  }
}

/** One error for all of a slice: a step that fails for one document fails for many. */
function withCount(error: ReplicaError, count: number): ReplicaError {
  if (count > 1) error.message = `${error.message} (So it is with ${count - 1} more.)`;
  return error;
}

function forwardTo(watcher: StorageWatcher): StorageWatcher {
  return {
    onDocuments: (documents) => watcher.onDocuments(documents),
    onRead: (damage) => watcher.onRead(damage),
    onUnreadable: (reason) => watcher.onUnreadable(reason),
    onLost: (reason) => watcher.onLost(reason),
  };
}

/** What follows on the answer of `open`: kept until it is known whether it is passed on or becomes part of the answer. */
class Rest implements StorageWatcher {
  readonly #watcher: StorageWatcher;
  readonly #read = createDeferred();
  #documents: StoredDocument[] = [];
  #damage: readonly Damage[] = [];
  #kept: (() => void)[] | null = [];

  constructor(watcher: StorageWatcher) {
    this.#watcher = watcher;
  }

  onDocuments(documents: readonly StoredDocument[]): void {
    if (this.#kept === null) return this.#watcher.onDocuments(documents);
    this.#documents.push(...documents);
  }

  onRead(damage: readonly Damage[]): void {
    this.#damage = damage;
    this.#read.resolve();
    this.#pass(() => this.#watcher.onRead(damage));
  }

  onUnreadable(reason: Refusal): void {
    this.#read.resolve();
    this.#pass(() => this.#watcher.onUnreadable(reason));
  }

  onLost(reason: Refusal): void {
    this.#read.resolve();
    this.#watcher.onLost(reason);
  }

  /** Waits for all of it. @returns the whole */
  async join(first: Stored): Promise<Stored> {
    await this.#read.promise;
    const documents = [...first.documents, ...this.#documents];
    this.#documents = [];
    return { ...first, documents, damage: [...first.damage, ...this.#damage] };
  }

  /** Passes on what was kept, and from now on all. */
  release(): void {
    const kept = this.#kept ?? [];
    this.#kept = null;
    if (this.#documents.length > 0) this.#watcher.onDocuments(this.#documents.splice(0));
    for (const each of kept) each();
  }

  #pass(event: () => void): void {
    if (this.#kept === null) event();
    else this.#kept.push(event);
  }
}
