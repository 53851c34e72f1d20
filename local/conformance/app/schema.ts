import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  /** Any values: for order, ranges and filters. */
  rows: defineTable({
    label: v.optional(v.string()),
    a: v.optional(v.any()),
    b: v.optional(v.any()),
    inner: v.optional(v.any()),
  })
    .index("by_a", ["a"])
    .index("by_a_b", ["a", "b"])
    .index("by_inner_x", ["inner.x"]),
  /** A strict shape: for schema validation. */
  people: defineTable({
    name: v.string(),
    role: v.union(v.literal("admin"), v.literal("member")),
    age: v.optional(v.number()),
    boss: v.optional(v.id("people")),
    tags: v.optional(v.array(v.string())),
    scores: v.optional(v.record(v.string(), v.number())),
  }).index("by_name", ["name"]),
  /** Rows that carry the commit timestamp. */
  stamped: defineTable({ label: v.string(), ts: v.commitTs() }).index("by_ts", ["ts"]),
  /** What scheduled functions and actions say they did. */
  journal: defineTable({ text: v.string() }),
  /** Its search and vector indexes must not keep the schema from being deployed where they cannot be used. */
  notes: defineTable({ body: v.string(), meaning: v.array(v.float64()) })
    .searchIndex("by_body", { searchField: "body" })
    .vectorIndex("by_meaning", { vectorField: "meaning", dimensions: 2 }),
});
