import { v } from "convex/values";
import { firstEpoch } from "../shared/wire.js";
import { internal } from "./_generated/api.js";
import { mutation, type QueryCtx } from "./_generated/server.js";
import { log } from "./log.js";

/** A collection's epoch. Nothing is written until it is given a new one: no two first pushes meet in a row. */
export async function epochOf(ctx: QueryCtx, collection: string): Promise<string> {
  const row = await ctx.db
    .query("collections")
    .withIndex("by_name", (q) => q.eq("name", collection))
    .unique();
  return row?.epoch ?? firstEpoch;
}

/**
 * Begins a new epoch, the last step of restoring a backup: restored rows stand under old timestamps, so that no
 * cursor handed out before means anything any more. Clients read the collection anew; what is derived of it is cleared
 * and built anew in the background (resync.ts), for it need not agree with what was restored.
 *
 * @returns the epoch
 */
export const newEpoch = mutation({
  args: { collection: v.string() },
  returns: v.string(),
  handler: async (ctx, { collection }) => {
    const epoch = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
    const row = await ctx.db
      .query("collections")
      .withIndex("by_name", (q) => q.eq("name", collection))
      .unique();
    if (row === null) await ctx.db.insert("collections", { name: collection, epoch });
    else await ctx.db.patch("collections", row._id, { epoch });
    log("WARN", "newEpoch", { collection, epoch });
    await ctx.runMutation(internal.resync.begin, { collection, epoch });
    return epoch;
  },
});
