// What a new epoch does to what is derived. A restored backup may hold heads, totals and a follower's cursor that
// disagree with the deltas and snapshots beside them: tables can be restored one by one, and scheduled functions and
// jobs are in no backup. So nothing derived is believed: all of it is cleared, some at a time, and then the follower
// begins at the start of the stream and measures every document anew.
//
//   newEpoch ──▶ clears heads ──▶ clears totals ──▶ the follower begins anew
//
// While it is being cleared (`followers.clearing`) the follower takes nothing in: what it counted would be cleared in
// part. Each step reads that row, and so does the follower where it takes a batch in, so that neither misses the other.
// A second new epoch in the middle puts its own name there: the steps of the first end.
import { v } from "convex/values";
import { limits } from "../shared/limits.js";
import { startCursor } from "../shared/wire.js";
import { components, internal } from "./_generated/api.js";
import type { Doc } from "./_generated/dataModel.js";
import { internalMutation, type MutationCtx } from "./_generated/server.js";
import { findFollower, noteFollower, rouse } from "./follower.js";
import { log } from "./log.js";
import { clearCounts, clearScopes } from "./totals.js";

const args = { collection: v.string(), epoch: v.string() };

/** Begins to clear what is derived of a collection, in the transaction that gives it a new epoch. */
export const begin = internalMutation({
  args,
  returns: v.null(),
  handler: async (ctx, { collection, epoch }) => {
    const follower = await findFollower(ctx, collection);
    await noteFollower(ctx, collection, follower, { clearing: epoch, at: Date.now() });
    await ctx.scheduler.runAfter(0, internal.resync.clearHeads, { collection, epoch, from: "" });
    log("WARN", "resyncBegun", { collection, epoch });
    return null;
  },
});

/** Clears the heads, some at a time, in the order of their documents. */
export const clearHeads = internalMutation({
  args: { ...args, from: v.string() },
  returns: v.null(),
  handler: async (ctx, { collection, epoch, from }) => {
    if ((await findClearing(ctx, collection, epoch)) === null) return null;
    const heads = await ctx.db
      .query("heads")
      .withIndex("by_document", (q) => q.eq("collection", collection).gte("document", from))
      .take(limits.clearedHeads);
    for (const { _id } of heads) await ctx.db.delete("heads", _id);
    const last = heads.at(-1);
    if (last === undefined)
      await ctx.scheduler.runAfter(0, internal.resync.clearTotals, { collection, epoch, cursor: null });
    else
      await ctx.scheduler.runAfter(0, internal.resync.clearHeads, { collection, epoch, from: last.document });
    return null;
  },
});

/** Clears the totals, those of some scopes at a time; at the end the follower begins anew. */
export const clearTotals = internalMutation({
  args: { ...args, cursor: v.union(v.string(), v.null()) },
  returns: v.null(),
  handler: async (ctx, { collection, epoch, cursor }) => {
    const follower = await findClearing(ctx, collection, epoch);
    if (follower === null) return null;
    if (cursor === null) await clearCounts(ctx, collection);
    const next = await clearScopes(ctx, collection, cursor);
    if (next !== null) {
      await ctx.scheduler.runAfter(0, internal.resync.clearTotals, { collection, epoch, cursor: next });
      return null;
    }
    await ctx.db.patch("followers", follower._id, {
      clearing: undefined,
      cursor: startCursor,
      epoch,
      snapshotTs: 0n,
      lagNs: 0n,
    });
    await rouse(ctx, collection);
    // Its loop may be said to be running, and be lost.
    await ctx.runMutation(components.batchWorker.lib.kick, { name: collection });
    log("INFO", "resyncCleared", { collection, epoch });
    return null;
  },
});

/** The follower, which notes that somebody is at work; null: this step is not wanted any more. */
async function findClearing(
  ctx: MutationCtx,
  collection: string,
  epoch: string,
): Promise<Doc<"followers"> | null> {
  const follower = await findFollower(ctx, collection);
  if (follower?.clearing !== epoch) return null;
  await ctx.db.patch("followers", follower._id, { at: Date.now() });
  return follower;
}
