import { v } from "convex/values";
import { mutation, query } from "./_generated/server.js";
import { epochOf } from "./epochs.js";
import { vOutcome } from "./schema.js";

const vRegistration = v.object({
  /** Whose the client is; absent: it never pushed. */
  owner: v.optional(v.object({ user: v.union(v.string(), v.null()), seenAt: v.number() })),
  /** Those of the transactions that were answered for good. */
  receipts: v.array(v.object({ transaction: v.string(), outcome: vOutcome, ts: v.int64() })),
  /** In the order of `authors`: which client each is registered to. */
  authorClients: v.array(v.union(v.string(), v.null())),
  /** In the order of `collections`. */
  epochs: v.array(v.string()),
});

/**
 * What a push begins with. Each read is of one key of the pushing client's own, or of a row that hardly ever
 * changes: two clients' pushes share nothing that either writes (I-13).
 */
export const read = query({
  args: {
    client: v.string(),
    transactions: v.array(v.string()),
    authors: v.array(v.number()),
    collections: v.array(v.string()),
  },
  returns: vRegistration,
  handler: async (ctx, { client, transactions, authors, collections }) => {
    const owner = await ctx.db
      .query("clients")
      .withIndex("by_client", (q) => q.eq("client", client))
      .unique();
    const receipts = [];
    for (const transaction of transactions) {
      const receipt = await ctx.db
        .query("receipts")
        .withIndex("by_transaction", (q) => q.eq("client", client).eq("transaction", transaction))
        .unique();
      if (receipt !== null)
        receipts.push({ transaction, outcome: receipt.outcome, ts: receipt.ts as unknown as bigint });
    }
    const authorClients = [];
    for (const author of authors) {
      const row = await ctx.db
        .query("authors")
        .withIndex("by_author", (q) => q.eq("author", author))
        .unique();
      authorClients.push(row?.client ?? null);
    }
    const epochs = [];
    for (const collection of collections) epochs.push(await epochOf(ctx, collection));
    const { user, seenAt } = owner ?? {};
    return {
      ...(user === undefined || seenAt === undefined ? {} : { owner: { user, seenAt } }),
      receipts,
      authorClients,
      epochs,
    };
  },
});

/**
 * The Yjs client id under which the server's own writes to a collection are authored: one per epoch, for writes
 * to a document come one after the other, and a restored backup must not see its clocks used twice.
 */
export const serverAuthor = mutation({
  args: { collection: v.string() },
  returns: v.number(),
  handler: async (ctx, { collection }) => {
    // No client can be called so: ids in a push have no NUL.
    const client = `\0server ${await epochOf(ctx, collection)} ${collection}`;
    const row = await ctx.db
      .query("authors")
      .withIndex("by_client", (q) => q.eq("client", client))
      .first();
    if (row !== null) return row.author;
    for (;;) {
      const author = Math.floor(Math.random() * 0xffffffff) + 1;
      const taken = await ctx.db
        .query("authors")
        .withIndex("by_author", (q) => q.eq("author", author))
        .unique();
      if (taken !== null) continue;
      await ctx.db.insert("authors", { author, client });
      return author;
    }
  },
});
