import { v } from "convex/values";
import { limits } from "../shared/limits.js";
import { internal } from "./_generated/api.js";
import { internalMutation } from "./_generated/server.js";
import { committedTs } from "./committedTs.js";
import { log } from "./log.js";
import { keptMs } from "./settings.js";

/**
 * Deletes leaves that are older than they are kept (`limits.leavesKeptMs`, or as set), some at a time. In the same transaction it is noted up to
 * where each scope's leaves are gone: a client that was away longer is told to begin anew, instead of keeping for ever
 * what has left.
 *
 * @returns how many were deleted
 */
export const prune = internalMutation({
  args: {},
  returns: v.number(),
  handler: async (ctx) => {
    const old = await ctx.db
      .query("leaves")
      .withIndex("by_creation_time", (q) => q.lt("_creationTime", Date.now() - keptMs().leaves))
      .take(limits.leavesPruned);
    const newest = new Map<string, { collection: string; scope: string; ts: bigint }>();
    for (const leave of old) {
      const { collection, scope } = leave;
      const [key, ts] = [JSON.stringify([collection, scope]), committedTs(leave)];
      if ((newest.get(key)?.ts ?? 0n) < ts) newest.set(key, { collection, scope, ts });
      await ctx.db.delete("leaves", leave._id);
    }
    for (const { collection, scope, ts } of newest.values()) {
      const row = await ctx.db
        .query("scopes")
        .withIndex("by_scope", (q) => q.eq("collection", collection).eq("scope", scope))
        .unique();
      if (row === null) await ctx.db.insert("scopes", { collection, scope, prunedTo: ts });
      else if (row.prunedTo < ts) await ctx.db.patch("scopes", row._id, { prunedTo: ts });
    }
    if (old.length > 0) log("INFO", "leavesPruned", { leaves: old.length, scopes: newest.size });
    if (old.length === limits.leavesPruned) await ctx.scheduler.runAfter(0, internal.leaves.prune, {});
    return old.length;
  },
});
