import { v } from "convex/values";
import { limits } from "../shared/limits.js";
import { internal } from "./_generated/api.js";
import { internalMutation, mutation, type MutationCtx } from "./_generated/server.js";
import { rouse } from "./follower.js";
import { log } from "./log.js";
import { beginAnew } from "./restores.js";

/**
 * Has documents that could not be read or compacted looked at again now, as if they had never failed, and texts restored
 * that could not be: after the cause was mended. Those that fail again are found in health again. Those beyond a transaction follow in the background.
 *
 * @returns how many are looked at at once
 */
export const retryFailed = mutation({
  args: { collection: v.string() },
  returns: v.number(),
  handler: (ctx, { collection }) => retry(ctx, collection, Date.now()),
});

/** `before`: those that failed earlier than this. What fails again meanwhile is not tried for ever. */
export const retryMore = internalMutation({
  args: { collection: v.string(), before: v.number() },
  returns: v.null(),
  handler: async (ctx, { collection, before }) => {
    await retry(ctx, collection, before);
    return null;
  },
});

async function retry(ctx: MutationCtx, collection: string, before: number): Promise<number> {
  const heads = await ctx.db
    .query("heads")
    .withIndex("by_failure", (q) =>
      q.eq("collection", collection).gt("failure.at", 0).lte("failure.at", before),
    )
    .take(limits.retriedFailures);
  // One that is in a job is looked at when that has ended.
  for (const { _id, compacting } of heads)
    await ctx.db.patch("heads", _id, {
      failure: undefined,
      ...(compacting === undefined ? { due: Date.now() } : {}),
    });
  if (heads.length > 0) await rouse(ctx, collection);
  const restores = await ctx.db
    .query("restores")
    .withIndex("by_failure", (q) =>
      q.eq("collection", collection).gt("failure.at", 0).lte("failure.at", before),
    )
    .take(limits.retriedFailures);
  await beginAnew(ctx, restores);
  log("INFO", "failedRetried", { collection, documents: heads.length, restores: restores.length });
  if (Math.max(heads.length, restores.length) === limits.retriedFailures)
    await ctx.scheduler.runAfter(0, internal.retryFailed.retryMore, { collection, before });
  return heads.length + restores.length;
}
