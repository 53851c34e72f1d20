import { actionGeneric as action, queryGeneric as query } from "convex/server";
import { v } from "convex/values";

export const search = query({
  args: { words: v.string() },
  handler: async (ctx, { words }) => {
    const found = await ctx.db
      .query("notes")
      .withSearchIndex("by_body", (q) => q.search("body", words))
      .collect();
    return found.map((note) => note["body"] as string);
  },
});

export const nearest = action({
  args: { vector: v.array(v.number()) },
  handler: async (ctx, { vector }) => {
    const found = await ctx.vectorSearch("notes", "by_meaning", { vector, limit: 1 });
    return found.map(({ _id }) => _id as string);
  },
});
