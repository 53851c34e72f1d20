import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
import { vBulkBody, vPartBody } from "../shared/wire.js";
import { followerTables } from "./followerTables.js";
import { historyTables } from "./historyTables.js";
import { importTables } from "./importTables.js";
import { sessionTables } from "./sessionTables.js";

/** Rows stay under Convex's 1 MiB: longer bytes are split into `count` rows at one position. */
const vChunk = v.object({ index: v.number(), count: v.number() });

export const vOutcome = v.union(
  v.object({ status: v.literal("applied") }),
  v.object({
    status: v.literal("rejected"),
    code: v.string(),
    message: v.string(),
    data: v.optional(v.any()),
  }),
);

export default defineSchema({
  // Written by `newEpoch` only: a collection without a row is in its first epoch. Read by every pull and push.
  collections: defineTable({ name: v.string(), epoch: v.string() }).index("by_name", ["name"]),

  // Written by a client's first push, and once a day after that. Read by its pushes.
  clients: defineTable({
    client: v.string(),
    user: v.union(v.string(), v.null()),
    settledBelow: v.number(),
    seenAt: v.number(),
  })
    .index("by_client", ["client"])
    .index("by_seenAt", ["seenAt"]),

  // Whose a Yjs client id is: an id in two hands would let two documents diverge unnoticed. Written by the first
  // push that uses it, and by the server's writer for its own. Read by every push, on its own ids.
  authors: defineTable({ author: v.number(), client: v.string() })
    .index("by_author", ["author"])
    .index("by_client", ["client"]),

  // One row per document of a collection without an app table, patched by every write: two writes to one document
  // conflict here and nowhere else. Read by the same writes.
  guards: defineTable({ collection: v.string(), document: v.string(), revision: v.number() }).index(
    "by_document",
    ["collection", "document"],
  ),

  // What became of each transaction. Written by push. Read by push, so that a resend has the same outcome, and by
  // status, each on its own keys.
  receipts: defineTable({
    client: v.string(),
    transaction: v.string(),
    sequence: v.number(),
    outcome: vOutcome,
    ts: v.commitTs(),
  })
    .index("by_transaction", ["client", "transaction"])
    .index("by_sequence", ["client", "sequence"]),

  // Written by every push and by the server's writer, only ever appended; deleted by compaction.
  // Read by pull (by_scope), and by push and compaction on a stale snapshot (by_document).
  // `part` is "" for the main document. Parts have no scope: they are read by document, and go with it.
  deltas: defineTable({
    collection: v.string(),
    scope: v.optional(v.string()),
    document: v.string(),
    part: v.string(),
    ts: v.commitTs(),
    bytes: v.bytes(),
    chunk: vChunk,
    client: v.string(),
    transactions: v.array(v.string()),
    schemaVersion: v.number(),
  })
    .index("by_scope", ["collection", "scope", "ts", "document"])
    .index("by_document", ["collection", "document", "part", "ts"])
    .index("by_collection", ["collection", "ts", "document"]),

  // Written and replaced by compaction, standing at the ts of the newest delta inside, and by the move of a document
  // to another scope, standing at its commit. Read like deltas.
  snapshots: defineTable({
    collection: v.string(),
    scope: v.optional(v.string()),
    document: v.string(),
    part: v.string(),
    ts: v.commitTs(),
    /** When it was written, which may be long after the deltas in it: the follower goes by this. */
    at: v.optional(v.commitTs()),
    /** Of how many pieces a part is made: whether it can be opened is known before. */
    pieces: v.optional(v.number()),
    bytes: v.bytes(),
    chunk: vChunk,
  })
    .index("by_scope", ["collection", "scope", "ts", "document"])
    .index("by_document", ["collection", "document", "part", "chunk.index"])
    .index("by_part", ["collection", "document", "part", "ts"])
    .index("by_collection", ["collection", "at", "document"]),

  // That a document has left a scope: who reads there drops it. Written when it moves; deleted when it comes back, and
  // by pruning after 30 days. Read by pull (by_scope), by the document's next move (by_document), and by the very
  // transaction that wrote it (by_ts).
  leaves: defineTable({
    collection: v.string(),
    scope: v.string(),
    document: v.string(),
    ts: v.commitTs(),
  })
    .index("by_scope", ["collection", "scope", "ts", "document"])
    .index("by_document", ["collection", "document", "scope"])
    .index("by_ts", ["ts"])
    .index("by_collection", ["collection", "ts", "document"]),

  // What background work tells those who read a scope: that a part has changed (one row a part, replaced every few
  // seconds at most), that an import has arrived. Written by the follower, by the end of an import, and by a move,
  // which takes a document's along. Read by pull.
  announcements: defineTable({
    collection: v.string(),
    scope: v.string(),
    /** "" for what concerns the scope as a whole. */
    document: v.string(),
    ts: v.commitTs(),
    body: v.union(vPartBody, vBulkBody),
  })
    .index("by_scope", ["collection", "scope", "ts", "document"])
    .index("by_document", ["collection", "document", "body.part"]),

  // The plain text of parts, as far as the follower has come. Read by the app's own functions.
  texts: defineTable({
    collection: v.string(),
    document: v.string(),
    field: v.string(),
    part: v.string(),
    text: v.string(),
    /** The newest delta in it. */
    ts: v.int64(),
  }).index("by_document", ["collection", "document", "field"]),

  // Up to where a scope's leaves were pruned: who is behind that has missed some. A scope without a row has all of
  // its leaves. Written by pruning. Read by pull.
  scopes: defineTable({ collection: v.string(), scope: v.string(), prunedTo: v.int64() }).index("by_scope", [
    "collection",
    "scope",
  ]),

  ...sessionTables,
  ...followerTables,
  ...historyTables,
  ...importTables,
});
