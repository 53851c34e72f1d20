// The functions of a component within a component.
import { mutationGeneric as mutation, queryGeneric as query } from "convex/server";
import { v } from "convex/values";

export const enter = mutation({
  args: { text: v.string() },
  handler: async (ctx, { text }) => {
    await ctx.db.insert("entries", { text, ts: ctx.db.vars.commitTs });
  },
});

export const list = query({ args: {}, handler: (ctx) => ctx.db.query("entries").collect() });
