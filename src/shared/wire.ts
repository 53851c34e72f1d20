// One wire shape, one validator: app functions validate with these, the browser takes its types from them.
import { v, type Infer, type ObjectType } from "convex/values";
import { vImportWork, vImportWorkResult } from "./importWire.js";

/** A position in a scope's stream: everything at or before (ts, document) has been seen. */
export const vCursor = v.object({ ts: v.int64(), document: v.string() });
export type Cursor = Infer<typeof vCursor>;

/** Sorts after every document id: a cursor with it stands behind the whole commit. */
export const endOfCommit = "\uffff";

/** Where a first load begins. */
export const startCursor: Cursor = { ts: 0n, document: endOfCommit };

const vStateEntry = v.object({
  document: v.string(),
  ts: v.int64(),
  type: v.union(v.literal("update"), v.literal("snapshot")),
  bytes: v.bytes(),
  client: v.optional(v.string()),
  transactions: v.optional(v.array(v.string())),
});
export type StateEntry = Infer<typeof vStateEntry>;

/** What is told of a part: where its newest change stands, and how its plain text begins. */
export const vPartBody = v.object({
  kind: v.literal("part"),
  part: v.string(),
  newest: v.int64(),
  preview: v.string(),
  /** It takes no more changes. */
  isFull: v.optional(v.boolean()),
});
export type PartBody = Infer<typeof vPartBody>;
/** What is told of an import: so many documents have arrived in the scope. */
export const vBulkBody = v.object({ kind: v.literal("bulk"), job: v.string(), count: v.number() });

const position = { document: v.string(), ts: v.int64() };
const { kind: _part, ...partFields } = vPartBody.fields;
const { kind: _bulk, ...bulkFields } = vBulkBody.fields;

/**
 * `part`, `bulk`: see their bodies; `bulk` is of no document (""). `leave`: the document has gone to another scope. Who holds it drops it, if nothing newer of it is known, from
 * whatever scope.
 */
export const vStreamEntry = v.union(
  vStateEntry,
  v.object({ ...position, type: v.literal("part"), ...partFields }),
  v.object({ ...position, type: v.literal("bulk"), ...bulkFields }),
  v.object({ ...position, type: v.literal("leave") }),
);
export type StreamEntry = Infer<typeof vStreamEntry>;

/** Whether an entry brings something of a document's state. */
export function isStateEntry(entry: StreamEntry): entry is StateEntry {
  return entry.type === "update" || entry.type === "snapshot";
}

/** The epoch of a collection that was never given a new one. */
export const firstEpoch = "0";

export const pullArgs = {
  collection: v.string(),
  scope: v.string(),
  cursor: vCursor,
  /** The epoch under which the cursor was handed out; omitted at a first load. */
  epoch: v.optional(v.string()),
  /** As the first page of a first load gave it; omitted once the cursor is past it. */
  horizon: v.optional(v.int64()),
};
export type PullArgs = ObjectType<typeof pullArgs>;

export const vPage = v.object({
  type: v.literal("page"),
  epoch: v.string(),
  entries: v.array(vStreamEntry),
  cursor: vCursor,
  /** Where the stream ended when a first load began: what has left the scope before that was never met. */
  horizon: v.optional(v.int64()),
  /** False: there is more now, pull again at once. */
  done: v.boolean(),
});
/** A page as clients get it. `schemaVersion`: that of the server's definition, omitted if it is 1. */
export const vPullPage = v.object({ ...vPage.fields, schemaVersion: v.optional(v.number()) });
export type Page = Infer<typeof vPullPage>;

/** The cursor is of another epoch: begin anew. */
export const vReset = v.object({ type: v.literal("reset"), epoch: v.string() });

/** `denied`: the user may not read the scope (any more). */
export const vPullResult = v.union(vPullPage, vReset, v.object({ type: v.literal("denied") }));
export type PullResult = Infer<typeof vPullResult>;

/** Where a part stands in no scope's stream, but in its own. Nothing is before `startOfPart`. */
export const startOfPart = 0n;

export const pullPartArgs = {
  collection: v.string(),
  document: v.string(),
  /** See `partKey`. */
  part: v.string(),
  /** The newest position that has been seen. */
  cursor: v.int64(),
  /** The epoch under which the cursor was handed out; omitted at a first load. */
  epoch: v.optional(v.string()),
};
export type PullPartArgs = ObjectType<typeof pullPartArgs>;

export const vPartEntry = v.object({
  ts: v.int64(),
  type: v.union(v.literal("update"), v.literal("snapshot")),
  bytes: v.bytes(),
  client: v.optional(v.string()),
  transactions: v.optional(v.array(v.string())),
});
export type PartEntry = Infer<typeof vPartEntry>;

export const vPartPage = v.object({
  type: v.literal("page"),
  epoch: v.string(),
  entries: v.array(vPartEntry),
  cursor: v.int64(),
  /** False: there is more now, pull again at once. */
  done: v.boolean(),
});
export type PartPage = Infer<typeof vPartPage>;

/** `denied`: its document is in a scope that the user may not read. `gone`: there is no such document. */
export const vPullPartResult = v.union(
  vPartPage,
  vReset,
  v.object({ type: v.literal("denied") }),
  v.object({ type: v.literal("gone") }),
);
export type PullPartResult = Infer<typeof vPullPartResult>;

/** One update of a main document (`part` is `""`), or of one of its parts. */
export const vPushOperation = v.object({
  collection: v.string(),
  document: v.string(),
  part: v.string(),
  schemaVersion: v.number(),
  bytes: v.bytes(),
});
export type PushOperation = Infer<typeof vPushOperation>;

export const vPushTransaction = v.object({
  /** The local transactions coalesced into this one; each gets its receipt. Sent unchanged until answered. */
  ids: v.array(v.string()),
  /** The highest place of these in the client's outbox. */
  sequence: v.number(),
  operations: v.array(vPushOperation),
});
export type PushTransaction = Infer<typeof vPushTransaction>;

export const pushArgs = {
  client: v.string(),
  /** The epoch of each collection that the client has pulled, by name. */
  epochs: v.record(v.string(), v.string()),
  /** Every transaction of a lower sequence is settled: its receipt is not asked for again. */
  settledBelow: v.number(),
  /**
   * The client's data is a signed-in user's: who comes without an identity, under an expired token say, is put off, and
   * not taken for nobody. Omitted: it is nobody's, or was not told.
   */
  hasUser: v.optional(v.boolean()),
  transactions: v.array(vPushTransaction),
};
export type PushArgs = ObjectType<typeof pushArgs>;

const refusalFields = { code: v.string(), message: v.string(), data: v.optional(v.any()) };

/**
 * What became of a transaction. `duplicate`: it was applied by an earlier push. `gap`: it stands on something
 * the server does not hold; no outcome, the client catches up and authors it again. `rejected` with `schema_too_new`: no
 * outcome either, the client waits for a newer server, or to become a newer app itself.
 */
export const vPushOutcome = v.union(
  v.object({ ids: v.array(v.string()), status: v.literal("applied") }),
  // `ts`: when it was applied.
  v.object({ ids: v.array(v.string()), status: v.literal("duplicate"), ts: v.optional(v.int64()) }),
  v.object({ ids: v.array(v.string()), status: v.literal("gap") }),
  v.object({ ids: v.array(v.string()), status: v.literal("rejected"), ...refusalFields }),
);
export type PushOutcome = Infer<typeof vPushOutcome>;

/**
 * `refused` concerns the push as a whole: nothing was written, and the client waits until it has caught up with
 * the new epoch, or until the user it belongs to is signed in again.
 */
export const vPushResult = v.union(
  v.object({ type: v.literal("results"), results: v.array(vPushOutcome), ts: v.commitTs() }),
  v.object({ type: v.literal("refused"), reason: v.union(v.literal("epoch"), v.literal("identity")) }),
);
export type PushResult = Infer<typeof vPushResult>;

export const statusArgs = { client: v.string(), transactions: v.array(v.string()) };
export type StatusArgs = ObjectType<typeof statusArgs>;

export const vTransactionStatus = v.union(
  v.object({ id: v.string(), status: v.literal("applied") }),
  v.object({ id: v.string(), status: v.literal("unknown") }),
  v.object({ id: v.string(), status: v.literal("rejected"), ...refusalFields }),
);
export type TransactionStatus = Infer<typeof vTransactionStatus>;
export const vStatusResult = v.array(vTransactionStatus);

/** To bring the rows of these documents to their merged states. */
export const vRowsWork = v.object({ type: v.literal("rows"), documents: v.array(v.string()) });
export type RowsWork = Infer<typeof vRowsWork>;
export const vRowsWorkResult = v.object({
  type: v.literal("rows"),
  /** So many, from the first on, have been seen to; the others did not fit the transaction. */
  done: v.number(),
  /** Rows that were wrong. */
  written: v.number(),
  /** Of those seen to: they cannot be read, or their rows not be stored. */
  failed: v.array(v.object({ document: v.string(), message: v.string() })),
});
export type RowsWorkResult = Infer<typeof vRowsWorkResult>;

/** What the component asks of the app, which alone can write its tables. */
export const maintainArgs = { collection: v.string(), work: v.union(vRowsWork, vImportWork) };
export type MaintainArgs = ObjectType<typeof maintainArgs>;
/** Of the type of the work. */
export const vMaintainResult = v.union(vRowsWorkResult, vImportWorkResult);
export type MaintainResult = Infer<typeof vMaintainResult>;

/** How the background work of a collection is getting on. Times in ms. */
export const vCollectionHealth = v.object({
  collection: v.string(),
  /** How long the oldest change that the follower has not come to has waited; 0: for less than 10 s. */
  followerLagMs: v.number(),
  /** How long the oldest change of its last batch had waited. */
  lastLagMs: v.number(),
  /** When the follower last did something, since 1970; null: never. */
  followedAt: v.union(v.number(), v.null()),
  /** There has been work for minutes, and nobody does it. */
  isStalled: v.boolean(),
  /** What is derived is being cleared, in a new epoch: heads and totals do not count yet. */
  isResyncing: v.boolean(),
  /** Since when the oldest delta waits to be compacted, since 1970; null: there is none. */
  oldestUncompacted: v.union(v.number(), v.null()),
  /** Live sessions that have told that they read it, as of a minute ago at most; beyond 1,000 not all are counted. */
  sessions: v.number(),
  deltas: v.number(),
  snapshots: v.number(),
  bytes: v.number(),
  /** Documents that cannot be read or compacted, and texts that could not be restored; `limits.failuresShown` at most are counted. */
  failedJobs: v.number(),
  lastError: v.union(v.object({ document: v.string(), at: v.number(), message: v.string() }), v.null()),
});
export type CollectionHealth = Infer<typeof vCollectionHealth>;

export const vScopeStats = v.object({ documents: v.number(), bytes: v.number() });
export type ScopeStats = Infer<typeof vScopeStats>;
