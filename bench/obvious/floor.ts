import { v } from "convex/values";
import { internalMutation } from "./builders.js";

/** What any compaction has to do: it reads the rows, deletes them and writes one, and looks at nothing in them. */
export const compact = internalMutation({
  args: { collection: v.string(), document: v.string() },
  returns: v.number(),
  handler: async (ctx, { collection, document }) => {
    const snapshot = await ctx.db
      .query("snapshots")
      .withIndex("by_document", (q) => q.eq("collection", collection).eq("document", document))
      .unique();
    const deltas = await ctx.db
      .query("deltas")
      .withIndex("by_document", (q) => q.eq("collection", collection).eq("document", document))
      .collect();
    for (const delta of deltas) await ctx.db.delete("deltas", delta._id);
    if (snapshot !== null) await ctx.db.delete("snapshots", snapshot._id);
    const { scope, seq, bytes } = deltas.at(-1)!;
    await ctx.db.insert("snapshots", { collection, scope, document, seq, bytes });
    return deltas.length;
  },
});

/** As if so many documents had been pushed. */
export const noteCounted = internalMutation({
  args: { collection: v.string(), seq: v.number(), documents: v.number() },
  returns: v.null(),
  handler: async (ctx, { collection, seq, documents }) => {
    const counter = await ctx.db
      .query("counters")
      .withIndex("by_collection", (q) => q.eq("collection", collection))
      .unique();
    await ctx.db.patch("counters", counter!._id, { seq, documents });
    return null;
  },
});
