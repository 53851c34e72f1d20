import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

/** Rows stay under Convex's 1 MiB: longer bytes are split into `count` rows at one position. */
const vChunk = v.object({ index: v.number(), count: v.number() });

export default defineSchema({
  // Written by every push and by the server's writer, only ever appended; deleted by compaction.
  // Read by pull (by_scope), and by push and compaction on a stale snapshot (by_document).
  deltas: defineTable({
    collection: v.string(),
    scope: v.string(),
    document: v.string(),
    ts: v.commitTs(),
    bytes: v.bytes(),
    chunk: vChunk,
    client: v.string(),
    transactions: v.array(v.string()),
    schemaVersion: v.number(),
  })
    .index("by_scope", ["collection", "scope", "ts", "document"])
    .index("by_document", ["collection", "document", "ts"]),

  // Written and replaced by compaction, standing at the ts of the newest delta inside. Read like deltas.
  snapshots: defineTable({
    collection: v.string(),
    scope: v.string(),
    document: v.string(),
    ts: v.commitTs(),
    bytes: v.bytes(),
    chunk: vChunk,
  })
    .index("by_scope", ["collection", "scope", "ts", "document"])
    .index("by_document", ["collection", "document", "chunk.index"]),
});
