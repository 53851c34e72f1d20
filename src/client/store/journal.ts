import { emptyPublication, type Publication } from "../base/publication.js";
import { keyOf } from "../core/keys.js";
import type {
  AuthoredGroup,
  Commit,
  OutboxEntry,
  PartPlace,
  PartPosition,
  Storage,
  Stored,
  StoredDocument,
  StoredScope,
} from "../ports/storage.js";
import { keptOf } from "../core/screen.js";
import type { DocumentName } from "../base/tabMessages.js";
import { applyCommit, indexContents, type Contents } from "./contents.js";

/** What a leader decided: what to write, and what to tell the tabs once it is written. */
export interface Decision {
  readonly commit: Commit;
  readonly publication: Publication;
  /** Asked once it is stored, before anything else is decided: what is told in this moment. Absent: the publication. */
  readonly tell?: (publication: Publication) => Publication;
}

/**
 * The leader's view of the database: its contents in memory, changed only by commits, one after the other. A
 * decision is made on contents that nothing changes until it is stored; so what is published is what is stored,
 * and what a restart finds is what the tabs were told.
 */
export class Journal {
  readonly #storage: Storage;
  readonly #contents: Contents;
  readonly #publish: (publication: Publication, commit: number | null) => void;
  readonly #onFound: (entries: readonly OutboxEntry[]) => void;
  readonly #onStored: (changes: Commit) => void;
  #lastSequence: number;
  #last: Promise<unknown> = Promise.resolve();

  /** @param onFound what tabs have appended, as it is found in the database: a tab may have died before it told of it
   * @param onStored what was written, once it is told of
   */
  constructor(
    storage: Storage,
    stored: Stored,
    publish: (publication: Publication, commit: number | null) => void,
    onFound: (entries: readonly OutboxEntry[]) => void = () => {},
    onStored: (changes: Commit) => void = () => {},
  ) {
    this.#storage = storage;
    this.#contents = indexContents(stored);
    this.#lastSequence = stored.outbox.at(-1)?.sequence ?? 0;
    this.#publish = publish;
    this.#onFound = onFound;
    this.#onStored = onStored;
  }

  get client(): string {
    return this.#contents.meta.client;
  }

  /** The leader's whose this is. */
  get term(): number {
    return this.#contents.meta.term;
  }

  get author(): number {
    return this.#contents.meta.author;
  }

  document(collection: string, id: string): StoredDocument | undefined {
    return this.#contents.documents.get(keyOf(collection, id));
  }

  documentsIn(collection: string, scope: string): StoredDocument[] {
    return [...this.#contents.documents.values()].filter(
      (each) => each.collection === collection && each.scope === scope,
    );
  }

  documentsOf(collection: string): StoredDocument[] {
    return [...this.#contents.documents.values()].filter((each) => each.collection === collection);
  }

  /** What is on the device of a document's parts. */
  partsOf(collection: string, id: string): PartPosition[] {
    return [...(this.#contents.parts.get(keyOf(collection, id))?.values() ?? [])];
  }

  /** How far a part was read; undefined: it is not on the device. */
  part({ collection, id, part }: PartPlace): PartPosition | undefined {
    return this.#contents.parts.get(keyOf(collection, id))?.get(part);
  }

  scope(collection: string, scope: string): StoredScope | undefined {
    return this.#contents.scopes.get(keyOf(collection, scope));
  }

  scopes(): StoredScope[] {
    return [...this.#contents.scopes.values()];
  }

  /** Authored, not yet settled groups in authoring order. */
  groups(): AuthoredGroup[] {
    return inOrder(this.#contents.groups);
  }

  /** Transactions that are neither authored nor failed, in outbox order. */
  waiting(): OutboxEntry[] {
    const authored = new Set(this.groups().flatMap((group) => group.transactions));
    return inOrder(this.#contents.outbox).filter(
      ({ transaction }) => transaction.failure === undefined && !authored.has(transaction.id),
    );
  }

  /** Everything in the outbox, failed ones included, in its order. */
  outbox(): OutboxEntry[] {
    return inOrder(this.#contents.outbox);
  }

  /**
   * Takes notice of what tabs have appended. Read from the database, not from their messages, which can be lost
   * with a tab: sequences are given in the order of the appends, so nothing before the last one seen is missed.
   */
  async refresh(): Promise<void> {
    const entries = await this.#storage.outboxAfter(this.#lastSequence);
    for (const entry of entries) this.#contents.outbox.set(entry.sequence, entry);
    this.#lastSequence = entries.at(-1)?.sequence ?? this.#lastSequence;
    if (entries.length > 0) this.#onFound(entries);
  }

  /** Forgets failed transactions that a tab has taken out of the database. */
  removeOutbox(sequences: readonly number[]): void {
    for (const sequence of sequences) this.#contents.outbox.delete(sequence);
  }

  /** Tells the tabs something that is not stored. */
  announce(publication: Partial<Publication>): void {
    this.#publish({ ...emptyPublication, ...publication }, null);
  }

  /**
   * Decides and stores, after all earlier changes. `decide` must be synchronous; null changes nothing.
   *
   * @throws what the storage throws; nothing is changed or published then
   */
  change(decide: () => Decision | null): Promise<void> {
    return this.#next(async () => {
      const decision = decide();
      if (decision === null) return;
      const changes = this.#withPartsOfRemoved(decision.commit);
      const commit = await this.#storage.commit(this.#contents.meta.term, changes);
      applyCommit(this.#contents, changes);
      const { publication, tell = (all) => all } = decision;
      this.#publish(tell(publication), commit);
      this.#onStored(changes);
    });
  }

  /**
   * Has the storage folded a step, between changes.
   *
   * @param screen - what was on the screen most recently: of that as much is kept in front as there is room for
   * @returns whether there is more to do
   */
  fold(screen: readonly DocumentName[]): Promise<boolean> {
    return this.#next(() => {
      const kept = keptOf(screen, ({ collection, id }) => this.document(collection, id));
      return this.#storage.fold(this.#contents.meta.term, kept);
    });
  }

  /** A document that goes takes its parts along (I-12). */
  #withPartsOfRemoved(changes: Commit): Commit {
    const removed = changes.removedDocuments ?? [];
    const parts = removed.flatMap(({ collection, id }) => this.partsOf(collection, id));
    if (parts.length === 0) return changes;
    return { ...changes, removedParts: [...(changes.removedParts ?? []), ...parts] };
  }

  #next<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#last.then(work);
    this.#last = run.catch(() => {}); // whoever asked for it hears of it; the next one is independent
    return run;
  }
}

function inOrder<T extends { readonly sequence: number }>(map: ReadonlyMap<number, T>): T[] {
  return [...map.values()].sort((a, b) => a.sequence - b.sequence);
}
