import type { AnyCollection } from "../collections/index.js";
import { createDeferred } from "./base/deferred.js";
import { ReplicaError } from "./base/errors.js";
import { Emitter, reportUncaught } from "./base/events.js";
import { Leadership } from "./leadership.js";
import { Appender } from "./outbox/appender.js";
import type { Clock, Randomness } from "./ports/clock.js";
import type { OutboxEntry, Storage, Stored } from "./ports/storage.js";
import type { LeaderElection, TabChannel } from "./ports/tabs.js";
import type { Transport } from "./ports/transport.js";
import type { Publication } from "./base/publication.js";
import { createReplicaCollection } from "./replicaCollection.js";
import { StatusBoard } from "./statusBoard.js";
import { Subscriptions } from "./subscriptions.js";
import type { LeaderStatus, TabMessage, Want } from "./base/tabMessages.js";
import type {
  Replica,
  ReplicaCollection,
  ReplicaEvents,
  ReplicaStatus,
  Subscription,
  Transaction,
  TransactionFilter,
} from "./base/types.js";
import type { LocalTransaction } from "./view/localTransaction.js";
import { matchesFilter } from "./view/transactionFilter.js";
import { View } from "./view/view.js";
import { Writer } from "./writer.js";

/** Everything a replica touches the world through. */
export interface ReplicaParts {
  readonly collections: readonly AnyCollection[];
  readonly user: string | null;
  readonly storage: Storage;
  readonly transport: Transport;
  readonly election: LeaderElection;
  readonly channel: TabChannel<TabMessage>;
  readonly clock: Clock;
  readonly randomness: Randomness;
}

type Emitters = { [E in keyof ReplicaEvents]: Emitter<ReplicaEvents[E]> };

const noStatus: LeaderStatus = { scopes: [], lastSyncAt: null, blocked: null };

/**
 * One tab's part of a profile's replica. It shows what the database and the leader tell it, and appends what is
 * written; while it is elected it carries the leader as well, which knows nothing of it but what every tab knows.
 */
export class LocalReplica implements Replica {
  readonly user: string | null;
  readonly #parts: ReplicaParts;
  readonly #tab: string;
  readonly #ready = createDeferred();
  readonly #view: View;
  readonly #writer: Writer;
  readonly #appender: Appender;
  readonly #subscriptions: Subscriptions;
  readonly #collections: ReadonlyMap<string, ReplicaCollection<AnyCollection>>;
  readonly #emitters: Emitters = {
    documentsChanged: new Emitter(),
    transaction: new Emitter(),
    status: new Emitter(),
    error: new Emitter(),
  };
  readonly #transactionsChanged = new Emitter();
  readonly #opened: Promise<Stored>;
  readonly #leadership: Leadership;
  #leaderStatus: LeaderStatus = noStatus;
  readonly #statusBoard: StatusBoard;
  /** The last commit that was read from the database: messages about it or earlier ones tell nothing new. */
  #seenCommit = -1;
  /** Messages that came before the database was read; null: it has been. */
  #early: TabMessage[] | null = [];
  #endings: (() => void)[] = [];
  #isClosed = false;

  constructor(parts: ReplicaParts) {
    const { collections, storage, randomness, clock, transport, channel } = parts;
    this.user = parts.user;
    this.#parts = parts;
    this.#tab = randomness.id();
    this.#view = new View(collections, {
      retry: (failed) => this.#retry(failed),
      discard: (failed) => this.#discard(failed),
    });
    channel.onMessage((message) => this.#receive(message));
    this.#opened = storage.open({ client: randomness.id(), author: randomness.author() });
    this.#appender = new Appender(
      storage,
      this.#opened,
      (entries) => this.#onAppended(entries),
      (error, transactions) => this.#onNotStored(error, transactions as readonly LocalTransaction[]),
    );
    this.#writer = new Writer({
      view: this.#view,
      clock,
      randomness,
      submit: (transaction) => this.#appender.append(transaction),
    });
    this.#subscriptions = new Subscriptions((forget) => this.#onWants(forget));
    this.#collections = new Map(collections.map((each) => [each.name, this.#createCollection(each)]));
    for (const [name, view] of this.#view.collections)
      view.changed.on((ids) => this.#emitters.documentsChanged.emit({ collection: name, ids }));
    this.#view.transactionsChanged.on((changed) => this.#onTransactions(changed));
    this.#leadership = this.#createLeadership();
    this.#statusBoard = new StatusBoard(() => ({
      leaderStatus: this.#leaderStatus,
      isConnected: transport.isConnected,
      isLeader: this.#leadership.isLeader,
      transactions: this.#view.transactions(),
    }));
    this.#endings.push(transport.onConnectionChange(() => this.#refreshStatus()));
  }

  /** Opens the database, shows what it holds, and stands for election. */
  async start(): Promise<void> {
    try {
      this.#load(await this.#opened);
    } catch (error) {
      return this.#ready.reject(asError(error));
    }
    this.#ready.resolve();
    this.#sendWants([]);
    if (!this.#isClosed) this.#endings.push(this.#parts.election.campaign(() => void this.#lead()));
  }

  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  collection<D extends AnyCollection>(definition: D): ReplicaCollection<D> {
    const found = this.#collections.get(definition.name);
    if (found?.definition === definition) return found as unknown as ReplicaCollection<D>;
    throw new ReplicaError(
      "unknown_collection",
      `Collection "${definition.name}" was not passed to createReplica.`,
    );
  }

  subscribe(definition: AnyCollection, options: { readonly scopes?: readonly string[] } = {}): Subscription {
    this.#assertOpen();
    this.collection(definition);
    if (definition.scope !== undefined && options.scopes === undefined)
      throw new ReplicaError(
        "invalid_row",
        `Collection "${definition.name}" has a scope function: name the scopes to subscribe to.`,
      );
    return this.#subscriptions.open(definition, options.scopes ?? [""]);
  }

  transact(
    change: () => unknown,
    { metadata = {} }: { readonly metadata?: Readonly<Record<string, unknown>> } = {},
  ): Transaction {
    this.#assertOpen();
    return this.#writer.transact(change, metadata);
  }

  readonly transactions = {
    list: (filter: TransactionFilter = {}): readonly Transaction[] =>
      this.#view.transactions().filter((transaction) => matchesFilter(transaction, filter)),
    subscribe: (listener: () => void) => this.#transactionsChanged.on(listener),
  };

  readonly status = {
    get: (): ReplicaStatus => this.#statusBoard.get(),
    subscribe: (listener: () => void) => this.#emitters.status.on(() => listener()),
  };

  readonly events = {
    on: <E extends keyof ReplicaEvents>(event: E, listener: (value: ReplicaEvents[E]) => void) =>
      (this.#emitters[event] as Emitter<ReplicaEvents[E]>).on(listener),
  };

  async flush(): Promise<void> {
    await this.#appender.idle();
    const unfinished = this.#view.transactions().filter((transaction) => transaction.isUnfinished);
    await Promise.all(unfinished.map((transaction) => transaction.finished));
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#appender.idle();
    this.#end();
    await this.#parts.storage.close();
  }

  async clear({ discardPending = false }: { readonly discardPending?: boolean } = {}): Promise<void> {
    const pending = this.#view.transactions().length;
    if (pending > 0 && !discardPending)
      throw new ReplicaError(
        "pending_writes",
        `${pending} transactions are not on the server yet. Wait for flush(), or pass { discardPending: true }.`,
      );
    this.#isClosed = true;
    this.#end();
    await this.#parts.storage.destroy();
  }

  #end(): void {
    this.#post({ type: "wants", tab: this.#tab, wants: [], forget: [] });
    this.#leadership.end();
    for (const end of this.#endings.splice(0)) end();
    this.#parts.channel.close();
  }

  #createLeadership(): Leadership {
    const { storage, transport, clock, randomness, collections } = this.#parts;
    return new Leadership({
      storage,
      transport,
      clock,
      randomness,
      definitions: new Map(collections.map((each) => [each.name, each])),
      ownWants: () => this.#subscriptions.wants,
      publish: (publication, commit) => this.#publish(publication, commit),
      onFound: (entries) => this.#onFound(entries),
      onTakenOver: (stored) => this.#load(stored),
      onStatus: (status) => {
        this.#post({ type: "status", status });
        this.#takeLeaderStatus(status);
      },
      onChange: () => {
        if (this.#leadership.isLeader) this.#post({ type: "leader" });
        this.#refreshStatus();
      },
      onError: (error) => this.#reportError(asError(error), false),
    });
  }

  async #lead(): Promise<void> {
    this.#early ??= []; // a message about what is newer than what is read now has to come after it
    await this.#leadership.begin();
  }

  #publish(publication: Publication, commit: number | null): void {
    this.#post({ type: "publication", publication, commit });
    this.#view.apply(publication);
  }

  /** A tab that died may have stored them without a word: then nobody knows of them but the leader. */
  #onFound(entries: readonly OutboxEntry[]): void {
    const unheardOf = entries.filter(({ transaction }) => this.#view.find(transaction.id) === undefined);
    if (unheardOf.length === 0) return;
    this.#post({ type: "appended", entries: unheardOf });
    this.#view.receive(unheardOf);
  }

  #takeLeaderStatus(status: LeaderStatus): void {
    this.#leaderStatus = status;
    this.#subscriptions.report(status.scopes);
    this.#refreshStatus();
  }

  #receive(message: TabMessage): void {
    if (this.#isClosed) return;
    if (this.#early !== null) return void this.#early.push(message);
    switch (message.type) {
      case "publication":
        if (message.commit === null || message.commit > this.#seenCommit)
          this.#view.apply(message.publication);
        return;
      case "status":
        return this.#takeLeaderStatus(message.status);
      case "leader":
        return void this.#reload();
      case "appended":
        this.#view.receive(message.entries);
        return this.#leadership.onAppended();
      case "failedRemoved": {
        const removed = message.ids.flatMap((id) => this.#view.find(id) ?? []);
        for (const transaction of removed) transaction.enter({ type: "discarded" });
        this.#view.remove(removed);
        return this.#leadership.onFailedRemoved(message.sequences);
      }
      case "wants":
        return this.#leadership.noteWants(message.tab, message.wants, message.forget);
    }
  }

  /** Another tab has become the leader: what the last one did may not have reached this one. */
  async #reload(): Promise<void> {
    this.#sendWants([]);
    this.#early ??= [];
    const { storage, randomness } = this.#parts;
    try {
      this.#load(await storage.open({ client: randomness.id(), author: randomness.author() }));
    } catch (error) {
      if (!this.#isClosed) this.#reportError(asError(error), false);
    }
  }

  #load(stored: Stored): void {
    this.#seenCommit = stored.meta.commit;
    this.#view.load(stored);
    this.#subscriptions.report(
      stored.scopes.map(({ collection, scope, isComplete }) => ({
        collection,
        scope,
        isComplete,
        state: "idle",
        progress: 0,
      })),
    );
    const early = this.#early ?? [];
    this.#early = null;
    for (const message of early) this.#receive(message);
    this.#refreshStatus();
  }

  #onWants(forget: readonly Want[]): void {
    if (this.#isClosed) return;
    this.#sendWants(forget);
    this.#leadership.setWants(forget);
  }

  #sendWants(forget: readonly Want[]): void {
    this.#post({ type: "wants", tab: this.#tab, wants: this.#subscriptions.wants, forget });
  }

  #onAppended(entries: readonly OutboxEntry[]): void {
    this.#post({ type: "appended", entries });
    this.#leadership.onAppended();
  }

  #onNotStored(error: ReplicaError, transactions: readonly LocalTransaction[]): void {
    const failure = { type: "failed", failure: { code: error.code, message: error.message } } as const;
    this.#view.apply({
      rows: [],
      covered: [],
      transactions: transactions.map(({ id }) => ({ id, phase: failure })),
    });
    this.#reportError(error, true);
  }

  #retry(failed: LocalTransaction): Transaction {
    this.#assertOpen();
    this.#view.remove([failed]);
    const repeated = this.#writer.repeat(failed);
    this.#removeFailed(failed);
    return repeated;
  }

  #discard(failed: LocalTransaction): void {
    this.#assertOpen();
    failed.enter({ type: "discarded" });
    this.#view.remove([failed]);
    this.#removeFailed(failed);
  }

  #removeFailed({ id, sequence }: LocalTransaction): void {
    if (sequence === null) return;
    const removed = async () => {
      await this.#appender.idle(); // a retry's new transaction is stored before the failed one goes (I-4)
      await this.#parts.storage.removeFailed([sequence]);
      this.#leadership.onFailedRemoved([sequence]);
      this.#post({ type: "failedRemoved", ids: [id], sequences: [sequence] });
    };
    removed().catch((error: unknown) => this.#reportError(asError(error), false));
  }

  #onTransactions(changed: readonly LocalTransaction[]): void {
    this.#transactionsChanged.emit();
    for (const transaction of changed) this.#emitters.transaction.emit(transaction);
    this.#refreshStatus();
  }

  #refreshStatus(): void {
    if (this.#statusBoard.refresh()) this.#emitters.status.emit(this.#statusBoard.get());
  }

  #reportError(error: Error, dataAtRisk: boolean): void {
    const { error: emitter } = this.#emitters;
    if (dataAtRisk && emitter.size === 0) reportUncaught(error);
    emitter.emit({ error, dataAtRisk });
  }

  #post(message: TabMessage): void {
    this.#parts.channel.post(message);
  }

  #createCollection(definition: AnyCollection): ReplicaCollection<AnyCollection> {
    const rows = this.#view.collections.get(definition.name);
    if (rows === undefined)
      throw new ReplicaError("unknown_collection", `No collection "${definition.name}".`);
    const { randomness } = this.#parts;
    return createReplicaCollection(definition, this.#view, rows, this.#writer, () => randomness.id());
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new ReplicaError("closed", "The replica is closed.");
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
