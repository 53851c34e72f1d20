import { scopeOf, type AnyCollection } from "../collections/index.js";
import { applyToRow } from "./core/overlay.js";
import { withhold } from "./outbox/withhold.js";
import { withPreviews } from "./core/previews.js";
import { authorDocument } from "./documents/author.js";
import { mergeDocument } from "./documents/merge.js";
import type { ReplicaError } from "./base/errors.js";
import { PushLoop, type PushJournal } from "./outbox/pushLoop.js";
import type { Clock, Randomness } from "./ports/clock.js";
import {
  FencedError,
  type AuthoredUpdate,
  type Storage,
  type Stored,
  type StoredDocument,
} from "./ports/storage.js";
import type { Transport } from "./ports/transport.js";
import type { Publication } from "./base/publication.js";
import { isStaged } from "./epochs.js";
import { EpochTurns } from "./epochTurns.js";
import type { PageContext } from "./pages.js";
import { Keeper } from "./keeper.js";
import { keyOf } from "./store/contents.js";
import { ScopeReaders } from "./scopeReaders.js";
import { Session } from "./stream/session.js";
import { Journal, type Decision } from "./store/journal.js";
import type { DocumentName, LeaderStatus, Want } from "./base/tabMessages.js";

export interface LeaderOptions {
  readonly storage: Storage;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly definitions: ReadonlyMap<string, AnyCollection>;
  /** To every tab, this one included. */
  publish(publication: Publication, commit: number | null): void;
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
  readonly #readers: ScopeReaders;
  readonly #turns: EpochTurns;
  readonly #session: Session | null;
  readonly #keeper: Keeper;
  readonly #pushLoop: PushLoop;
  readonly #stopListening: () => void;
  #isStopped = false;
  #lastSyncAt: number | null = null;
  #blocked: ReplicaError | null = null;

  static async start(options: LeaderOptions): Promise<Leader> {
    const stored = await options.storage.takeOver();
    options.onTakenOver(stored);
    return new Leader(options, new Journal(options.storage, stored, options.publish));
  }

  private constructor(options: LeaderOptions, journal: Journal) {
    this.#options = options;
    this.#journal = journal;
    const { transport, clock, randomness, definitions } = options;
    const parts = {
      journal,
      transport,
      clock,
      randomness,
      change: (decide: () => Decision | null) => this.#change(decide),
      onError: (error: unknown) => this.#report(error),
    };
    this.#readers = new ScopeReaders({
      ...parts,
      context: this.#pageContext,
      onRead: () => this.#noteSync(),
      onChange: () => this.#onReaderChange(),
    });
    this.#turns = new EpochTurns({ ...parts, readers: this.#readers });
    this.#keeper = new Keeper({ ...parts, readers: this.#readers });
    const { sessions } = transport;
    this.#session =
      sessions &&
      new Session({
        calls: sessions,
        clock,
        randomness,
        client: () => journal.client,
        cursors: () => this.#readers.cursors,
        isConnected: () => transport.isConnected,
        onError: (error) => this.#report(error),
      });
    this.#pushLoop = new PushLoop({
      journal: this.#createPushJournal(),
      transport,
      clock,
      randomness,
      definitions,
      authorDocument,
      settleUnread: (update) => this.#settleUnread(update),
      isOpen: () => this.#isOpen(),
      epochs: () => this.#epochs(),
      onPushed: () => this.#noteSync(),
      onOtherEpoch: () => this.#readers.askEpochs(),
      onBlocked: (error) => this.#setBlocked(error),
      onError: (error) => this.#report(error),
    });
    this.#stopListening = transport.onConnectionChange(() => this.#onConnectionChange());
    this.#readers.refresh();
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
    const { code, message } = this.#blocked ?? {};
    const blocked = code === undefined || message === undefined ? null : { code, message };
    const tooNew = [...this.#options.definitions.keys()].filter((name) => this.#isTooNew(name));
    return { scopes: this.#readers.reports, lastSyncAt: this.#lastSyncAt, blocked, tooNew };
  }

  /** What the push loop sees: not what is written to a collection that is too new for this app. */
  #createPushJournal(): PushJournal {
    const journal = this.#journal;
    return {
      get client() {
        return journal.client;
      },
      get author() {
        return journal.author;
      },
      document: (collection, id) => journal.document(collection, id),
      groups: () => journal.groups(),
      outbox: () => journal.outbox(),
      waiting: () => withhold(journal.waiting(), (collection) => this.#isTooNew(collection)),
      refresh: () => journal.refresh(),
      announce: (publication) => journal.announce(publication),
      change: (decide) => journal.change(decide),
    };
  }

  #isTooNew(collection: string): boolean {
    const known = this.#options.definitions.get(collection)?.schemaVersion ?? 1;
    return this.#journal
      .scopes()
      .some((each) => each.collection === collection && (each.schemaVersion ?? 1) > known);
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
    this.#readers.setWants(wants);
    this.#pushLoop.wake();
  }

  /** What is on a screen is read first. */
  setVisible(documents: readonly DocumentName[]): void {
    const scopes = documents.flatMap(({ collection, id }) => {
      const stored = this.#journal.document(collection, id);
      return stored === undefined ? [] : [keyOf(collection, stored.scope)];
    });
    this.#readers.setVisible(new Set(scopes));
  }

  /** Removes the documents of a scope from the device, and where its reading had come to. */
  forgetScope(want: Want): Promise<void> {
    return this.#readers.forget(want);
  }

  stop(): void {
    this.#isStopped = true;
    this.#stopListening();
    this.#pushLoop.stop();
    this.#readers.stop();
    this.#turns.stop();
    this.#session?.stop();
    this.#keeper.stop();
  }

  /** After being offline what happened meanwhile comes first, so that a later push wins over what it has seen. */
  #isOpen(): boolean {
    return !this.#isStopped && this.#options.transport.isConnected && this.#readers.isSettled;
  }

  #epochs(): Record<string, string> {
    const scopes = this.#journal.scopes().filter(({ collection }) => !isStaged(collection));
    return Object.fromEntries(scopes.map(({ collection, epoch }) => [collection, epoch]));
  }

  #onConnectionChange(): void {
    if (this.#options.transport.isConnected) this.#session?.onConnected();
    else this.#readers.onDisconnected();
    this.#options.onStatus();
    this.#turns.wake();
    this.#session?.wake();
    this.#pushLoop.wake();
  }

  #onReaderChange(): void {
    if (this.#isStopped) return;
    this.#options.onStatus();
    this.#turns.wake();
    this.#session?.wake();
    this.#pushLoop.wake();
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
    const scope = stored?.scope ?? this.#scopeOfInsert(definition, id);
    if (scope !== null && this.#readers.isRead({ collection, scope })) return null;
    if (stored === undefined) return { document: null };
    const { base, row, incarnation } = mergeDocument(definition, id, stored.base, [update.bytes], []);
    return {
      document: { ...stored, base, row: withPreviews(definition, row, stored.previews, incarnation) },
    };
  }

  /** The scope of a document that is not on the device yet, by the operations that insert it. */
  #scopeOfInsert(definition: AnyCollection, id: string): string | null {
    const operations = this.#journal
      .outbox()
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
    if (error === null) this.#readers.stopAsking();
    if (error === null && this.#blocked === null) return;
    this.#blocked = error;
    this.#options.onStatus();
  }
}
