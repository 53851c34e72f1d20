// The public types of the browser SDK.
import type { AnyCollection, DraftOf, InsertOf, PartOf, RowOf, ScopedOf } from "../../collections/index.js";
import type { ErrorCode } from "../../shared/errorCodes.js";
import type { Value } from "convex/values";
import type { Operation } from "../../shared/operations.js";
import type { RowsResult } from "../../shared/rowsWire.js";
import type { ReplicaApi } from "../../shared/replicaApi.js";
import type { InspectOptions, Inspection } from "./inspection.js";
import type { OverridesOf } from "./overrides.js";
import type { ReplicaError } from "./errors.js";
import type { Storage } from "../ports/storage.js";
import type { StorageUse } from "../ports/storageSpace.js";
import type { ConvexClientLike } from "../ports/transport.js";

/** A callback's result, unless it is a promise: what an async callback does after its first await is lost. */
type Sync<T> = T extends PromiseLike<unknown> ? "the function must not be async" : unknown;

/** Where a row stands: `failed` while a failed transaction on it waits for the user's decision. */
export type RowStatus = "synced" | "pending" | "failed";

/**
 * `queued`: behind an earlier transaction on the same document · `pending`: waits for the next push ·
 * `persisting`: handed to the server, not answered · `persisted_awaiting_sync`: applied, not yet come back ·
 * `completed` · `failed`: refused for good, kept until `retry()` or `discard()` · `discarded`.
 */
export type TransactionState =
  "queued" | "pending" | "persisting" | "persisted_awaiting_sync" | "completed" | "failed" | "discarded";

/** The operations of a transaction on one document. */
export interface Change {
  readonly collection: string;
  readonly id: string;
  readonly operations: readonly Operation[];
  /**
   * What it was based on, to be compared with what is there now: the fields it changes as they were when it was made,
   * as far as they had a value; of a delete the whole row. Absent: nothing was there.
   */
  readonly before?: Readonly<Record<string, Value>>;
}

/**
 * One attempt to hand a transaction to the server, or to the app's own `persist`, that came to nothing. Times in ms
 * since 1970.
 */
export interface Attempt {
  readonly startedAt: number;
  readonly endedAt: number;
  readonly error: { readonly code?: ErrorCode; readonly message: string };
  /** Not before this is it tried again, unless a lost connection comes back; absent: at once, or never. */
  readonly nextRetryAt?: number;
}

/**
 * `ordered`: waits for every earlier unfinished transaction on one of its documents, and fails with it. `parallel`:
 * waits for nobody and is rolled back by nobody; its changes are worked into whatever arrives, by CRDT merge or by the
 * collection's own `merge`. Later ordered ones wait for it like for any other. It is never sent as one with others.
 */
export type TransactionStrategy = "ordered" | "parallel";

export interface TransactOptions {
  /** Default: `ordered`. */
  readonly strategy?: TransactionStrategy;
  /** Stored with the transaction. */
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/** Writes that succeed or fail together. Not thenable: nothing has to wait for it. */
export interface Transaction {
  /** Unique for ever; the name under which the server remembers what became of it. */
  readonly id: string;
  readonly state: TransactionState;
  readonly changes: readonly Change[];
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly strategy: TransactionStrategy;
  /** The last attempts that came to nothing, oldest first, at most `limits.keptAttempts`. */
  readonly attempts: readonly Attempt[];
  /** While it is `queued`: the ids of the earlier transactions that it waits for. */
  readonly queuedBehind: readonly string[];
  /** When it was made, in ms since 1970 by the device's clock. */
  readonly createdAt: number;
  /** Why it failed; `error.transactionId` names another transaction that it failed with. */
  readonly error: ReplicaError | undefined;
  /** Resolves once it survives the process being killed. Rejects with `storage_…` if it could not be stored. */
  readonly durable: Promise<void>;
  /** Resolves once the server has applied it. Rejects with the coded reason. Never an unhandled rejection. */
  readonly confirmed: Promise<void>;
  /** Makes the changes of a failed transaction again, as a new one. @throws ReplicaError `invalid_row` if it has not failed */
  retry(): Transaction;
  /** Forgets a failed transaction. @throws ReplicaError `invalid_row` if it has not failed */
  discard(): void;
  /** Calls `listener` after each change of `state` or `attempts`. @returns a function that ends it */
  subscribe(listener: () => void): () => void;
}

/** `[field, "asc" | "desc"]`, or the field's name for ascending. Strings are compared by code units. */
export type OrderBy<C extends AnyCollection> =
  (keyof RowOf<C> & string) | readonly [keyof RowOf<C> & string, "asc" | "desc"];

export interface QueryOptions<C extends AnyCollection> {
  readonly where?: (row: Readonly<ReplicaRow<C>>) => boolean;
  readonly orderBy?: OrderBy<C>;
  /**
   * How many rows at most; default: all. A query with a limit tells what is on the screen: once it was live for a few
   * seconds its rows are the first that the next opening of the device shows.
   */
  readonly limit?: number;
}

/** A live query over local rows. */
export interface Query<C extends AnyCollection> {
  /** The rows now; the same array until one of them changes. */
  readonly current: readonly Readonly<ReplicaRow<C>>[];
  /** Calls `listener` when `current` has changed. @returns a function that ends it */
  subscribe(listener: () => void): () => void;
}

/** A row as it is read on a device: texts are strings with how they begin, or absent; open the document for the rest. */
export type ReplicaRow<C extends AnyCollection> = RowOf<C> & { readonly [K in PartOf<C>]?: string };

/** A collection's documents on this device. Reads and writes are synchronous and local. */
export interface ReplicaCollection<C extends AnyCollection> {
  readonly definition: C;
  readonly size: number;
  get(id: string): Readonly<ReplicaRow<C>> | undefined;
  has(id: string): boolean;
  rows(): IterableIterator<Readonly<ReplicaRow<C>>>;
  status(id: string): RowStatus;
  query(options?: QueryOptions<C>): Query<C>;
  /** Calls `listener` with the ids whose row or status changed, once per page or transaction. */
  subscribe(listener: (ids: ReadonlySet<string>) => void): () => void;
  /** A fresh document id. */
  newId(): string;
  /** @throws ReplicaError `exists`, `invalid_row`, `closed` */
  insert(row: InsertOf<C>): Transaction;
  /** @throws ReplicaError `unknown_document`, `invalid_row`, `closed` */
  update<T>(id: string, change: (draft: DraftOf<C>) => T & Sync<T>): Transaction;
  /** @throws ReplicaError `unknown_document`, `closed` */
  delete(id: string): Transaction;
}

/** `denied`: the scope may not be read. `error`: reading fails; it is tried again. */
export type ScopeState = "idle" | "bootstrapping" | "catchingUp" | "live" | "denied" | "error";

/** A wish to have scopes on the device; it ends with `stop`. */
export interface Subscription {
  /** Resolves when every scope is complete on the device, from an earlier session or now. */
  readonly loaded: Promise<void>;
  /** The least advanced state of its scopes. */
  readonly state: ScopeState;
  /** Entries received so far of those scopes' first loads. */
  readonly progress: number;
  subscribe(listener: () => void): () => void;
  /** @param options.keepData keep the documents on the device; otherwise they go, unless another subscription wants them */
  stop(options?: { keepData?: boolean }): void;
}

export type SubscribeArgs<C extends AnyCollection> =
  ScopedOf<C> extends true
    ? [options: { readonly scopes: readonly string[] } & PartsOption]
    : [options?: { readonly scopes?: never } & PartsOption];

/**
 * When the texts of the documents come to the device: when one is opened, or in advance, so that it can be opened offline:
 * after all else, those of what is on the screen first. Default: `onOpen`.
 */
export interface PartsOption {
  readonly parts?: "onOpen" | "prefetch";
}

export interface ScopeStatus {
  readonly collection: string;
  readonly scope: string;
  readonly state: ScopeState;
  /** Entries received so far of the first load. */
  readonly progress: number;
}

export interface ReplicaStatus {
  readonly connection: "connected" | "disconnected";
  /** Whether this tab is the one that pushes and subscribes. */
  readonly leader: boolean;
  /** Transactions that the server has not yet applied and sent back. */
  readonly pending: number;
  readonly failed: number;
  readonly scopes: readonly ScopeStatus[];
  /** When a push or pull last ended well, in ms since 1970; null: never in this session. */
  readonly lastSyncAt: number | null;
  /**
   * Collections that the server, or a document, has in a newer schema than this app: they can be read, writes to them are
   * refused with `schema_too_new`, and those made before wait for an app that knows it.
   */
  readonly tooNew: readonly string[];
  /** Why pushes wait, beside having no connection. */
  readonly blocked: ReplicaError | null;
  /** Whether documents of the local database are still being read: more rows will come, a missing one may be there. */
  readonly isOpening: boolean;
  /** Why nothing can be written any more, in this tab, until the page is reloaded. What is shown stays. */
  readonly readOnly: ReplicaError | null;
  /** Space on the device, as last measured; null: not known. */
  readonly storage: StorageUse | null;
}

export interface Observable<T> {
  get(): T;
  subscribe(listener: () => void): () => void;
}

/** What `replica.events` emits, by name. */
export interface ReplicaEvents {
  documentsChanged: { readonly collection: string; readonly ids: ReadonlySet<string> };
  /** An import has brought so many documents into a scope: told once, after they are there. */
  bulkCompleted: { readonly collection: string; readonly scope: string; readonly count: number };
  transaction: Transaction;
  status: ReplicaStatus;
  /** `dataAtRisk`: something the user wrote is in danger; thrown as an unhandled error if nobody listens. */
  error: { readonly error: Error; readonly dataAtRisk: boolean };
}

export interface TransactionFilter<C extends AnyCollection = AnyCollection> {
  readonly state?: TransactionState | readonly TransactionState[];
  readonly collection?: C;
  readonly id?: string;
}

/** The app's data on this device. */
export interface Replica<C extends AnyCollection = AnyCollection> {
  /**
   * The first local rows are there; the others follow within moments (`status.isOpening`). Never waits for the network.
   * Rejects with `storage_unavailable` if the device has no storage, or keeps it from this page: pass a storage of your
   * own, in memory say, to go on without. Rejects with `storage_corrupt` if the local database cannot be trusted.
   */
  readonly ready: Promise<void>;
  readonly user: string | null;
  collection<D extends C>(definition: D): ReplicaCollection<D>;
  subscribe<D extends C>(definition: D, ...args: SubscribeArgs<D>): Subscription;
  /** Groups the writes that `change` makes into one transaction. If `change` throws, none is made. */
  transact<T>(change: () => T & Sync<T>, options?: TransactOptions): Transaction;
  /**
   * Has what is on screen brought up to date first: the scopes that hold these documents come before others that wait.
   * Each call replaces what the one before said. The next opening of the device shows them first.
   */
  prioritise<D extends C>(definition: D, ids: readonly string[]): void;
  readonly transactions: {
    /** Unfinished and failed transactions, oldest first. */
    list(filter?: TransactionFilter<C>): readonly Transaction[];
    subscribe(listener: () => void): () => void;
  };
  readonly status: Observable<ReplicaStatus>;
  readonly events: {
    on<E extends keyof ReplicaEvents>(event: E, listener: (value: ReplicaEvents[E]) => void): () => void;
  };
  /** All about this replica now, as plain JSON; without what users wrote, unless asked for. Rejects with `closed`. */
  inspect(options?: InspectOptions): Promise<Inspection>;
  /** Resolves once everything written so far is completed or failed. Rejects with `closed` if the replica is closed before. */
  flush(): Promise<void>;
  /** Ends this tab's part. What is pending stays stored and is pushed by the next session. */
  close(): Promise<void>;
  /** Removes the local database, for all tabs: their replicas are closed with it. @throws ReplicaError `pending_writes` unless there are none or `discardPending` */
  clear(options?: { readonly discardPending?: boolean }): Promise<void>;
}

export interface ReplicaOptions<Cs extends readonly AnyCollection[]> {
  /** The app's own `ConvexClient` or `ConvexReactClient`: there is never a second socket. */
  readonly client: ConvexClientLike;
  readonly api: ReplicaApi;
  readonly collections: Cs;
  /** With deployment and user it names the local database. */
  readonly name: string;
  /**
   * Whose data this is; null: nobody's, also in an app without sign-in. It names the store, and writes are not pushed while
   * nobody is signed in, but wait. Who that is, and may do what, the server decides.
   */
  readonly user: string | null;
  /** Default: IndexedDB in browsers, memory elsewhere. */
  readonly storage?: Storage;
  /** What collections do in their own way, by name. */
  readonly overrides?: OverridesOf<Cs>;
  /**
   * Pages that `api.replicate.rows` returned to the server that rendered the page: shown at once, before the local
   * database is open, until what they hold is read.
   */
  readonly hydrate?: readonly RowsResult[];
}
