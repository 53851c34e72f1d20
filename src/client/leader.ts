import { scopeOf, type AnyCollection } from "../collections/index.js";
import type { Page } from "../shared/wire.js";
import { applyToRow } from "./core/overlay.js";
import { authorDocument } from "./documents/author.js";
import { mergeDocument } from "./documents/merge.js";
import type { ReplicaError } from "./base/errors.js";
import { PushLoop } from "./outbox/pushLoop.js";
import type { Clock, Randomness } from "./ports/clock.js";
import {
  FencedError,
  type AuthoredUpdate,
  type OutboxEntry,
  type Storage,
  type Stored,
  type StoredDocument,
  type StoredScope,
} from "./ports/storage.js";
import type { Transport } from "./ports/transport.js";
import { emptyPublication, joinPublications, type Publication } from "./base/publication.js";
import { keyOf } from "./store/contents.js";
import { decidePage, forgetDocuments, type PageContext } from "./pages.js";
import { Journal, type Decision } from "./store/journal.js";
import { ScopeReader } from "./stream/scopeReader.js";
import type { LeaderStatus, Want } from "./base/tabMessages.js";

export interface LeaderOptions {
  readonly storage: Storage;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly definitions: ReadonlyMap<string, AnyCollection>;
  /** To every tab, this one included. */
  publish(publication: Publication, commit: number | null): void;
  /** What tabs have appended, as it is found in the database. */
  onFound(entries: readonly OutboxEntry[]): void;
  /** What the database held when this tab took over: earlier messages may have been lost with the last leader. */
  onTakenOver(stored: Stored): void;
  onStatus(): void;
  onError(error: unknown): void;
  /** Another tab has taken over. */
  onFenced(): void;
}

/**
 * The one tab of a profile that pushes and subscribes. It takes everything it works on from the database and
 * tells all tabs, its own included, what came of it; so it can end at any point, and another goes on from there.
 */
export class Leader {
  readonly #options: LeaderOptions;
  readonly #journal: Journal;
  readonly #readers = new Map<string, ScopeReader>();
  /** Pages of a catch-up that were stored but are to be shown with the last of them, by scope. */
  readonly #held = new Map<string, Publication>();
  readonly #pushLoop: PushLoop;
  readonly #stopListening: () => void;
  #isStopped = false;
  #lastSyncAt: number | null = null;
  #blocked: ReplicaError | null = null;

  static async start(options: LeaderOptions): Promise<Leader> {
    const stored = await options.storage.takeOver();
    options.onTakenOver(stored);
    const { storage, publish, onFound } = options;
    return new Leader(options, new Journal(storage, stored, publish, onFound));
  }

  private constructor(options: LeaderOptions, journal: Journal) {
    this.#options = options;
    this.#journal = journal;
    const { transport, clock, randomness, definitions } = options;
    this.#pushLoop = new PushLoop({
      journal,
      transport,
      clock,
      randomness,
      definitions,
      authorDocument,
      settleUnread: (update) => this.#settleUnread(update),
      isOpen: () => this.#isOpen(),
      epochs: () => this.#epochs(),
      onPushed: () => this.#noteSync(),
      onBlocked: (error) => this.#setBlocked(error),
      onError: (error) => this.#report(error),
    });
    this.#stopListening = transport.onConnectionChange(() => this.#onConnectionChange());
    this.#pushLoop.wake();
  }

  get #pageContext(): PageContext {
    return {
      journal: this.#journal,
      definitions: this.#options.definitions,
      freshAuthor: () => this.#options.randomness.author(),
      report: (error) => this.#report(error),
    };
  }

  get status(): LeaderStatus {
    const scopes = [...this.#readers.values()].map(({ collection, scope, state, progress, isComplete }) => ({
      collection,
      scope,
      state,
      progress,
      isComplete,
    }));
    const { code, message } = this.#blocked ?? {};
    const blocked = code === undefined || message === undefined ? null : { code, message };
    return { scopes, lastSyncAt: this.#lastSyncAt, blocked };
  }

  /** A tab has appended to the outbox. */
  onAppended(): void {
    this.#pushLoop.gather();
  }

  /** A tab has taken failed transactions away. */
  onFailedRemoved(sequences: readonly number[]): void {
    this.#journal.removeOutbox(sequences);
  }

  /** Reads exactly these scopes from now on. What is no longer wanted stays on the device. */
  setWants(wants: readonly Want[]): void {
    const wanted = new Map(wants.map((want) => [keyOf(want.collection, want.scope), want]));
    for (const [key, reader] of this.#readers) {
      if (wanted.has(key)) continue;
      reader.stop();
      this.#readers.delete(key);
    }
    for (const [key, want] of wanted) {
      if (this.#readers.has(key)) continue;
      const reader = this.#createReader(want);
      this.#readers.set(key, reader);
      reader.start();
    }
    this.#options.onStatus();
    this.#pushLoop.wake();
  }

  /** Removes the documents of a scope from the device, and where its reading had come to. */
  async forgetScope({ collection, scope }: Want): Promise<void> {
    await this.#change(() => {
      const removal = forgetDocuments(this.#pageContext, this.#journal.documentsIn(collection, scope));
      return { ...removal, commit: { ...removal.commit, removedScope: { collection, scope } } };
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#stopListening();
    this.#pushLoop.stop();
    for (const reader of this.#readers.values()) reader.stop();
  }

  /** After being offline what happened meanwhile comes first, so that a later push wins over what it has seen. */
  #isOpen(): boolean {
    const isCaughtUp = [...this.#readers.values()].every((reader) => reader.isSettled);
    return !this.#isStopped && this.#options.transport.isConnected && isCaughtUp;
  }

  #epochs(): Record<string, string> {
    return Object.fromEntries(this.#journal.scopes().map(({ collection, epoch }) => [collection, epoch]));
  }

  #onConnectionChange(): void {
    if (!this.#options.transport.isConnected)
      for (const reader of this.#readers.values()) reader.onDisconnected();
    this.#options.onStatus();
    this.#pushLoop.wake();
  }

  #createReader({ collection, scope }: Want): ScopeReader {
    const { transport, clock, randomness } = this.#options;
    return new ScopeReader({
      collection,
      scope,
      transport,
      clock,
      randomness,
      stored: this.#journal.scope(collection, scope),
      storePage: (page, position, isFirstLoad) => this.#storePage(page, position, isFirstLoad),
      forget: () => this.forgetScope({ collection, scope }),
      onRead: () => this.#noteSync(),
      onChange: () => this.#onReaderChange(),
      onError: (error) => this.#report(error),
    });
  }

  #onReaderChange(): void {
    if (this.#isStopped) return;
    this.#options.onStatus();
    this.#pushLoop.wake();
  }

  async #storePage(page: Page, position: StoredScope, isFirstLoad: boolean): Promise<void> {
    // The scope that a document has gone to may bring it in the same moment: it is not to be missing in between.
    if (page.entries.some(({ type }) => type === "leave")) await null;
    await this.#change(() => {
      const { commit, publication } = decidePage(this.#pageContext, page, position);
      return { commit, publication: this.#hold(publication, position, page.done || isFirstLoad) };
    });
  }

  /** A catch-up is shown whole, at its last page: half of a commit is never seen (I-6). A first load as it comes. */
  #hold(publication: Publication, { collection, scope }: StoredScope, isShown: boolean): Publication {
    const key = keyOf(collection, scope);
    const all = joinPublications(this.#held.get(key) ?? emptyPublication, publication);
    if (isShown) this.#held.delete(key);
    else this.#held.set(key, all);
    return isShown ? all : emptyPublication;
  }

  /**
   * An update that was applied but that no reader will bring back: its scope is not read. If the document is on
   * the device its bytes are merged into it here, which what a later reading brings will contain.
   */
  #settleUnread(update: AuthoredUpdate): { document: StoredDocument | null } | null {
    const { collection, document: id } = update;
    const definition = this.#options.definitions.get(collection);
    if (definition === undefined) return { document: null };
    const stored = this.#journal.document(collection, id);
    const scope = stored?.scope ?? this.#scopeOfInsert(definition, update);
    const reader = scope === null ? undefined : this.#readers.get(keyOf(collection, scope));
    if (reader !== undefined && reader.state !== "denied") return null;
    if (stored === undefined) return { document: null };
    const { base, row } = mergeDocument(definition, id, stored.base, [update.bytes], []);
    return { document: { ...stored, base, row } };
  }

  /** The scope of a document that is not on the device yet, by the operations up to those that insert it. */
  #scopeOfInsert(definition: AnyCollection, update: AuthoredUpdate): string | null {
    const id = update.document;
    const group = this.#journal.groups().find(({ updates }) => updates.includes(update));
    const operations = this.#journal
      .outbox()
      // What waits behind it is not applied, and may never be.
      .filter(({ sequence }) => sequence <= (group?.sequence ?? Infinity))
      .flatMap(({ transaction }) => (transaction.failure === undefined ? transaction.changes : []))
      .filter((change) => change.collection === definition.name && change.id === id)
      .flatMap((change) => change.operations);
    const row = applyToRow(definition, id, null, operations);
    return row === null ? null : scopeOf(definition, row);
  }

  async #change(decide: () => Decision | null): Promise<void> {
    try {
      await this.#journal.change(() => (this.#isStopped ? null : decide()));
    } catch (error) {
      if (!(error instanceof FencedError)) throw error;
      this.#options.onFenced();
    }
  }

  #report(error: unknown): void {
    if (this.#isStopped) return;
    if (error instanceof FencedError) this.#options.onFenced();
    else this.#options.onError(error);
  }

  #noteSync(): void {
    this.#lastSyncAt = this.#options.clock.now();
    this.#options.onStatus();
  }

  #setBlocked(error: ReplicaError | null): void {
    if (error === null && this.#blocked === null) return;
    this.#blocked = error;
    this.#options.onStatus();
  }
}
