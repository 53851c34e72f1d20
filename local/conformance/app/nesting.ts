import {
  anyApi,
  internalMutationGeneric as internalMutation,
  internalQueryGeneric as internalQuery,
  mutationGeneric as mutation,
  queryGeneric as query,
} from "convex/server";
import { v } from "convex/values";
import { labelsOf } from "./reading.js";

const { nesting, scheduling } = anyApi;

export const add = internalMutation({
  args: { label: v.string() },
  handler: (ctx, { label }) => ctx.db.insert("rows", { label, a: label }),
});

export const list = internalQuery({
  args: {},
  handler: async (ctx) => labelsOf(await ctx.db.query("rows").withIndex("by_a").collect()),
});

export const addThenThrow = internalMutation({
  args: { label: v.string() },
  handler: async (ctx, { label }) => {
    await ctx.db.insert("rows", { label, a: label });
    await ctx.scheduler.runAfter(0, scheduling!["note"]!, { text: `scheduled by ${label}` });
    throw new Error(`${label} is refused`);
  },
});

/** Calls itself; the innermost throws, and the outermost but one catches it. */
export const addDeeply = internalMutation({
  args: { depth: v.number() },
  handler: async (ctx, { depth }) => {
    await ctx.db.insert("rows", { label: `depth ${depth}`, a: depth });
    if (depth === 3) throw new Error("deep enough");
    await ctx.runMutation(nesting!["addDeeply"]!, { depth: depth + 1 });
  },
});

export const throwAtTheEnd = mutation({
  args: {},
  handler: async (ctx) => {
    await ctx.db.insert("rows", { label: "own" });
    await ctx.runMutation(nesting!["add"]!, { label: "nested" });
    throw new Error("thrown at the end");
  },
});

export const catchNested = mutation({
  args: {},
  handler: async (ctx) => {
    await ctx.db.insert("rows", { label: "before", a: "1" });
    const message = await ctx
      .runMutation(nesting!["addThenThrow"]!, { label: "nested" })
      .catch((error: Error) => error.message);
    const seen: string[] = await ctx.runQuery(nesting!["list"]!, {});
    await ctx.db.insert("rows", { label: "after", a: "2" });
    return { message, seen };
  },
});

export const notCatchNested = mutation({
  args: {},
  handler: async (ctx) => {
    await ctx.db.insert("rows", { label: "before", a: "1" });
    await ctx.runMutation(nesting!["addThenThrow"]!, { label: "nested" });
  },
});

export const catchDeep = mutation({
  args: {},
  handler: async (ctx) => {
    await ctx.db.insert("rows", { label: "outermost", a: 0 });
    await ctx.runMutation(nesting!["addDeeply"]!, { depth: 1 }).catch(() => null);
  },
});

export const editThenThrow = internalMutation({
  args: {},
  handler: async (ctx) => {
    for await (const row of ctx.db.query("rows")) await ctx.db.patch(row._id, { label: "edited", a: "z" });
    const gone = await ctx.db.query("rows").first();
    await ctx.db.delete(gone!._id);
    throw new Error("undo");
  },
});

/** A rollback gives back what the caller had written, not what was committed. */
export const catchEdit = mutation({
  args: {},
  handler: async (ctx) => {
    for await (const row of ctx.db.query("rows")) await ctx.db.patch(row._id, { label: "pending", a: "m" });
    await ctx.runMutation(nesting!["editThenThrow"]!, {}).catch(() => null);
    return labelsOf(await ctx.db.query("rows").withIndex("by_a").collect());
  },
});

export const seeEachOther = mutation({
  args: {},
  handler: async (ctx) => {
    await ctx.db.insert("rows", { label: "own", a: "1" });
    const inQuery: string[] = await ctx.runQuery(nesting!["list"]!, {});
    await ctx.runMutation(nesting!["add"]!, { label: "2 nested" });
    const own = labelsOf(await ctx.db.query("rows").withIndex("by_a").collect());
    return { inQuery, own };
  },
});

export const staleList = mutation({
  args: {},
  handler: async (ctx) => {
    await ctx.db.insert("rows", { label: "pending", a: "2" });
    const stale: string[] = await ctx.runQuery(nesting!["list"]!, {}, { useStaleSnapshot: true });
    const fresh: string[] = await ctx.runQuery(nesting!["list"]!, {});
    return { stale, fresh };
  },
});

export const staleFromQuery = query({
  args: {},
  handler: (ctx) => ctx.runQuery(nesting!["list"]!, {}, { useStaleSnapshot: true } as never),
});

export const addInParallel = mutation({
  args: {},
  handler: async (ctx) => {
    await Promise.all(["1", "2", "3"].map((label) => ctx.runMutation(nesting!["add"]!, { label })));
    return labelsOf(await ctx.db.query("rows").withIndex("by_a").collect());
  },
});

export const someInParallel = mutation({
  args: {},
  handler: async (ctx) => {
    const calls = [
      ctx.runMutation(nesting!["add"]!, { label: "1" }),
      ctx.runMutation(nesting!["addThenThrow"]!, { label: "2" }),
      ctx.runMutation(nesting!["add"]!, { label: "3" }),
    ];
    return (await Promise.allSettled(calls)).map(({ status }) => status);
  },
});

export const queryCallsQuery = query({
  args: {},
  handler: async (ctx): Promise<string[]> => ctx.runQuery(nesting!["list"]!, {}),
});
