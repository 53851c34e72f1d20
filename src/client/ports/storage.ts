import type { PlainRow } from "../../collections/index.js";
import type { Value } from "convex/values";
import type { ErrorCode, Refusal } from "../../shared/errorCodes.js";
import type { Operation } from "../../shared/operations.js";
import type { Cursor } from "../../shared/wire.js";

/** Which database this is. */
export interface Identity {
  /** The name under which the server remembers this database's transactions. */
  readonly client: string;
  /** The Yjs client id under which its main documents are authored. */
  readonly author: number;
}

export interface Meta extends Identity {
  /** Raised by each tab that becomes leader: fences the one before. */
  readonly term: number;
  /** Raised by each commit of a leader: tells a starting tab which messages its first read covers. */
  readonly commit: number;
  /**
   * The highest place in the outbox that a leader has taken away, or changed: entries up to it that are not there are gone,
   * whatever a message tells that was sent before. Absent: there is none.
   */
  readonly lastSettled?: number;
}

/** A document's confirmed state. */
export interface StoredDocument {
  readonly collection: string;
  readonly id: string;
  /** Where it stood when its newest entry came, and at which commit. */
  readonly scope: string;
  readonly ts: bigint;
  /** The projection of `base`, with previews where there are any; null: deleted. */
  readonly row: PlainRow | null;
  /** The schema version that `row` is a projection by; absent: 1; 0: by none, the document could not be migrated. */
  readonly rowVersion?: number;
  /** Which of its lives it is in; absent: the first. */
  readonly incarnation?: number;
  /** How the texts of its parts begin, by part (see `partKey`); absent: nothing was told of any. */
  readonly previews?: Readonly<Record<string, string>>;
  /** Where the newest change of each of its parts stood when it was told of (see `partKey`); absent: of none was. */
  readonly newest?: Readonly<Record<string, bigint>>;
  /** Its whole state: see documents/base.ts. */
  readonly base: Uint8Array;
}

/** A part of a document, in one of its lives: see `partKey`. */
export interface PartPlace {
  readonly collection: string;
  readonly id: string;
  readonly part: string;
}

/** How far a part was read. */
export interface PartPosition extends PartPlace {
  readonly cursor: bigint;
  readonly epoch: string;
  /** Of its content. */
  readonly bytes: number;
}

/** A part's confirmed content, up to its position. */
export interface StoredPart extends PartPosition {
  /** Its whole state: see documents/base.ts. */
  readonly base: Uint8Array;
}

export interface StoredChange {
  readonly collection: string;
  readonly id: string;
  readonly operations: readonly Operation[];
  /** The fields it changes as they were when it was made, as far as they had a value; of a delete the whole row. */
  readonly before?: Readonly<Record<string, Value>>;
  /** The schema version that it was made with; absent: 1. */
  readonly schemaVersion?: number;
}

/** An attempt to hand a transaction over that came to nothing. Times in ms since 1970. */
export interface StoredAttempt {
  readonly startedAt: number;
  readonly endedAt: number;
  readonly error: { readonly code?: ErrorCode; readonly message: string };
  /** Not before this is it tried again; absent: at once, or never. */
  readonly nextRetryAt?: number;
  /** How many failed in a row. */
  readonly tries: number;
  /** How many of these were this transaction's own fault: the server did what else was asked of it. */
  readonly faults: number;
}

/** Why a transaction failed, in a form that can be stored and sent. */
export interface StoredFailure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly data?: unknown;
  readonly transactionId?: string;
}

/** A transaction as it was made. Never changed but by attempts and by failing. */
export interface StoredTransaction {
  readonly id: string;
  readonly createdAt: number;
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Made by `transact()`: never merged with its neighbours. */
  readonly isGroup: boolean;
  readonly changes: readonly StoredChange[];
  readonly failure?: StoredFailure;
  /** Absent: `ordered`. */
  readonly strategy?: "parallel";
  /** Of a collection with its own `persist`: how often that was begun, and whether it has done its work. */
  readonly persistTries?: number;
  readonly isPersisted?: true;
  /** The last of them, at most `limits.keptAttempts`. */
  readonly attempts?: readonly StoredAttempt[];
  /**
   * As what it was authored before, and sent, and not taken: no outcome, so that a late copy may be applied yet. The last
   * of them, at most `limits.keptAttempts`.
   */
  readonly withdrawn?: readonly (readonly AuthoredClocks[])[];
}

/** A transaction and its place in the outbox: the order in which the transactions of all tabs became durable. */
export interface OutboxEntry {
  readonly sequence: number;
  readonly transaction: StoredTransaction;
}

/** Which clocks `[from, to)` of `author` one document's operations fill: a state that has them contains the operations. */
export interface AuthoredClocks {
  readonly collection: string;
  readonly document: string;
  readonly schemaVersion: number;
  readonly author: number;
  readonly from: number;
  readonly to: number;
}

/** The bytes that one document's operations became. */
export interface AuthoredUpdate extends AuthoredClocks {
  readonly bytes: Uint8Array;
  /** Whether the stored base contains it: then its operations are no part of the overlay any more. */
  readonly isCovered: boolean;
}

/** Transactions that were authored as one. Sent unchanged until answered, kept until every update is covered. */
export interface AuthoredGroup {
  /** The sequence of its last transaction: unique, and groups in this order are in authoring order. */
  readonly sequence: number;
  readonly transactions: readonly string[];
  readonly updates: readonly AuthoredUpdate[];
  readonly isAnswered: boolean;
  /** Once it is answered: when it was applied, a commit timestamp. Omitted if the server did not say. */
  readonly ts?: bigint;
  /**
   * It was applied, and surely or perhaps as other bytes than these: its transactions had been authored before. Only what
   * a stream brings settles it; these bytes are merged into nothing.
   */
  readonly isRemade?: true;
}

/** How far a scope was read. */
export interface StoredScope {
  readonly collection: string;
  readonly scope: string;
  readonly cursor: Cursor;
  readonly epoch: string;
  /** Where the stream ended when a first load began, as long as the cursor is before it. */
  readonly horizon?: bigint;
  /** Whether a first load has come to its end. */
  readonly isComplete: boolean;
  /** Read from the start again, because the device has lost documents of it; until it is complete. */
  readonly isRepair?: true;
  /**
   * While the scope is read anew: the documents held of it that this reading has not met. Those left at its end have
   * left the scope, and nothing tells of it any more.
   */
  readonly unmet?: readonly string[];
  /** The server's version of the collection's definition when it was read last; absent: 1. */
  readonly schemaVersion?: number;
  /** The greatest schema version of the documents that were read in it; absent: 1. */
  readonly dataVersion?: number;
  /** Since when no tab wants it, in ms since 1970; absent: one did when it was read last. */
  readonly unwantedSince?: number;
}

/** A record that is not what was written, or that the browser cannot read. */
export type Damage =
  /** Documents. `scopes`: of these; null: not known. */
  | {
      readonly type: "page";
      readonly page: number;
      readonly scopes: readonly { readonly collection: string; readonly scope: string }[] | null;
    }
  | { readonly type: "document"; readonly collection: string; readonly id: string }
  | { readonly type: "scope"; readonly collection: string; readonly scope: string }
  /** Bytes that were authored; what they were authored from is in the outbox. */
  | { readonly type: "group"; readonly sequence: number }
  /** What a user wrote. */
  | { readonly type: "transaction"; readonly sequence: number };

/** Everything in a database, as of one moment. */
export interface Stored {
  readonly meta: Meta;
  readonly documents: readonly StoredDocument[];
  /** In sequence order. */
  readonly outbox: readonly OutboxEntry[];
  /** In sequence order. */
  readonly groups: readonly AuthoredGroup[];
  readonly scopes: readonly StoredScope[];
  /** Told to who takes over, and to nobody else: there may be ten thousand. */
  readonly parts?: readonly PartPosition[];
  /** What was on the screen last, as `fold` was told: documents that are there, or were then. */
  readonly screen: readonly { readonly collection: string; readonly id: string }[];
  /** What could not be read: nothing of it is in the lists above. */
  readonly damage: readonly Damage[];
}

/** What `open` brings after its answer, and what happens to the database later. */
export interface StorageWatcher {
  /** The next documents, as of the same moment as the answer, each once. */
  onDocuments(documents: readonly StoredDocument[]): void;
  /** There are no more. `damage`: what could not be read, beside what the answer told of. */
  onRead(damage: readonly Damage[]): void;
  /** The rest cannot be read. */
  onUnreadable(reason: Refusal): void;
  /**
   * The database was closed under this tab, for good: a newer version of the app needs it, or the browser has taken
   * it away. Every later call rejects with this reason.
   */
  onLost(reason: Refusal): void;
}

/** What a leader writes in one storage transaction: first what is removed goes. Absent lists change nothing. */
export interface Commit {
  readonly documents?: readonly StoredDocument[];
  readonly removedDocuments?: readonly { readonly collection: string; readonly id: string }[];
  readonly scopes?: readonly StoredScope[];
  readonly removedScopes?: readonly { readonly collection: string; readonly scope: string }[];
  readonly parts?: readonly StoredPart[];
  readonly removedParts?: readonly PartPlace[];
  readonly groups?: readonly AuthoredGroup[];
  readonly removedGroups?: readonly number[];
  /** Replaces entries that are there; one that was taken away meanwhile stays away. */
  readonly outbox?: readonly OutboxEntry[];
  readonly removedOutbox?: readonly number[];
  readonly author?: number;
  /**
   * Damage that is dealt with: its records go, documents that `scopes` will bring again with them. A transaction's
   * record is never taken away: what it holds is nowhere else.
   */
  readonly repair?: { readonly damage: readonly Damage[]; readonly scopes: readonly StoredScope[] };
}

/**
 * The local database of one (app, deployment, user), shared by all tabs of a profile. Every method is one
 * transaction: all of it is on the device when the promise resolves, in a way that survives the process being
 * killed, or none of it. All methods reject with ReplicaError `storage_unavailable`, `storage_full`,
 * `storage_corrupt` or `closed`.
 */
export interface Storage {
  /**
   * Reads everything; makes the database with `fresh` if there is none. To be called first. With a `watcher` it
   * answers as soon as it has all but the documents, and of these what was on the screen last, or else the newest; the
   * rest goes to the watcher, in slices read one after the other. Appends are possible meanwhile. A record that cannot be read is told
   * of as {@link Damage}, never passed over; without the identity the database is refused as `storage_corrupt`.
   */
  open(fresh: Identity, watcher?: StorageWatcher): Promise<Stored>;
  /** Appends to the outbox, from any tab. @returns the sequences, ascending in call order over all tabs */
  append(transactions: readonly StoredTransaction[]): Promise<number[]>;
  /** Removes failed transactions, from any tab: the user has retried or discarded them. */
  removeFailed(sequences: readonly number[]): Promise<void>;
  /** Outbox entries after `sequence`, in order. */
  outboxAfter(sequence: number): Promise<OutboxEntry[]>;
  /** @returns null: it is not on the device, or its record is damaged, and it is to be read again */
  part(place: PartPlace): Promise<StoredPart | null>;
  /** Raises the term and reads everything: the caller is the leader from here on. */
  takeOver(): Promise<Stored>;
  /**
   * One at a time: the next one is asked for when the one before has ended.
   *
   * @returns the commit's number
   * @throws FencedError if a later leader has taken over; nothing is written then
   */
  commit(term: number, changes: Commit): Promise<number>;
  /**
   * Puts what has changed into the form that is read fastest, a bounded step of it; what the database holds stays
   * the same. Not to be called while a commit is under way. Delays no append.
   *
   * @param screen - what is on the screen, each document once and as the database holds it: openings bring it first from
   *   now on. It may count as a commit, of nothing that is told. Absent: as it was told last
   * @returns whether there is more to do
   * @throws FencedError as `commit` does
   */
  fold(term: number, screen?: readonly StoredDocument[]): Promise<boolean>;
  /** Ends the use of the database by this tab. */
  close(): Promise<void>;
  /** Closes and deletes the database. */
  destroy(): Promise<void>;
}

/** A leader wrote after another one had taken over. */
export class FencedError extends Error {
  override readonly name = "FencedError";
  constructor() {
    super("Another tab has taken over; this one no longer writes as the leader.");
  }
}
