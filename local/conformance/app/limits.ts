import {
  anyApi,
  internalMutationGeneric as internalMutation,
  internalQueryGeneric as internalQuery,
  mutationGeneric as mutation,
  queryGeneric as query,
  type TransactionLimits,
} from "convex/server";
import { v, type Value } from "convex/values";

const { limits, scheduling } = anyApi;

export const insertMany = mutation({
  args: { count: v.number(), bytes: v.optional(v.number()) },
  handler: async (ctx, { count, bytes = 0 }) => {
    const b = "x".repeat(bytes);
    for (let a = 0; a < count; a += 1) await ctx.db.insert("rows", { a, b });
  },
});

export const insertArray = mutation({
  args: { length: v.number() },
  handler: async (ctx, { length }) => {
    await ctx.db.insert("rows", { a: Array.from({ length }, () => 0) });
  },
});

export const insertFields = mutation({
  args: { count: v.number() },
  handler: async (ctx, { count }) => {
    const a = Object.fromEntries(Array.from({ length: count }, (_, at) => [`f${at}`, at]));
    await ctx.db.insert("rows", { a });
  },
});

export const insertNested = mutation({
  args: { depth: v.number() },
  handler: async (ctx, { depth }) => {
    let a: Value = 1;
    for (let at = 0; at < depth; at += 1) a = [a];
    await ctx.db.insert("rows", { a });
  },
});

export const insertField = mutation({
  args: { name: v.string() },
  handler: async (ctx, { name }) => {
    await ctx.db.insert("unlisted", { [name]: 1 });
  },
});

export const insertLoneSurrogate = mutation({
  args: {},
  handler: async (ctx) => {
    await ctx.db.insert("rows", { label: "\ud800" });
  },
});

export const readAll = query({
  args: {},
  handler: async (ctx) => (await ctx.db.query("rows").collect()).length,
});

export const isEmpty = query({
  args: { table: v.string() },
  handler: async (ctx, { table }) => (await ctx.db.query(table).first()) === null,
});

/** A filter does not spare the reading. */
export const readFiltered = query({
  args: {},
  handler: async (ctx) => {
    const rows = await ctx.db
      .query("rows")
      .filter((q) => q.eq(q.field("a"), -1))
      .collect();
    return rows.length;
  },
});

export const queryMany = query({
  args: { count: v.number() },
  handler: async (ctx, { count }) => {
    for (let at = 0; at < count; at += 1)
      await ctx.db
        .query("rows")
        .withIndex("by_a", (q) => q.eq("a", at))
        .first();
  },
});

export const scheduleMany = mutation({
  args: { count: v.number(), bytes: v.optional(v.number()) },
  handler: async (ctx, { count, bytes = 0 }) => {
    await ctx.db.insert("journal", { text: "scheduler" });
    const text = "x".repeat(bytes);
    for (let at = 0; at < count; at += 1)
      await ctx.scheduler.runAfter(3_600_000, scheduling!["note"]!, { text });
  },
});

export const returnBytes = mutation({
  args: { bytes: v.number() },
  handler: async (ctx, { bytes }) => {
    await ctx.db.insert("rows", { label: "written" });
    return new ArrayBuffer(bytes);
  },
});

export const sizeOf = query({
  args: { value: v.bytes() },
  handler: (_ctx, { value }) => value.byteLength,
});

export const addSome = internalMutation({
  args: { count: v.number() },
  handler: async (ctx, { count }) => {
    for (let at = 0; at < count; at += 1) await ctx.db.insert("rows", { label: "nested" });
  },
});

export const readSome = internalQuery({
  args: { count: v.number() },
  handler: async (ctx, { count }) => (await ctx.db.query("rows").take(count)).length,
});

/** Each within the limits; together not. */
export const addSomeTwice = mutation({
  args: { count: v.number() },
  handler: async (ctx, { count }) => {
    await ctx.runMutation(limits!["addSome"]!, { count });
    await ctx.runMutation(limits!["addSome"]!, { count });
  },
});

export const limited = mutation({
  args: {
    kind: v.union(v.literal("addSome"), v.literal("readSome")),
    counts: v.array(v.number()),
    limits: v.any(),
  },
  handler: async (ctx, { kind, counts, limits: own }) => {
    const outcomes: string[] = [];
    await ctx.db.insert("rows", { label: "own" });
    for (const count of counts) {
      const options = { transactionLimits: own as TransactionLimits };
      const call =
        kind === "addSome"
          ? ctx.runMutation(limits!["addSome"]!, { count }, options)
          : ctx.runQuery(limits!["readSome"]!, { count }, options);
      outcomes.push(
        await call.then(
          () => "done",
          () => "refused",
        ),
      );
    }
    return outcomes;
  },
});

export const metrics = mutation({
  args: {},
  handler: async (ctx) => {
    await ctx.db.insert("rows", { label: "a" });
    await ctx.db.insert("rows", { label: "b" });
    await ctx.db.query("rows").withIndex("by_a").collect();
    await ctx.scheduler.runAfter(3_600_000, scheduling!["note"]!, { text: "later" });
    return { ...(await ctx.meta.getTransactionMetrics()) } as unknown as Value;
  },
});

export const readsOfTake = query({
  args: { n: v.number() },
  handler: async (ctx, { n }) => {
    await ctx.db.query("rows").withIndex("by_a").take(n);
    return (await ctx.meta.getTransactionMetrics()).documentsRead.used;
  },
});

export const readsOfJobs = query({
  args: {},
  handler: async (ctx) => {
    await ctx.db.system.query("_scheduled_functions").collect();
    return (await ctx.meta.getTransactionMetrics()).documentsRead.used;
  },
});
