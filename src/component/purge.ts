import { v } from "convex/values";
import { limits } from "../shared/limits.js";
import { mutation } from "./_generated/server.js";
import { wakeFollowers } from "./follower.js";

/**
 * Removes a document for good: every row that holds anything of it, in one transaction. A leave in its scope tells
 * those who hold it to drop it; it says the document's id, and goes with the other leaves after a month. Receipts stay:
 * they hold ids of transactions, and no content.
 *
 * @returns whether there was anything
 */
export const purge = mutation({
  args: { collection: v.string(), document: v.string() },
  returns: v.boolean(),
  handler: async (ctx, { collection, document }) => {
    const snapshots = await ctx.db
      .query("snapshots")
      .withIndex("by_document", (q) => q.eq("collection", collection).eq("document", document))
      .take(limits.stateChunks);
    for (const { _id } of snapshots) await ctx.db.delete("snapshots", _id);
    const deltas = await ctx.db
      .query("deltas")
      .withIndex("by_document", (q) => q.eq("collection", collection).eq("document", document))
      .take(limits.stateDeltas + limits.ownDeltas);
    for (const { _id } of deltas) await ctx.db.delete("deltas", _id);
    const guard = await ctx.db
      .query("guards")
      .withIndex("by_document", (q) => q.eq("collection", collection).eq("document", document))
      .unique();
    if (guard !== null) await ctx.db.delete("guards", guard._id);
    const newest = deltas.at(-1) ?? snapshots.at(-1);
    if (newest === undefined) return false;
    const { scope } = newest;
    await ctx.db.insert("leaves", { collection, scope, document, ts: ctx.db.vars.commitTs });
    await wakeFollowers(ctx, new Set([collection]));
    return true;
  },
});
