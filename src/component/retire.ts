// What is kept of clients does not grow for ever: receipts that nobody asks for any more, and clients that do not come
// back. Nothing here conflicts with a push but that of the very client that is retired (I-13): clients are listed on a
// stale snapshot, and rows deleted by their ids.
import { v } from "convex/values";
import { limits } from "../shared/limits.js";
import { shortId } from "../shared/logLine.js";
import { internal } from "./_generated/api.js";
import { internalMutation, internalQuery, type MutationCtx } from "./_generated/server.js";
import { log } from "./log.js";
import { keptMs } from "./settings.js";

export const retire = internalMutation({
  args: {},
  returns: v.null(),
  handler: async (ctx) => {
    await ctx.scheduler.runAfter(0, internal.retire.receipts, { after: "" });
    await ctx.scheduler.runAfter(0, internal.retire.clients, { after: 0 });
    return null;
  },
});

const vSettled = v.array(v.object({ client: v.string(), settledBelow: v.number() }));

/**
 * Deletes receipts that are older than they are kept (`limits.receiptsKeptMs`, or as set) and that their client has settled: it never asks for
 * them again. Some clients at a time, and of each the oldest receipts first.
 */
export const receipts = internalMutation({
  args: { after: v.string() },
  returns: v.null(),
  handler: async (ctx, { after }) => {
    const page: { client: string; settledBelow: number }[] = await ctx.runQuery(
      internal.retire.nextClients,
      { after },
      { useStaleSnapshot: true },
    );
    let room: number = limits.retiredReceipts;
    let done = after;
    for (const { client, settledBelow } of page) {
      room -= await retireReceipts(ctx, client, settledBelow, room);
      if (room <= 0) break;
      done = client;
    }
    if (room < limits.retiredReceipts)
      log("INFO", "receiptsRetired", { receipts: limits.retiredReceipts - room });
    if (room <= 0 || page.length === limits.retiredClients)
      await ctx.scheduler.runAfter(0, internal.retire.receipts, { after: done });
    return null;
  },
});

export const nextClients = internalQuery({
  args: { after: v.string() },
  returns: vSettled,
  handler: async (ctx, { after }) => {
    const page = await ctx.db
      .query("clients")
      .withIndex("by_client", (q) => q.gt("client", after))
      .take(limits.retiredClients);
    return page.map(({ client, settledBelow }) => ({ client, settledBelow }));
  },
});

/** @returns how many were deleted, at most `room` */
async function retireReceipts(
  ctx: MutationCtx,
  client: string,
  settledBelow: number,
  room: number,
): Promise<number> {
  const before = Date.now() - keptMs().receipts;
  const settled = ctx.db
    .query("receipts")
    .withIndex("by_sequence", (q) => q.eq("client", client).lt("sequence", settledBelow));
  let deleted = 0;
  for await (const { _id, _creationTime } of settled) {
    if (_creationTime >= before || deleted === room) break;
    await ctx.db.delete("receipts", _id);
    deleted += 1;
  }
  return deleted;
}

/** Finds clients that were not seen for `limits.clientsKeptMs`; each is retired in transactions of its own. */
export const clients = internalMutation({
  args: { after: v.number() },
  returns: v.null(),
  handler: async (ctx, { after }) => {
    const unseen = await ctx.db
      .query("clients")
      .withIndex("by_seenAt", (q) => q.gt("seenAt", after).lt("seenAt", Date.now() - limits.clientsKeptMs))
      .take(limits.retiredClients);
    for (const { _id } of unseen) await ctx.scheduler.runAfter(0, internal.retire.client, { id: _id });
    const last = unseen.at(-1);
    if (last !== undefined && unseen.length === limits.retiredClients)
      await ctx.scheduler.runAfter(0, internal.retire.clients, { after: last.seenAt });
    return null;
  },
});

/** Retires a client: its receipts, its authors, and itself last, so that a client that comes back is known until then. */
export const client = internalMutation({
  args: { id: v.id("clients") },
  returns: v.null(),
  handler: async (ctx, { id }) => {
    const row = await ctx.db.get("clients", id);
    if (row === null || row.seenAt >= Date.now() - limits.clientsKeptMs) return null;
    const kept = await ctx.db
      .query("receipts")
      .withIndex("by_sequence", (q) => q.eq("client", row.client))
      .take(limits.retiredReceipts);
    for (const { _id } of kept) await ctx.db.delete("receipts", _id);
    const authors = await ctx.db
      .query("authors")
      .withIndex("by_client", (q) => q.eq("client", row.client))
      .take(limits.retiredAuthors);
    for (const { _id } of authors) await ctx.db.delete("authors", _id);
    if (kept.length < limits.retiredReceipts && authors.length < limits.retiredAuthors) {
      await ctx.db.delete("clients", id);
      log("INFO", "clientRetired", { client: shortId(row.client) });
    } else await ctx.scheduler.runAfter(0, internal.retire.client, { id });
    return null;
  },
});
