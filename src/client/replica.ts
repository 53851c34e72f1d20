import type { AnyCollection } from "../collections/index.js";
import { partKey } from "../shared/partNames.js";
import { createDeferred } from "./base/deferred.js";
import { asError, closedError, ReplicaError } from "./base/errors.js";
import { Emitter } from "./base/events.js";
import { FailedTransactions } from "./failedTransactions.js";
import { inspectReplica } from "./inspect.js";
import { Membership } from "./membership.js";
import { MigratingStorage } from "./migratingStorage.js";
import { Appender } from "./outbox/appender.js";
import type { OutboxEntry, Stored } from "./ports/storage.js";
import { unknownSpace } from "./ports/storageSpace.js";
import { ReplicaEmitters } from "./replicaEmitters.js";
import type { ReplicaParts } from "./replicaParts.js";
import { createReplicaCollection } from "./replicaCollection.js";
import { OpenParts, type PartHandle } from "./documents/openParts.js";
import { Opening, reportsOf } from "./opening.js";
import { StorageGauge } from "./storageGauge.js";
import { StatusBoard } from "./statusBoard.js";
import { Subscriptions } from "./subscriptions.js";
import type {
  Replica,
  ReplicaCollection,
  ReplicaEvents,
  ReplicaStatus,
  Subscription,
  TransactOptions,
  Transaction,
  TransactionFilter,
} from "./base/types.js";
import type { InspectOptions, Inspection } from "./base/inspection.js";
import { persistersOf, pickOverrides } from "./base/overrides.js";
import type { LocalTransaction } from "./view/localTransaction.js";
import { matchesFilter } from "./view/transactionFilter.js";
import { Screen } from "./view/screen.js";
import { View } from "./view/view.js";
import { Writer } from "./writer.js";

const outdatedMessage =
  "Another tab runs a newer version of this app on the same local database. What this tab shows stays as it is, and it is read-only: reload it.";

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
  readonly #decisions: FailedTransactions;
  readonly #appender: Appender;
  readonly #closed = createDeferred();
  readonly #subscriptions: Subscriptions;
  readonly #openParts: OpenParts;
  readonly #collections: ReadonlyMap<string, ReplicaCollection<AnyCollection>>;
  readonly #emitters: ReplicaEmitters;
  readonly #transactionsChanged = new Emitter();
  readonly #opening: Opening;
  readonly #gauge: StorageGauge;
  /** Why nothing can be written any more. */
  #readOnly: ReplicaError | null = null;
  readonly #membership: Membership;
  readonly #screen: Screen;
  readonly #statusBoard: StatusBoard;
  #endings: (() => void)[] = [];
  #isClosed = false;

  constructor(given: ReplicaParts) {
    const { collections, randomness, clock, transport } = given;
    this.user = given.user;
    this.#emitters = new ReplicaEmitters(clock);
    const storage = new MigratingStorage(given.storage, collections, (error) =>
      this.#emitters.emitError(error, false),
    );
    const parts = { ...given, storage };
    this.#parts = parts;
    this.#tab = randomness.id();
    this.#view = new View(
      collections,
      {
        retry: (failed) => this.#decisions.retry(failed),
        discard: (failed) => this.#decisions.discard(failed),
      },
      pickOverrides(parts.overrides, ({ merge }) => merge),
    );
    this.#view.hydrate(parts.hydrate ?? []);
    this.#subscriptions = new Subscriptions((forget) => {
      this.#view.endHydration(forget);
      this.#membership.setWants(forget);
    });
    this.#openParts = new OpenParts({
      read: (place) => storage.part(place),
      clock,
      onChange: () => this.#membership.setWants([]),
      onError: (error) => this.#isClosed || this.#emitters.emitError(asError(error), false),
    });
    this.#membership = new Membership({
      parts,
      tab: this.#tab,
      view: this.#view,
      subscriptions: this.#subscriptions,
      openParts: this.#openParts,
      emitters: this.#emitters,
      show: (stored) => this.#load(stored),
      onChange: () => this.#onProgress(),
      onCleared: () => this.#endCleared(),
      onOutdated: () => this.#onLost(new ReplicaError("schema_too_new", outdatedMessage)),
    });
    this.#opening = new Opening({
      storage,
      fresh: { client: randomness.id(), author: randomness.author() },
      view: this.#view,
      subscriptions: this.#subscriptions,
      onRead: () => {
        this.#screen.note();
        this.#onProgress();
      },
      onError: (error) => this.#isClosed || this.#emitters.emitError(error, false),
      onLost: (error) => this.#onLost(error),
    });
    this.#screen = new Screen({
      clock,
      isOpening: () => this.#opening.isOpening,
      tell: (documents) => this.#membership.setScreen(documents),
    });
    this.#gauge = new StorageGauge(
      parts.space ?? unknownSpace,
      clock,
      () => this.#refreshStatus(),
      (error) => this.#emitters.emitError(asError(error), false),
    );
    this.#appender = new Appender(
      storage,
      this.#opening.first,
      (entries) => this.#onAppended(entries),
      (error, transactions) => this.#onNotStored(error, transactions as readonly LocalTransaction[]),
    );
    this.#writer = new Writer({
      view: this.#view,
      clock,
      randomness,
      assertWritable: () => this.#assertWritable(),
      isOpening: () => this.#opening.isOpening,
      submit: (transaction) => this.#appender.append(transaction),
      persisters: persistersOf(parts.overrides),
      isTooNew: (collection) => this.#membership.leaderStatus.tooNew.includes(collection),
    });
    this.#decisions = new FailedTransactions({
      view: this.#view,
      writer: this.#writer,
      storage,
      assertWritable: () => this.#assertWritable(),
      idle: () => this.#appender.idle(),
      onRemoved: (ids, sequences) => this.#membership.onFailedRemoved(ids, sequences),
      onError: (error) => this.#emitters.emitError(asError(error), false),
    });
    const newId = () => randomness.id();
    this.#collections = new Map(
      [...this.#view.collections].map(([name, rows]) => [
        name,
        createReplicaCollection(rows.definition, this.#view, rows, this.#writer, this.#screen, newId),
      ]),
    );
    for (const [name, view] of this.#view.collections)
      view.changed.on((ids) => this.#emitters.emit("documentsChanged", { collection: name, ids }));
    this.#view.transactionsChanged.on((changed) => this.#onTransactions(changed));
    this.#statusBoard = new StatusBoard(() => ({
      leaderStatus: this.#membership.leaderStatus,
      isConnected: transport.isConnected,
      isLeader: this.#membership.isLeader,
      counts: this.#view.counts,
      isOpening: this.#opening.isOpening,
      readOnly: this.#readOnly,
      storage: this.#gauge.use,
    }));
    this.#endings.push(transport.onConnectionChange(() => this.#refreshStatus()));
  }

  /** Opens the database, shows what it holds, and stands for election. */
  async start(): Promise<void> {
    try {
      this.#load(await this.#opening.first, true);
    } catch (error) {
      return this.#ready.reject(asError(error));
    }
    this.#ready.resolve();
    if (!this.#isClosed) void this.#gauge.start();
    if (!this.#isClosed) this.#membership.start();
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

  subscribe(
    definition: AnyCollection,
    options: { readonly scopes?: readonly string[]; readonly parts?: "onOpen" | "prefetch" } = {},
  ): Subscription {
    this.#assertOpen();
    this.collection(definition);
    if (definition.scope !== undefined && options.scopes === undefined)
      throw new ReplicaError(
        "invalid_row",
        `Collection "${definition.name}" has a scope function: name the scopes to subscribe to.`,
      );
    const parts = options.parts === "prefetch" ? options.parts : undefined;
    return this.#subscriptions.open(definition, options.scopes ?? [""], parts);
  }

  /** Uses a part of a document, as it is in the life that the document is in. */
  usePart(definition: AnyCollection, id: string, field: string): PartHandle {
    this.#assertOpen();
    this.collection(definition);
    const incarnation = this.#view.collections.get(definition.name)?.incarnationOf(id) ?? 0;
    return this.#openParts.use({
      collection: definition.name,
      id,
      part: partKey({ field, incarnation }),
    });
  }

  transact(change: () => unknown, options: TransactOptions = {}): Transaction {
    return this.#writer.transact(change, options);
  }

  prioritise(definition: AnyCollection, ids: readonly string[]): void {
    this.#assertOpen();
    this.collection(definition);
    const documents = ids.map((id) => ({ collection: definition.name, id }));
    this.#membership.prioritise(documents);
    this.#screen.prioritise(documents);
  }

  readonly transactions = {
    list: (filter: TransactionFilter = {}): readonly Transaction[] =>
      this.#view.transactions().filter((transaction) => matchesFilter(transaction, filter)),
    subscribe: (listener: () => void) => this.#transactionsChanged.on(listener),
  };

  readonly status = {
    get: (): ReplicaStatus => this.#statusBoard.get(),
    subscribe: (listener: () => void) => this.#emitters.on("status", () => listener()),
  };

  readonly events = {
    on: <E extends keyof ReplicaEvents>(event: E, listener: (value: ReplicaEvents[E]) => void) =>
      this.#emitters.on(event, listener),
  };

  async inspect({ content = false }: InspectOptions = {}): Promise<Inspection> {
    this.#assertOpen();
    await this.#appender.idle();
    const { storage, randomness, clock } = this.#parts;
    const stored = await storage.open({ client: randomness.id(), author: randomness.author() });
    const [tab, tabs, status] = [this.#tab, this.#membership.tabs, this.status.get()];
    const [view, errors] = [this.#view, this.#emitters.lastErrors];
    const parts = this.#openParts.inspected;
    return inspectReplica({ at: clock.now(), tab, tabs, stored, status, view, parts, errors }, content);
  }

  async flush(): Promise<void> {
    await this.#appender.idle();
    const unfinished = this.#view.transactions().filter((transaction) => transaction.isUnfinished);
    if (unfinished.length > 0) this.#assertOpen();
    await Promise.race([
      Promise.all(unfinished.map((transaction) => transaction.finished)),
      this.#closed.promise,
    ]);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#appender.idle();
    this.#end();
    await this.#parts.storage.close();
  }

  async clear({ discardPending = false }: { readonly discardPending?: boolean } = {}): Promise<void> {
    await this.#appender.idle();
    const pending = this.#view.transactions().length;
    if (pending > 0 && !discardPending)
      throw new ReplicaError(
        "pending_writes",
        `${pending} transactions are not on the server yet. Wait for flush(), or pass { discardPending: true }.`,
      );
    this.#isClosed = true;
    this.#membership.announceCleared();
    this.#end();
    await this.#parts.storage.destroy();
  }

  /** Another tab has removed the database: what this one shows is no longer anywhere. */
  #endCleared(): void {
    const lost = this.#view.transactions().filter(({ sequence }) => sequence === null).length;
    this.#isClosed = true;
    this.#end();
    this.#parts.storage.close().catch((error: unknown) => this.#emitters.emitError(asError(error), false));
    const message = "Another tab has removed the local database. Create the replica anew.";
    this.#emitters.emitError(new ReplicaError("closed", message), lost > 0);
  }

  #end(): void {
    this.#closed.reject(closedError());
    this.#screen.stop();
    this.#membership.end();
    this.#openParts.stop();
    this.#gauge.stop();
    for (const end of this.#endings.splice(0)) end();
  }

  #load(stored: Stored, hasMore = false): void {
    this.#view.load(stored, hasMore);
    this.#subscriptions.report(reportsOf(stored));
    if (!hasMore) this.#opening.end();
    this.#membership.onRead(stored.meta);
    this.#refreshStatus();
  }

  #onAppended(entries: readonly OutboxEntry[]): void {
    this.#view.place(entries);
    this.#membership.onAppended(entries);
  }

  #onNotStored(error: ReplicaError, transactions: readonly LocalTransaction[]): void {
    this.#view.refuse(transactions);
    this.#emitters.emitError(error, true);
    void this.#gauge.measure();
  }

  /** The database is closed under this tab: what is shown stays, and somebody else is the leader. */
  #onLost(error: ReplicaError): void {
    if (this.#isClosed) return;
    this.#readOnly = error;
    this.#end();
    this.#refreshStatus();
    this.#emitters.emitError(error, false);
  }

  #onTransactions(changed: readonly LocalTransaction[]): void {
    this.#transactionsChanged.emit();
    for (const transaction of changed) this.#emitters.emit("transaction", transaction);
    this.#refreshStatus();
  }

  /** What was rendered on the server makes way for what the device knows of a scope, once it knows all of it. */
  #onProgress(): void {
    const { scopes } = this.#membership.leaderStatus;
    if (!this.#opening.isOpening)
      this.#view.endHydration(scopes.filter(({ state }) => state === "live" || state === "denied"));
    this.#refreshStatus();
  }

  #refreshStatus(): void {
    if (this.#statusBoard.refresh()) this.#emitters.emit("status", this.#statusBoard.get());
  }

  #assertWritable(): void {
    this.#assertOpen();
    if (this.#readOnly !== null) throw this.#readOnly;
  }

  #assertOpen(): void {
    if (this.#isClosed) throw closedError();
  }
}
