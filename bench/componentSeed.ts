// Puts rows into the component's tables at once, so that a benchmark need not make 100,000 pushes first.
import { componentsGeneric, mutationGeneric, type FunctionReference } from "convex/server";
import { v } from "convex/values";
import { mutation } from "../src/component/_generated/server.js";
import { idOf } from "./design.js";

type Mutation = FunctionReference<"mutation", "internal", Record<string, unknown>, unknown>;
const seedOf = (component: string, name: string) =>
  (componentsGeneric() as unknown as Record<string, { benchSeed: Record<string, Mutation> }>)[component]!
    .benchSeed[name]!;

/** Of the app. */
export const seedFunctions = {
  insertDeltas: mutationGeneric({
    args: { deltas: v.any() },
    handler: (ctx, args) => ctx.runMutation(seedOf("replicate", "insertDeltas"), args),
  }),
  noteCounted: mutationGeneric({
    args: { collection: v.string(), scope: v.string(), count: v.number() },
    handler: (ctx, args) => ctx.runMutation(seedOf("replicate", "noteCounted"), args),
  }),
};

const replicateSeed = {
  insertDeltas: mutation({
    args: { deltas: v.any() },
    returns: v.null(),
    handler: async (ctx, { deltas }) => {
      for (const delta of deltas) await ctx.db.insert("deltas", { ...delta, ts: ctx.db.vars.commitTs });
      return null;
    },
  }),
  /** The follower has come to the end, and has nothing to do for a day. */
  noteCounted: mutation({
    args: { collection: v.string(), scope: v.string(), count: v.number() },
    returns: v.null(),
    handler: async (ctx, { collection, scope, count }) => {
      const now = Date.now();
      const last = await ctx.db
        .query("deltas")
        .withIndex("by_collection", (q) => q.eq("collection", collection))
        .order("desc")
        .first();
      const follower = await ctx.db
        .query("followers")
        .withIndex("by_collection", (q) => q.eq("collection", collection))
        .unique();
      await ctx.db.patch("followers", follower!._id, {
        cursor: { ts: last?.ts as bigint, document: last!.document },
        awakeUntil: now + 24 * 60 * 60_000,
      });
      await ctx.runMutation(seedOf("aggregate", "load"), { namespace: [collection, scope], count });
      return null;
    },
  }),
};

/** Of nodes that hold 16 items at most, so that some fit in still. */
const fan = 13;

const aggregateSeed = {
  /** A tree as the aggregate would have built it, of documents of 100 bytes. */
  load: mutationGeneric({
    args: { namespace: v.any(), count: v.number() },
    returns: v.null(),
    handler: async (ctx, { namespace, count }) => {
      const item = (n: number) => ({ k: [idOf(n), idOf(n), ""], v: idOf(n), s: 100 });
      const build = async (from: number, to: number, height: number): Promise<string> => {
        const own: ReturnType<typeof item>[] = [];
        const subtrees: string[] = [];
        if (height === 0) for (let n = from; n < to; n++) own.push(item(n));
        else {
          const parts = Math.max(2, Math.ceil((to - from + 1) / fan ** height));
          let at = from;
          for (let part = 0; part < parts; part++) {
            const end = from + Math.round(((to - from + 1) * (part + 1)) / parts) - 1;
            subtrees.push(await build(at, end, height - 1));
            if (part < parts - 1) own.push(item(end));
            at = end + 1;
          }
        }
        const aggregate = { count: to - from, sum: (to - from) * 100 };
        return ctx.db.insert("btreeNode", { items: own, subtrees, aggregate });
      };
      const height = Math.ceil(Math.log(count + 1) / Math.log(fan)) - 1;
      const root = await build(0, count, Math.max(0, height));
      const before = await ctx.db
        .query("btree")
        .withIndex("by_namespace", (q) => q.eq("namespace" as never, namespace as never))
        .unique();
      if (before !== null) await ctx.db.delete(before._id);
      await ctx.db.insert("btree", { root, namespace, maxNodeSize: 16 });
      return null;
    },
  }),
};

/** By where the components are mounted. */
export const seedModules = {
  replicate: { benchSeed: replicateSeed },
  "replicate/aggregate": { benchSeed: aggregateSeed },
};
