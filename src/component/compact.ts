import { vOnCompleteArgs, Workpool } from "@convex-dev/workpool";
import { v } from "convex/values";
import { compactionNeed } from "../shared/compaction.js";
import { encodeSnapshot, openDocument } from "../shared/document.js";
import { limits } from "../shared/limits.js";
import { openPart, piecesOf } from "../shared/partDocument.js";
import { api, components, internal } from "./_generated/api.js";
import { internalMutation, mutation, type MutationCtx } from "./_generated/server.js";
import { archiveDeltas } from "./archives.js";
import { splitChunks } from "./chunks.js";
import { rouse } from "./follower.js";
import { findHead } from "./heads.js";
import { log } from "./log.js";
import type { Kept } from "./historySettings.js";
import type { State, StateKey } from "./states.js";

export const compactionPool = new Workpool(components.workpool, { maxParallelism: 10, logLevel: "WARN" });
const vPlace = v.object({ collection: v.string(), document: v.string(), part: v.string() });

/** Compacts a document or part now, however few its deltas. @returns how many delta rows were replaced */
export const compact = mutation({
  args: { collection: v.string(), document: v.string(), part: v.optional(v.string()) },
  returns: v.number(),
  handler: (ctx, { part = "", ...place }) => compactDocument(ctx, { ...place, part }),
});

/** Hands documents and parts that are due to the workpool. Scheduled by the follower, which leaves the pool's shared rows alone. */
export const enqueue = internalMutation({
  args: { documents: v.array(vPlace) },
  returns: v.null(),
  handler: async (ctx, { documents }) => {
    for (const document of documents)
      await compactionPool.enqueueMutation(ctx, internal.compact.compactIfDue, document, {
        onComplete: internal.compact.finish,
        context: document,
      });
    return null;
  },
});

/** A job of the pool. It may have been compacted in place meanwhile: it does nothing then. */
export const compactIfDue = internalMutation({
  args: vPlace.fields,
  returns: v.null(),
  handler: async (ctx, place) => {
    await compactDocument(ctx, place, { onlyIfDue: true });
    return null;
  },
});

/**
 * The end of a job, whatever became of it: the document may be handed over again. The follower looks at it at once,
 * and decides by what is stored then, and by how often it has failed. A failure is kept with the document (I-15).
 */
export const finish = internalMutation({
  args: vOnCompleteArgs(vPlace),
  returns: v.null(),
  handler: async (ctx, { context: { collection, document, part }, result }) => {
    const head = await findHead(ctx, collection, document, part);
    if (head === null) return null;
    const { compacting: _ended, failure, ...rest } = head;
    const attempts = (failure?.attempts ?? 0) + 1;
    const now = Date.now();
    await ctx.db.replace("heads", head._id, {
      ...rest,
      due: now,
      ...(result.kind === "failed"
        ? { failure: { at: now, message: result.error.slice(0, limits.messageLength), attempts } }
        : {}),
    });
    // Why is told by health: an error's words may quote what is stored.
    if (result.kind === "failed") log("ERROR", "compactionFailed", { collection, document, part, attempts });
    await rouse(ctx, collection);
    return null;
  },
});

/**
 * Replaces the deltas of a document or part by one snapshot that stands at the ts of the newest of them, in one transaction.
 *
 * A client behind that ts meets the snapshot, which holds at least what it missed; one at or past it sees no
 * change after its cursor (I-10). The state is read on a stale snapshot, so an append that commits meanwhile is
 * no conflict: it is simply not part of this compaction. Nor are deltas beyond what one transaction may read: the
 * snapshot stands before them then, and they are compacted next. Deleting the rows by id is the only read that counts,
 * and makes two compactions of one document conflict with each other and with nothing else (I-13).
 *
 * Where history is kept, the deltas are archived in the same transaction.
 *
 * @param history - as the calling write was told; absent: as is stored
 * @returns how many delta rows were replaced.
 */
export async function compactDocument(
  ctx: MutationCtx,
  place: StateKey,
  { onlyIfDue = false, history }: { onlyIfDue?: boolean; history?: Kept | null | undefined } = {},
): Promise<number> {
  const { states } = await ctx.runQuery(api.states.load, { documents: [place] }, { useStaleSnapshot: true });
  const [state] = states as State[];
  if (state === undefined) return 0;
  const { deltaBytes, snapshotBytes, deltaRows, isCut } = state;
  const size = { deltaCount: deltaRows.length, deltaBytes, snapshotBytes, isCut };
  if (onlyIfDue && compactionNeed(size) === "none") return 0;
  const [firstRow] = deltaRows;
  // A stale snapshot does not show what this very transaction has compacted already.
  if (firstRow === undefined || (await ctx.db.get("deltas", firstRow)) === null) return 0;
  const blobs = state.blobs.map((blob) => new Uint8Array(blob));
  const doc = place.part === "" ? openDocument(blobs) : openPart(blobs, state.pieces);
  const replaced = { snapshots: state.snapshotRows, deltas: state.deltaRows };
  await archiveDeltas(ctx, place, replaced, history);
  for (const row of state.snapshotRows) await ctx.db.delete("snapshots", row);
  for (const row of state.deltaRows) await ctx.db.delete("deltas", row);
  const { scope, ts } = state;
  const at = ctx.db.vars.commitTs;
  const own = place.part === "" ? {} : { pieces: piecesOf(doc) };
  const row = { ...place, ...(scope === null ? {} : { scope }), ...own, ts, at };
  for (const chunk of splitChunks(encodeSnapshot(doc).buffer)) {
    await ctx.db.insert("snapshots", { ...row, ...chunk });
  }
  log("INFO", "compacted", { ...place, deltas: state.deltaRows.length, deltaBytes });
  return state.deltaRows.length;
}
