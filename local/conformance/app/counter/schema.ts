import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  /** The app has a table of the same name. */
  rows: defineTable({ label: v.string(), a: v.optional(v.string()) }).index("by_a", ["a"]),
});
