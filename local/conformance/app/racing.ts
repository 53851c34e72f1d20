// Functions whose outcome tells whether those that run at the same time are kept apart.
import {
  anyApi,
  actionGeneric as action,
  mutationGeneric as mutation,
  queryGeneric as query,
} from "convex/server";
import { v } from "convex/values";

const { racing } = anyApi;

/** Two rows that are only ever written together. */
export const setUp = mutation({
  args: {},
  handler: async (ctx) => {
    for (const label of ["left", "right"]) await ctx.db.insert("rows", { label, a: label, b: 0 });
  },
});

export const bumpBoth = mutation({
  args: {},
  handler: async (ctx) => {
    for (const row of await ctx.db.query("rows").collect()) {
      await ctx.db.patch(row._id, { b: (row["b"] as number) + 1 });
      await ctx.db.get(row._id);
    }
  },
});

/** The two rows, with much to wait for in between. */
export const lookAtBoth = query({
  args: {},
  handler: async (ctx) => {
    const of = (label: string) =>
      ctx.db
        .query("rows")
        .withIndex("by_a", (q) => q.eq("a", label))
        .unique();
    const left = await of("left");
    for (let at = 0; at < 20; at += 1) await of(`nothing ${at}`);
    const right = await of("right");
    return [left!["b"], right!["b"]] as number[];
  },
});

/** Inserts what is not there yet. */
export const insertOnce = mutation({
  args: { a: v.string() },
  handler: async (ctx, { a }) => {
    const found = await ctx.db
      .query("rows")
      .withIndex("by_a", (q) => q.eq("a", a))
      .first();
    if (found !== null) return false;
    await ctx.db.get((await ctx.db.insert("rows", { label: a, a }))!);
    return true;
  },
});

/** Each leaves, unless it would be the last: no two may both believe that the other stays. */
export const leave = mutation({
  args: { label: v.string() },
  handler: async (ctx, { label }) => {
    const rows = await ctx.db.query("rows").collect();
    const present = rows.filter((row) => row["b"] === 0);
    if (present.length < 2) return false;
    await ctx.db.patch(rows.find((row) => row["label"] === label)!._id, { b: 1 });
    return true;
  },
});

export const bumpInAction = action({
  args: { times: v.number() },
  handler: async (ctx, { times }) => {
    await Promise.all(Array.from({ length: times }, () => ctx.runMutation(racing!["bumpBoth"]!, {})));
  },
});
