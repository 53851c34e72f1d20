import type { AnyCollection } from "../collections/index.js";
import { withhold } from "./outbox/withhold.js";
import type { MergeRows } from "./core/rebase.js";
import type { RetryPolicy } from "./core/retry.js";
import { isSameScreen, joinScreens } from "./core/screen.js";
import { authorDocument } from "./documents/author.js";
import type { ReplicaError } from "./base/errors.js";
import type { Persister } from "./base/persistence.js";
import { journalPart } from "./outbox/journalPart.js";
import { PersistLoop } from "./outbox/persistLoop.js";
import { decidePersisted } from "./persisted.js";
import { PushLoop } from "./outbox/pushLoop.js";
import type { Clock, Randomness } from "./ports/clock.js";
import { FencedError, type OutboxEntry, type Storage, type Stored } from "./ports/storage.js";
import type { Transport } from "./ports/transport.js";
import type { Publication } from "./base/publication.js";
import { isStaged } from "./epochs.js";
import { EpochTurns } from "./epochTurns.js";
import type { PageContext } from "./pages.js";
import { Keeper } from "./keeper.js";
import { keyOf } from "./core/keys.js";
import { describeDamage, planRepair } from "./repair.js";
import { PartReaders } from "./partReaders.js";
import { ScopeReaders } from "./scopeReaders.js";
import { Folder } from "./store/folder.js";
import { Session } from "./stream/session.js";
import { Journal, type Decision } from "./store/journal.js";
import { decideUnread, remadeDocuments } from "./unread.js";
import type { DocumentName, LeaderStatus, OpenPart, PartTold, Want } from "./base/tabMessages.js";

export interface LeaderOptions {
  readonly storage: Storage;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly definitions: ReadonlyMap<string, AnyCollection>;
  /** How collections want failed attempts to be taken, and parallel transactions merged. */
  readonly retries: ReadonlyMap<string, RetryPolicy>;
  readonly merges: ReadonlyMap<string, MergeRows>;
  /** Collections whose transactions do not go through the Convex push. */
  readonly persisters: ReadonlyMap<string, Persister>;
  /** To every tab, this one included. `term`: this leader's. */
  publish(publication: Publication, commit: number | null, term: number): void;
  /** Of parts that are open, as `publish`. */
  tellPart(told: PartTold, term: number): void;
  /** What tabs have appended, as it is found in the database. */
  onFound(entries: readonly OutboxEntry[]): void;
  /** What the database held when this tab took over: earlier messages may have been lost with the last leader. */
  onTakenOver(stored: Stored): void;
  onStatus(): void;
  /** `dataAtRisk`: something the user wrote is in danger. */
  onError(error: unknown, dataAtRisk?: boolean): void;
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
  /** Null: the app reads no parts. */
  readonly #partReaders: PartReaders | null;
  readonly #turns: EpochTurns;
  readonly #session: Session | null;
  readonly #keeper: Keeper;
  readonly #pushLoop: PushLoop;
  readonly #folder: Folder;
  /** Null: all collections are pushed. */
  readonly #persistLoop: PersistLoop | null;
  readonly #stopListening: () => void;
  #isStopped = false;
  /** A tab's first connection proves nothing: a page that is reloaded again and again would not wait for the server. */
  #hasLostConnection = false;
  /** Whether it said of a scope that is read that it knows an older schema than this app. */
  #isServerBehind = false;
  #lastSyncAt: number | null = null;
  /** What was on the screens of tabs most recently. */
  #screen: readonly DocumentName[];
  #blocked: ReplicaError | null = null;

  static async start(options: LeaderOptions): Promise<Leader> {
    const stored = await options.storage.takeOver();
    options.onTakenOver(stored);
    const leader = new Leader(options, stored);
    await leader.#repair(stored);
    return leader;
  }

  private constructor(options: LeaderOptions, stored: Stored) {
    this.#options = options;
    this.#screen = stored.screen;
    const publish = (publication: Publication, commit: number | null) => {
      options.publish(this.#readers.pass(publication), commit, stored.meta.term);
      if (commit !== null) this.#folder.note();
    };
    const journal = new Journal(
      options.storage,
      stored,
      publish,
      (entries) => options.onFound(entries),
      (changes) => this.#partReaders?.noteStored(changes),
    );
    this.#journal = journal;
    this.#folder = new Folder({
      clock: options.clock,
      fold: async () => !this.#isStopped && (await journal.fold(this.#screen)),
      onError: (error) => this.#report(error),
    });
    this.#folder.note(); // the leader before may have left something to fold
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
    const { watchPart } = transport;
    const tell = (told: PartTold) => options.tellPart(told, journal.term);
    this.#partReaders = watchPart && new PartReaders({ ...parts, watchPart, storage: options.storage, tell });
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
    const isCustom = ({ transaction }: OutboxEntry) =>
      transaction.changes.some((change) => options.persisters.has(change.collection));
    this.#persistLoop =
      options.persisters.size === 0
        ? null
        : new PersistLoop({
            journal: journalPart(journal, (queue) => queue.filter(isCustom)),
            clock,
            randomness,
            persisters: options.persisters,
            retries: options.retries,
            settle: (entry) =>
              decidePersisted(journal, definitions, entry, (name) => this.#readers.isCollectionRead(name)),
            onError: (error) => this.#report(error),
          });
    this.#pushLoop = new PushLoop({
      journal: journalPart(journal, (queue) =>
        withhold(
          queue.filter((entry) => !isCustom(entry)),
          // A later version's change is for an app that knows it.
          ({ collection, schemaVersion = 1 }) =>
            this.#isTooNew(collection) || schemaVersion > this.#versionOf(collection),
        ),
      ),
      transport,
      clock,
      randomness,
      definitions,
      authorDocument,
      retries: options.retries,
      merges: options.merges,
      decideUnread: () => decideUnread(this.#pageContext, (scope) => this.#readers.isRead(scope)),
      isOpen: () => this.#isOpen(),
      epochs: () => this.#epochs(),
      onPushed: () => this.#noteSync(),
      onUnsure: (documents) => this.#readers.catchUp([...documents, ...remadeDocuments(this.#journal)]),
      onOtherEpoch: () => this.#readers.askEpochs(),
      onBlocked: (error) => this.#setBlocked(error),
      onError: (error) => this.#report(error),
    });
    this.#stopListening = transport.onConnectionChange(() => this.#onConnectionChange());
    this.#readers.catchUp(remadeDocuments(journal));
    this.#readers.refresh();
    this.#pushLoop.wake();
    this.#persistLoop?.wake();
  }

  get #pageContext(): PageContext {
    return {
      journal: this.#journal,
      definitions: this.#options.definitions,
      freshAuthor: () => this.#options.randomness.author(),
      report: (error) => this.#report(error),
    };
  }

  get term(): number {
    return this.#journal.term;
  }

  get status(): LeaderStatus {
    const { code, message } = this.#blocked ?? {};
    const blocked = code === undefined || message === undefined ? null : { code, message };
    const tooNew = [...this.#options.definitions.keys()].filter((name) => this.#isTooNew(name));
    return { scopes: this.#readers.reports, lastSyncAt: this.#lastSyncAt, blocked, tooNew };
  }

  /** What an older server has put off a newer one may take. */
  #noteServer(): void {
    const isBehind = this.#journal
      .scopes()
      .some(
        (each) =>
          this.#readers.isWanted(each) && (each.schemaVersion ?? 1) < this.#versionOf(each.collection),
      );
    if (this.#isServerBehind && !isBehind) this.#pushLoop.reconnected();
    this.#isServerBehind = isBehind;
  }

  #versionOf(collection: string): number {
    return this.#options.definitions.get(collection)?.schemaVersion ?? 1;
  }

  #isTooNew(collection: string): boolean {
    const known = this.#versionOf(collection);
    return this.#journal
      .scopes()
      .some(
        (each) =>
          each.collection === collection && Math.max(each.schemaVersion ?? 1, each.dataVersion ?? 1) > known,
      );
  }

  /** A tab has appended to the outbox. */
  onAppended(): void {
    this.#pushLoop.gather();
    this.#persistLoop?.wake();
  }

  /** A tab has taken failed transactions away. */
  onFailedRemoved(sequences: readonly number[]): void {
    this.#journal.removeOutbox(sequences);
  }

  /**
   * Reads exactly these scopes from now on, and those that the device has lost documents of: pending writes on them could
   * not be sent. What is no longer wanted stays on the device.
   */
  setWants(wants: readonly Want[]): void {
    this.#readers.setWants(wants);
    this.#partReaders?.setPrefetched(wants.filter(({ parts }) => parts === "prefetch"));
    this.#pushLoop.wake();
  }

  /** Reads these parts, and goes on watching them. */
  setParts(parts: readonly OpenPart[]): void {
    this.#partReaders?.setOpen(parts);
  }

  /** What is on a screen is read first. */
  setVisible(documents: readonly DocumentName[]): void {
    const scopes = documents.flatMap(({ collection, id }) => {
      const stored = this.#journal.document(collection, id);
      return stored === undefined ? [] : [keyOf(collection, stored.scope)];
    });
    this.#readers.setVisible(new Set(scopes));
    this.#partReaders?.setVisible(documents);
  }

  /**
   * What tabs show now, newest first. What was shown before stays behind it while there is room: so a tab that ends takes
   * nothing away, least of all the last one.
   */
  setScreens(screens: readonly (readonly DocumentName[])[]): void {
    const before = this.#screen;
    this.#screen = joinScreens([...screens, before]);
    if (!isSameScreen(this.#screen, before)) this.#folder.note();
  }

  /** Removes the documents of a scope from the device, and where its reading had come to. */
  forgetScope(want: Want): Promise<void> {
    return this.#readers.forget(want);
  }

  stop(): void {
    this.#isStopped = true;
    this.#stopListening();
    this.#pushLoop.stop();
    this.#persistLoop?.stop();
    this.#folder.stop();
    this.#readers.stop();
    this.#partReaders?.stop();
    this.#turns.stop();
    this.#session?.stop();
    this.#keeper.stop();
  }

  /** After being offline what happened meanwhile comes first, so that a later push wins over what it has seen. */
  #isOpen(): boolean {
    return !this.#isStopped && this.#options.transport.isConnected && this.#readers.isSettled;
  }

  async #repair(stored: Stored): Promise<void> {
    for (const { error, dataAtRisk } of describeDamage(stored)) this.#options.onError(error, dataAtRisk);
    await this.#change(() => planRepair(stored, () => this.#options.randomness.author()));
  }

  #epochs(): Record<string, string> {
    const scopes = this.#journal.scopes().filter(({ collection }) => !isStaged(collection));
    return Object.fromEntries(scopes.map(({ collection, epoch }) => [collection, epoch]));
  }

  #onConnectionChange(): void {
    const { isConnected } = this.#options.transport;
    if (isConnected) this.#session?.onConnected();
    else this.#readers.onDisconnected();
    this.#options.onStatus();
    this.#turns.wake();
    this.#session?.wake();
    if (isConnected && this.#hasLostConnection) this.#pushLoop.reconnected();
    else this.#pushLoop.wake();
    this.#hasLostConnection ||= !isConnected;
  }

  #onReaderChange(): void {
    if (this.#isStopped) return;
    this.#noteServer();
    this.#options.onStatus();
    this.#turns.wake();
    this.#session?.wake();
    this.#pushLoop.wake();
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
