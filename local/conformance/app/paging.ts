import { mutationGeneric as mutation, paginationOptsValidator, queryGeneric as query } from "convex/server";
import { ask, asked, type Asked } from "./reading.js";

export const page = query({
  args: { what: asked, paginationOpts: paginationOptsValidator },
  handler: (ctx, { what, paginationOpts }) => ask(ctx.db, what as Asked).paginate(paginationOpts),
});

export const twice = query({
  args: {},
  handler: async (ctx) => {
    const opts = { cursor: null, numItems: 1 };
    await ctx.db.query("rows").paginate(opts);
    await ctx.db.query("rows").order("desc").paginate(opts);
  },
});

export const inMutation = mutation({
  args: {},
  handler: async (ctx) => {
    await ctx.db.insert("rows", { label: "own" });
    const { page } = await ctx.db.query("rows").paginate({ cursor: null, numItems: 5 });
    return page.map((row) => row["label"] as string);
  },
});
