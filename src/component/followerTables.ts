// What background work keeps: no push reads or writes any of it, but for a look at `followers` on a stale snapshot.
import { defineTable } from "convex/server";
import { v } from "convex/values";
import { vCursor } from "../shared/wire.js";
import { vKept } from "./historyTables.js";

/** Why a document cannot be read or compacted. `attempts`: compactions that failed, one after the other. */
export const vFailure = v.object({ at: v.number(), message: v.string(), attempts: v.number() });

export const followerTables = {
  // What is stored of each document and part, as the follower found it. Written by the follower, and by the end of a compaction
  // (`compacting`, `failure`, `due`). Read by the same, by health, and by what goes over all documents.
  heads: defineTable({
    collection: v.string(),
    document: v.string(),
    /** "" for the main document. */
    part: v.string(),
    /** Of a part: that of its document. */
    scope: v.string(),
    deltaCount: v.number(),
    deltaBytes: v.number(),
    snapshotBytes: v.number(),
    /** The newest position at which it stands. */
    lastTs: v.int64(),
    /** Its oldest delta; absent: it has none. */
    oldestTs: v.optional(v.int64()),
    deleted: v.boolean(),
    /** In which life it is; of a part, which it belongs to. */
    incarnation: v.number(),
    /** Of a part: it holds more than `limits.partBytes`, and takes no more. */
    isFull: v.optional(v.boolean()),
    /** It has newer deltas, which were not read: they come with what is compacted next. */
    isCut: v.optional(v.boolean()),
    /** Of a part: when those who read its scope were last told of it, in ms since 1970. */
    announcedAt: v.optional(v.number()),
    /** Since when it is to be compacted, in ms since 1970. */
    dueSince: v.optional(v.number()),
    /** When the follower looks at it again, in ms since 1970, and hands it to the workpool if it is still due. */
    due: v.optional(v.number()),
    /** When it was handed to the workpool: it is not handed over again before that job has ended. */
    compacting: v.optional(v.number()),
    failure: v.optional(vFailure),
  })
    .index("by_document", ["collection", "document", "part"])
    .index("by_due", ["collection", "due"])
    .index("by_oldest", ["collection", "oldestTs"])
    .index("by_failure", ["collection", "failure.at"])
    .index("by_compacting", ["compacting"])
    .index("by_changed", ["collection", "lastTs", "document"]),

  // Up to where each collection is followed. Written by the follower, in one transaction with all that it does, and by
  // those who wake it. Read by the same and by health; by append on a stale snapshot.
  followers: defineTable({
    collection: v.string(),
    cursor: vCursor,
    /** The epoch that the cursor belongs to: in another one it begins anew. */
    epoch: v.string(),
    /** The snapshot on which it last measured: an older measurement never replaces a newer one. */
    snapshotTs: v.int64(),
    /** How long the oldest change of the last batch had waited. */
    lagNs: v.int64(),
    /** When it last did something, in ms since 1970. */
    at: v.number(),
    /** It looks for work at this time or later, in ms since 1970: until then nobody need wake it. */
    awakeUntil: v.number(),
    /** The epoch that begins with clearing all that is derived; until that is done nothing is followed. */
    clearing: v.optional(v.string()),
    /** Handle of the app's `maintain`. */
    maintain: v.optional(v.string()),
    /** What history the collection keeps, or has kept. */
    history: v.optional(vKept),
    /** Documents that changed up to here have had their automatic version. */
    versionedTo: v.optional(v.int64()),
  }).index("by_collection", ["collection"]),
};
