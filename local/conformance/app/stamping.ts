import {
  anyApi,
  componentsGeneric,
  internalMutationGeneric as internalMutation,
  mutationGeneric as mutation,
  queryGeneric as query,
  type GenericDocument,
} from "convex/server";
import { CommitTsPlaceholder, v } from "convex/values";
import { labelsOf } from "./reading.js";

const { stamping, scheduling } = anyApi;
const components = componentsGeneric();

/** Stamps a row each, and returns the stamp. */
export const stamp = mutation({
  args: { labels: v.array(v.string()) },
  returns: v.commitTs(),
  handler: async (ctx, { labels }) => {
    for (const label of labels) await ctx.db.insert("stamped", { label, ts: ctx.db.vars.commitTs });
    return ctx.db.vars.commitTs;
  },
});

export const nested = internalMutation({
  args: { label: v.string(), ts: v.commitTs() },
  returns: v.commitTs(),
  handler: async (ctx, { label, ts }) => {
    await ctx.db.insert("stamped", { label, ts });
    return ctx.db.vars.commitTs;
  },
});

/** In its own rows, those of nested mutations and those of a component within a component. */
export const stampEverywhere = mutation({
  args: {},
  handler: async (ctx) => {
    const { commitTs } = ctx.db.vars;
    await ctx.db.insert("stamped", { label: "own", ts: commitTs });
    const returned: unknown = await ctx.runMutation(stamping!["nested"]!, { label: "nested", ts: commitTs });
    await ctx.runMutation(components["counter"]!["counts"]!["enter"]!, { text: "of a component" });
    await ctx.db.insert("stamped", { label: "handed back", ts: returned });
  },
});

export const everyStamp = query({
  args: {},
  handler: async (ctx) => {
    const own = await ctx.db.query("stamped").collect();
    const entries: GenericDocument[] = await ctx.runQuery(components["counter"]!["counts"]!["entries"]!, {});
    return [...own, ...entries].map((row) => row["ts"] as unknown);
  },
});

export const inOrder = query({
  args: {},
  handler: async (ctx) => {
    const rows = await ctx.db.query("stamped").withIndex("by_ts").collect();
    return rows.map((row) => ({ label: row["label"] as string, ts: row["ts"] as bigint }));
  },
});

/** What a mutation sees of its own stamp before it is known. */
export const lookAtOwn = mutation({
  args: {},
  handler: async (ctx) => {
    const { commitTs } = ctx.db.vars;
    const id = await ctx.db.insert("stamped", { label: "own", ts: commitTs });
    await ctx.db.insert("stamped", { label: "own too", ts: commitTs });
    const byTs = ctx.db.query("stamped").withIndex("by_ts");
    const row = await ctx.db.get(id);
    return {
      order: labelsOf(await byTs.collect()),
      equal: labelsOf(
        await ctx.db
          .query("stamped")
          .withIndex("by_ts", (q) => q.eq("ts", commitTs))
          .collect(),
      ),
      known: labelsOf(
        await ctx.db
          .query("stamped")
          .withIndex("by_ts", (q) => q.lt("ts", commitTs))
          .collect(),
      ),
      isPlaceholder: row!["ts"] instanceof CommitTsPlaceholder,
      isSame: row!["ts"] === commitTs,
    };
  },
});

export const compute = mutation({
  args: {},
  handler: (ctx) => (ctx.db.vars.commitTs as unknown as number) + 1,
});

export const inDeepPlaces = mutation({
  args: {},
  handler: async (ctx) => {
    const ts = ctx.db.vars.commitTs;
    await ctx.db.insert("rows", { label: "deep", a: [ts, { ts }], inner: { x: ts } });
    return { list: [ts], plain: 1 };
  },
});

export const restamp = mutation({
  args: { label: v.string() },
  handler: async (ctx, { label }) => {
    const row = await ctx.db
      .query("stamped")
      .filter((q) => q.eq(q.field("label"), label))
      .unique();
    await ctx.db.patch(row!._id, { ts: ctx.db.vars.commitTs });
  },
});

export const schedule = mutation({
  args: {},
  handler: async (ctx) => {
    await ctx.db.insert("stamped", { label: "before", ts: ctx.db.vars.commitTs });
    await ctx.scheduler.runAfter(0, scheduling!["note"]!, { text: ctx.db.vars.commitTs });
  },
});

/** A query cannot make the placeholder: it is handed one, and hands it back. */
export const echo = query({ args: { ts: v.commitTs() }, handler: (_ctx, { ts }) => ts });

export const throughQuery = mutation({
  args: {},
  handler: (ctx): Promise<unknown> => ctx.runQuery(stamping!["echo"]!, { ts: ctx.db.vars.commitTs }),
});

export const pendingInQuery = query({
  args: {},
  handler: async (ctx) => (await ctx.db.query("stamped").collect()).map((row) => row["ts"] as unknown),
});

export const queryOwn = mutation({
  args: {},
  handler: async (ctx) => {
    await ctx.db.insert("stamped", { label: "own", ts: ctx.db.vars.commitTs });
    const found: unknown[] = await ctx.runQuery(stamping!["pendingInQuery"]!, {});
    return found[0];
  },
});

export const snapshot = query({ args: {}, handler: (ctx) => ctx.meta.getSnapshotTs() });

export const snapshots = mutation({
  args: {},
  handler: async (ctx) => {
    const first = ctx.meta.getSnapshotTs();
    await ctx.db.insert("stamped", { label: "own", ts: ctx.db.vars.commitTs });
    const nested: bigint = await ctx.runQuery(stamping!["snapshot"]!, {});
    return { first, nested, last: ctx.meta.getSnapshotTs(), ts: ctx.db.vars.commitTs };
  },
});
