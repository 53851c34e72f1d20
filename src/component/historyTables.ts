// History: what compaction would throw away, and states that were saved. No push reads or writes any of it, but one
// that compacts a document in place, or moves it. Parts: `""` is the main document.
import { defineTable } from "convex/server";
import { v } from "convex/values";
import { vVersionKind } from "../shared/historyWire.js";

const keptFields = { keepDays: v.number(), automatic: v.optional(v.literal("daily")) };

/** As the app tells it. A collection that is not named keeps none. */
export const vHistory = v.object({ collection: v.string(), ...keptFields });

/** As it is stored. `endedAt`: nothing is added since, in ms since 1970; what there is grows old and goes. */
export const vKept = v.object({ ...keptFields, endedAt: v.optional(v.number()) });

/** A text that is to be brought back to what it was, after the restore of its document. */
export const vRestore = v.object({
  collection: v.string(),
  document: v.string(),
  field: v.string(),
  /** The life of the document that it is restored in. */
  incarnation: v.number(),
  kind: v.union(v.literal("text"), v.literal("richText")),
  schemaVersion: v.number(),
  /** What to: a version, or a position. */
  target: v.union(v.object({ version: v.id("versions") }), v.object({ ts: v.int64() })),
  /** The version that holds what it was until then; null: the document was deleted. */
  replaced: v.union(v.id("versions"), v.null()),
  /** The Yjs client id that the change is made under. */
  author: v.number(),
});

export const historyTables = {
  // What was compacted away, one entry a compaction: a chain from the oldest time that can be rebuilt to the live
  // snapshot (archives.ts says how). Their bytes stand apart, so that the chain can be followed without them. Written
  // by compaction and by the move to another scope; folded once it is too old; deleted by folding and by purge. Read by
  // the same, and by point-in-time.
  archives: defineTable({
    collection: v.string(),
    document: v.string(),
    part: v.string(),
    /** `base`: the whole state at `toTs`. `deltas`: all changes after `fromTs`, up to `toTs`. */
    kind: v.union(v.literal("base"), v.literal("deltas")),
    /** 0: there was nothing before. That of a base is its own `toTs`. */
    fromTs: v.int64(),
    toTs: v.commitTs(),
    /** What came at `toTs` itself is not in it: a move to another scope, whose state comes next. */
    isOpen: v.optional(v.boolean()),
    count: v.number(),
    bytes: v.number(),
    /** What has to be applied from the last base on, this entry included. */
    sinceBase: v.object({ deltas: v.number(), bytes: v.number() }),
  })
    .index("by_document", ["collection", "document", "part", "toTs"])
    .index("by_kind", ["collection", "document", "part", "kind", "toTs"])
    .index("by_age", ["collection", "kind", "toTs", "document"]),

  // The bytes of an archive, as those of all long things: written, read and deleted with it.
  archiveChunks: defineTable({ archive: v.id("archives"), index: v.number(), bytes: v.bytes() }).index(
    "by_archive",
    ["archive", "index"],
  ),

  // A state that was kept, of a document with its parts. `named`: by a user; `automatic`: by the daily cron;
  // `restore`: what a restore replaced. Written by these. Deleted by purge, by an operator, and, but for named ones,
  // when they are too old. Read by the list, by previews and by restoring.
  versions: defineTable({
    collection: v.string(),
    document: v.string(),
    kind: vVersionKind,
    label: v.optional(v.string()),
    author: v.union(v.string(), v.null()),
    /** When it was saved, in ms since 1970. */
    at: v.number(),
    /** The position of the newest change in it. */
    ts: v.int64(),
    parts: v.array(v.string()),
    bytes: v.number(),
  })
    // Listed in the order of time, whatever their kinds.
    // eslint-disable-next-line @convex-dev/no-duplicate-indexes
    .index("by_document", ["collection", "document"])
    .index("by_kind", ["collection", "document", "kind"])
    .index("by_age", ["collection", "kind", "at"]),

  versionChunks: defineTable({
    version: v.id("versions"),
    part: v.string(),
    index: v.number(),
    bytes: v.bytes(),
  }).index("by_version", ["version", "part", "index"]),

  // Large texts on their way back (restores.ts). Written by the transaction that restores their document; deleted by the
  // one that appends the change, and by purge. Read by the job, by the hourly sweep, and, of those that failed, by health.
  restores: defineTable({
    ...vRestore.fields,
    /** When it was asked for, or handed to the workpool again, in ms since 1970. */
    at: v.number(),
    failure: v.optional(v.object({ at: v.number(), message: v.string() })),
  })
    .index("by_document", ["collection", "document"])
    .index("by_failure", ["collection", "failure.at"])
    .index("by_age", ["at"]),
};
