import { v } from "convex/values";
import { mutation } from "./_generated/server.js";
import { splitChunks } from "./chunks.js";

/**
 * Appends deltas to their streams at this transaction's commit timestamp. It reads nothing: however many
 * writers append at once, to the same document even, none conflicts with another (I-13).
 */
export const append = mutation({
  args: {
    deltas: v.array(
      v.object({
        collection: v.string(),
        scope: v.string(),
        document: v.string(),
        bytes: v.bytes(),
        client: v.string(),
        transactions: v.array(v.string()),
        schemaVersion: v.number(),
      }),
    ),
  },
  returns: v.null(),
  handler: async (ctx, { deltas }) => {
    for (const delta of deltas) {
      for (const chunk of splitChunks(delta.bytes)) {
        await ctx.db.insert("deltas", { ...delta, ...chunk, ts: ctx.db.vars.commitTs });
      }
    }
    return null;
  },
});
