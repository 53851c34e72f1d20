// What is done every hour in case nobody else did it: nothing here is needed while everything works. Each step is
// bounded, and schedules the next.
import { v } from "convex/values";
import { limits } from "../shared/limits.js";
import { components, internal } from "./_generated/api.js";
import { internalMutation, internalQuery } from "./_generated/server.js";
import { epochOf } from "./epochs.js";
import { firstChange } from "./changes.js";
import { cursorOf, findFollower, rouse } from "./follower.js";
import { toMs } from "./heads.js";
import { log } from "./log.js";
import { checkSettings } from "./settings.js";

export const sweep = internalMutation({
  args: {},
  returns: v.null(),
  handler: async (ctx) => {
    checkSettings();
    await ctx.scheduler.runAfter(0, internal.sweep.followers, { after: "" });
    await ctx.scheduler.runAfter(0, internal.sweep.compactions, {});
    await ctx.scheduler.runAfter(0, internal.restores.sweep, {});
    await ctx.scheduler.runAfter(0, internal.leaves.prune, {});
    return null;
  },
});

/** Looks after the followers, those of some collections at a time: a transaction of its own for each. */
export const followers = internalMutation({
  args: { after: v.string() },
  returns: v.null(),
  handler: async (ctx, { after }) => {
    const page: string[] = await ctx.runQuery(
      internal.sweep.nextFollowers,
      { after },
      { useStaleSnapshot: true },
    );
    for (const collection of page) await ctx.scheduler.runAfter(0, internal.sweep.revive, { collection });
    const last = page.at(-1);
    if (last !== undefined && page.length === limits.sweptFollowers)
      await ctx.scheduler.runAfter(0, internal.sweep.followers, { after: last });
    return null;
  },
});

export const nextFollowers = internalQuery({
  args: { after: v.string() },
  returns: v.array(v.string()),
  handler: async (ctx, { after }) => {
    const page = await ctx.db
      .query("followers")
      .withIndex("by_collection", (q) => q.gt("collection", after))
      .take(limits.sweptFollowers);
    return page.map(({ collection }) => collection);
  },
});

/**
 * Starts a follower that has let work lie for minutes, whatever it is said to be doing: its loop may be lost, for
 * scheduled functions are not in a backup that is restored.
 */
export const revive = internalMutation({
  args: { collection: v.string() },
  returns: v.boolean(),
  handler: async (ctx, { collection }) => {
    const isLate: boolean = await ctx.runQuery(
      internal.sweep.isLate,
      { collection, now: Date.now() },
      { useStaleSnapshot: true },
    );
    if (!isLate) return false;
    log("WARN", "followerRevived", { collection });
    const clearing = (await findFollower(ctx, collection))?.clearing;
    if (clearing !== undefined) {
      await ctx.runMutation(internal.resync.begin, { collection, epoch: clearing });
      return true;
    }
    await rouse(ctx, collection);
    await ctx.runMutation(components.batchWorker.lib.kick, { name: collection });
    return true;
  },
});

/** Whether something has waited for a follower so long that it cannot be at work. */
export const isLate = internalQuery({
  args: { collection: v.string(), now: v.number() },
  returns: v.boolean(),
  handler: async (ctx, { collection, now }) => {
    const before = now - limits.followerStalledMs;
    const follower = await findFollower(ctx, collection);
    if (follower === null || follower.at > before) return false;
    if (follower.clearing !== undefined) return true;
    const change = await firstChange(
      ctx,
      collection,
      cursorOf(follower, await epochOf(ctx, collection)),
      BigInt(before) * 1_000_000n,
    );
    if (change !== null && toMs(change.ts) < before) return true;
    const due = await ctx.db
      .query("heads")
      .withIndex("by_due", (q) => q.eq("collection", collection).gt("due", 0).lt("due", before))
      .first();
    return due !== null;
  },
});

/** Compactions whose job never ended are free to be asked for again. */
export const compactions = internalMutation({
  args: {},
  returns: v.null(),
  handler: async (ctx) => {
    const now = Date.now();
    const lost = await ctx.db
      .query("heads")
      .withIndex("by_compacting", (q) => q.gt("compacting", 0).lt("compacting", now - limits.compactLostMs))
      .take(limits.sweptCompactions);
    for (const { _id } of lost) await ctx.db.patch("heads", _id, { compacting: undefined, due: now });
    if (lost.length > 0) log("WARN", "compactionsLost", { documents: lost.length });
    for (const collection of new Set(lost.map((head) => head.collection)))
      await ctx.scheduler.runAfter(0, internal.follower.wake, { collection });
    if (lost.length === limits.sweptCompactions)
      await ctx.scheduler.runAfter(0, internal.sweep.compactions, {});
    return null;
  },
});
