import { Workpool } from "@convex-dev/workpool";
import { v } from "convex/values";
import { compactionNeed } from "../shared/compaction.js";
import { encodeSnapshot, openDocument } from "../shared/document.js";
import { api, components, internal } from "./_generated/api.js";
import { internalMutation, mutation, type MutationCtx } from "./_generated/server.js";
import { splitChunks } from "./chunks.js";
import type { State } from "./states.js";

const pool = new Workpool(components.workpool, { maxParallelism: 10, logLevel: "WARN" });
const args = { collection: v.string(), document: v.string() };

/** Compacts a document now, however few its deltas. @returns how many delta rows were replaced */
export const compact = mutation({
  args,
  returns: v.number(),
  handler: (ctx, { collection, document }) => compactDocument(ctx, collection, document),
});

/** Hands documents that are due to the workpool. Scheduled by push, which must not touch the pool's shared rows. */
export const enqueue = internalMutation({
  args: { documents: v.array(v.object(args)) },
  returns: v.null(),
  handler: async (ctx, { documents }) => {
    for (const document of documents)
      await pool.enqueueMutation(ctx, internal.compact.compactIfDue, document);
    return null;
  },
});

/** A job of the pool. Several pushes may have asked for the same: all but the first find nothing to do. */
export const compactIfDue = internalMutation({
  args,
  returns: v.null(),
  handler: async (ctx, { collection, document }) => {
    await compactDocument(ctx, collection, document, { onlyIfDue: true });
    return null;
  },
});

/**
 * Replaces a document's deltas by one snapshot that stands at the ts of the newest of them, in one transaction.
 *
 * A client behind that ts meets the snapshot, which holds at least what it missed; one at or past it sees no
 * change after its cursor (I-10). The state is read on a stale snapshot, so an append that commits meanwhile is
 * no conflict: it is simply not part of this compaction. Deleting the rows by id is the only read that counts,
 * and makes two compactions of one document conflict with each other and with nothing else (I-13).
 *
 * @returns how many delta rows were replaced.
 */
export async function compactDocument(
  ctx: MutationCtx,
  collection: string,
  document: string,
  { onlyIfDue = false } = {},
): Promise<number> {
  const { states } = await ctx.runQuery(
    api.states.load,
    { documents: [{ collection, document }] },
    { useStaleSnapshot: true },
  );
  const [state] = states as State[];
  if (state === undefined || state.scope === null) return 0;
  const { deltaBytes, snapshotBytes, deltaRows } = state;
  if (onlyIfDue && compactionNeed({ deltaCount: deltaRows.length, deltaBytes, snapshotBytes }) === "none")
    return 0;
  const [firstRow] = deltaRows;
  // A stale snapshot does not show what this very transaction has compacted already.
  if (firstRow === undefined || (await ctx.db.get("deltas", firstRow)) === null) return 0;
  const doc = openDocument(state.blobs.map((blob) => new Uint8Array(blob)));
  for (const row of state.snapshotRows) await ctx.db.delete("snapshots", row);
  for (const row of state.deltaRows) await ctx.db.delete("deltas", row);
  const { scope, ts } = state;
  for (const chunk of splitChunks(encodeSnapshot(doc).buffer)) {
    await ctx.db.insert("snapshots", { collection, scope, document, ts, ...chunk });
  }
  return state.deltaRows.length;
}
