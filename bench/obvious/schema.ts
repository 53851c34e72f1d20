// The obvious design, to be measured beside ours: a counter row gives each delta its place in the collection, and
// presence is a row that heartbeats keep fresh.
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export const schema = defineSchema({
  counters: defineTable({ collection: v.string(), seq: v.number(), documents: v.number() }).index(
    "by_collection",
    ["collection"],
  ),
  deltas: defineTable({
    collection: v.string(),
    scope: v.string(),
    document: v.string(),
    seq: v.number(),
    bytes: v.bytes(),
  })
    .index("by_scope", ["collection", "scope", "seq"])
    .index("by_document", ["collection", "document", "seq"]),
  snapshots: defineTable({
    collection: v.string(),
    scope: v.string(),
    document: v.string(),
    seq: v.number(),
    bytes: v.bytes(),
  })
    .index("by_scope", ["collection", "scope", "seq"])
    .index("by_document", ["collection", "document"]),
  /** The app's rows. `deltas`: how many a document has since its last compaction. */
  sites: defineTable({ id: v.string(), deltas: v.number(), row: v.any() }).index("by_site", ["id"]),
  presence: defineTable({
    collection: v.string(),
    document: v.string(),
    session: v.string(),
    state: v.any(),
    seenAt: v.number(),
  })
    .index("by_document", ["collection", "document"])
    .index("by_session", ["session", "document"]),
});
