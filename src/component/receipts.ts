import { ConvexError, v } from "convex/values";
import { limits } from "../shared/limits.js";
import { vStatusResult, type TransactionStatus } from "../shared/wire.js";
import { query } from "./_generated/server.js";

/**
 * What became of a client's transactions. `user` must be the client's owner: "unknown" would have its device make
 * them again.
 */
export const status = query({
  args: { client: v.string(), user: v.union(v.string(), v.null()), transactions: v.array(v.string()) },
  returns: vStatusResult,
  handler: async (ctx, { client, user, transactions }) => {
    if (transactions.length > limits.statusTransactions)
      throw new ConvexError({
        code: "too_large" as const,
        message: `status takes ${limits.statusTransactions} transactions at most, got ${transactions.length}.`,
      });
    const owner = await ctx.db
      .query("clients")
      .withIndex("by_client", (q) => q.eq("client", client))
      .unique();
    if (owner !== null && owner.user !== user)
      throw new ConvexError({
        code: "denied" as const,
        message: "These transactions are another user's. Ask as the user who made them.",
      });
    const statuses: TransactionStatus[] = [];
    for (const id of transactions) {
      const receipt = await ctx.db
        .query("receipts")
        .withIndex("by_transaction", (q) => q.eq("client", client).eq("transaction", id))
        .unique();
      statuses.push(receipt === null ? { id, status: "unknown" } : { id, ...receipt.outcome });
    }
    return statuses;
  },
});
