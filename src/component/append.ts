import { v } from "convex/values";
import { limits } from "../shared/limits.js";
import { mutation, type MutationCtx } from "./_generated/server.js";
import { splitChunks } from "./chunks.js";
import { compactDocument } from "./compact.js";
import { wakeFollowers } from "./follower.js";
import { touchGuard } from "./guards.js";
import { historyOf } from "./historySettings.js";
import { vHistory } from "./historyTables.js";
import { moveDocument, vMove } from "./moves.js";
import { vOutcome } from "./schema.js";

const vDocument = v.object({ collection: v.string(), document: v.string() });
const dayMs = 24 * 60 * 60 * 1000;

/**
 * Appends deltas to their streams at this transaction's commit timestamp, with what a push or a server write keeps
 * beside them. Deltas are appended blindly: however many writers append at once, to the same document even, none
 * conflicts with another here (I-13). What is read and patched is the pushing client's own, or a guard, whose
 * whole purpose is that two writes to one document conflict.
 */
export const append = mutation({
  args: {
    deltas: v.array(
      v.object({
        collection: v.string(),
        /** Absent: of a part. */
        scope: v.optional(v.string()),
        document: v.string(),
        part: v.string(),
        bytes: v.bytes(),
        client: v.string(),
        transactions: v.array(v.string()),
        schemaVersion: v.number(),
      }),
    ),
    /** Documents that go to another scope: their state takes the place of a delta. */
    moves: v.optional(v.array(vMove)),
    /** Documents of collections that have no app table. */
    guarded: v.optional(v.array(vDocument)),
    /**
     * Documents with so many that they are compacted before this append, those with most of them first. Of more
     * than `limits.compactionsInPlace` the rest is left to the background, which sees to documents that are due.
     */
    overdue: v.optional(v.array(vDocument)),
    /** Those of the collections that keep history, if any does. */
    history: v.optional(v.array(vHistory)),
    /** Absent: a write of the server's own. */
    push: v.optional(
      v.object({
        client: v.string(),
        user: v.union(v.string(), v.null()),
        settledBelow: v.number(),
        /** When the client was last noted, in ms since 1970; null: never. */
        seenAt: v.union(v.number(), v.null()),
        /** Yjs client ids to register to the client. */
        authors: v.array(v.number()),
        /** Handle of the app's `maintain`, told by a client that is to be noted. */
        maintain: v.optional(v.string()),
        receipts: v.array(v.object({ transaction: v.string(), sequence: v.number(), outcome: vOutcome })),
      }),
    ),
  },
  returns: v.null(),
  handler: async (ctx, { deltas, moves = [], guarded = [], overdue = [], history = [], push }) => {
    const inPlace = overdue.slice(0, limits.compactionsInPlace);
    for (const { collection, document } of inPlace)
      await compactDocument(
        ctx,
        { collection, document, part: "" },
        { history: historyOf(collection, history) },
      );
    for (const delta of deltas) {
      for (const chunk of splitChunks(delta.bytes)) {
        await ctx.db.insert("deltas", { ...delta, ...chunk, ts: ctx.db.vars.commitTs });
      }
    }
    for (const move of moves) await moveDocument(ctx, move, historyOf(move.collection, history));
    for (const { collection, document } of guarded) await touchGuard(ctx, collection, document);
    const written = [...deltas, ...moves, ...inPlace].map(({ collection }) => collection);
    await wakeFollowers(ctx, new Set(written), { maintain: push?.maintain, history });
    if (push === undefined) return null;
    const { client, receipts, authors } = push;
    for (const receipt of receipts)
      await ctx.db.insert("receipts", { client, ...receipt, ts: ctx.db.vars.commitTs });
    for (const author of authors) await ctx.db.insert("authors", { author, client });
    await noteClient(ctx, push);
    return null;
  },
});

/** Once a day is enough for what retires clients and receipts, and keeps a push at one write less. */
async function noteClient(
  ctx: MutationCtx,
  {
    client,
    user,
    settledBelow,
    seenAt,
  }: { client: string; user: string | null; settledBelow: number; seenAt: number | null },
): Promise<void> {
  const now = Date.now();
  if (seenAt !== null && now - seenAt < dayMs) return;
  const row = await ctx.db
    .query("clients")
    .withIndex("by_client", (q) => q.eq("client", client))
    .unique();
  if (row === null) await ctx.db.insert("clients", { client, user, settledBelow, seenAt: now });
  else
    await ctx.db.patch("clients", row._id, {
      settledBelow: Math.max(row.settledBelow, settledBelow),
      seenAt: now,
    });
}
