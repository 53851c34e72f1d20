// Archives grow old. Every day what is older than the collection keeps is folded: the deltas become part of the one base
// that the rest of the chain stands on, or nothing is left of the chain if the live snapshot is as old. A step is bounded
// and leaves a whole chain, from which every time that is still kept can be rebuilt; it schedules the next.
import { v } from "convex/values";
import { applyBlob, encodeSnapshot, openDocument } from "../shared/document.js";
import { limits } from "../shared/limits.js";
import { internal } from "./_generated/api.js";
import type { Doc } from "./_generated/dataModel.js";
import { internalMutation, internalQuery, type MutationCtx, type QueryCtx } from "./_generated/server.js";
import { bytesOfArchive, deleteArchive, insertBase, type PartKey } from "./archives.js";
import { committedTs } from "./committedTs.js";
import { unpackDeltas } from "./deltaPack.js";
import { cutoffMs, storedHistory, toNs } from "./historySettings.js";
import { baseAt, entriesFrom, liveSnapshot } from "./pointInTime.js";

const vExpired = v.array(v.object({ document: v.string(), part: v.string(), toTs: v.int64() }));
type Expired = { document: string; part: string; toTs: bigint };
const vPosition = v.object({ ts: v.int64(), document: v.string() });

/** Finds chains that are too old, those of some documents at a time; each is folded in transactions of its own (I-15). */
export const sweep = internalMutation({
  args: { collection: v.string(), after: v.optional(vPosition) },
  returns: v.null(),
  handler: async (ctx, { collection, after = { ts: 0n, document: "" } }) => {
    const expired: Expired[] = await ctx.runQuery(
      internal.foldArchives.expired,
      { collection, after },
      { useStaleSnapshot: true },
    );
    const chains = new Map(
      expired.map(({ document, part }) => [JSON.stringify([document, part]), { document, part }]),
    );
    for (const { document, part } of chains.values())
      await ctx.scheduler.runAfter(0, internal.foldArchives.fold, { collection, document, part });
    const last = expired.at(-1);
    if (last !== undefined && expired.length >= limits.sweptArchives) {
      const next = { ts: last.toTs, document: last.document };
      await ctx.scheduler.runAfter(0, internal.foldArchives.sweep, { collection, after: next });
    }
    return null;
  },
});

/** Archives of deltas that are too old, oldest first. Bases alone are never found: a chain has deltas behind them. */
export const expired = internalQuery({
  args: { collection: v.string(), after: vPosition },
  returns: vExpired,
  handler: async (ctx, { collection, after }) => {
    const kept = await storedHistory(ctx, collection);
    if (kept === null) return [];
    const cutoff = toNs(cutoffMs(kept));
    const rest = await ctx.db
      .query("archives")
      .withIndex("by_age", (q) =>
        q
          .eq("collection", collection)
          .eq("kind", "deltas")
          .eq("toTs", after.ts)
          .gt("document", after.document),
      )
      .take(limits.sweptArchives);
    const later = await ctx.db
      .query("archives")
      .withIndex("by_age", (q) =>
        q.eq("collection", collection).eq("kind", "deltas").gt("toTs", after.ts).lte("toTs", cutoff),
      )
      .take(limits.sweptArchives - rest.length);
    return [...rest, ...later].map(({ document, part, toTs }) => ({
      document,
      part,
      toTs: committedTs({ ts: toTs }),
    }));
  },
});

/**
 * Folds what is too old of one chain. It reads where the live snapshot stands, which a push writes that compacts in place
 * or moves the document; the push reads nothing that is deleted here (archives.ts), so that it is this that is tried again.
 */
export const fold = internalMutation({
  args: { collection: v.string(), document: v.string(), part: v.string() },
  returns: v.null(),
  handler: async (ctx, key) => {
    const kept = await ctx.runQuery(
      internal.historySettings.read,
      { collection: key.collection },
      { useStaleSnapshot: true },
    );
    if (kept === null) return null;
    const cutoff = toNs(cutoffMs(kept));
    const snapshot = await liveSnapshot(ctx, key);
    // Of a part that was dropped nothing is live; what was archived of it is all there is.
    const isDone =
      (snapshot !== null && snapshot.ts <= cutoff) || !(await reaches(ctx, key, cutoff))
        ? await deleteUpTo(ctx, key, snapshot?.ts ?? cutoff)
        : await foldUpTo(ctx, key, cutoff);
    if (!isDone) await ctx.scheduler.runAfter(0, internal.foldArchives.fold, key);
    return null;
  },
});

/** Whether anything of a chain is younger than `cutoff`: if nothing is, no time that is kept can be rebuilt from it. */
async function reaches(ctx: QueryCtx, key: PartKey, cutoff: bigint): Promise<boolean> {
  for await (const _entry of entriesFrom(ctx, key, cutoff + 1n)) return true;
  return false;
}

/** @returns whether it is done: else it was too much for one transaction */
async function foldUpTo(ctx: MutationCtx, key: PartKey, cutoff: bigint): Promise<boolean> {
  const base = await baseAt(ctx, key, cutoff);
  const baseTs = base === null ? 0n : committedTs({ ts: base.toTs });
  if (base !== null && !(await deleteUpTo(ctx, key, baseTs, base))) return false;
  // Between two bases is only so much that it can be applied in one transaction (see `limits.archiveBaseDeltas`).
  const old: Doc<"archives">[] = [];
  for await (const entry of entriesFrom(ctx, key, baseTs)) {
    if (committedTs({ ts: entry.toTs }) > cutoff) break;
    if (entry.kind === "deltas") old.push(entry);
  }
  const last = old.at(-1);
  if (last === undefined) return true;
  const blobs = base === null ? [] : [await bytesOfArchive(ctx, base)];
  for (const entry of old)
    blobs.push(...unpackDeltas(await bytesOfArchive(ctx, entry)).map(({ bytes }) => bytes));
  const doc = openDocument([]);
  doc.transact(() => {
    for (const blob of blobs) applyBlob(doc, new Uint8Array(blob));
  });
  const end = committedTs({ ts: last.toTs });
  await insertBase(ctx, key, last.isOpen === true ? end - 1n : end, encodeSnapshot(doc).buffer);
  for (const entry of base === null ? old : [base, ...old]) await deleteArchive(ctx, entry);
  return true;
}

/** Deletes what a base makes superfluous, or with `ts` the live snapshot's, all that there is. @returns whether it is done */
async function deleteUpTo(
  ctx: MutationCtx,
  key: PartKey,
  ts: bigint,
  base: Doc<"archives"> | null = null,
): Promise<boolean> {
  const old: Doc<"archives">[] = [];
  let bytes = 0;
  let isDone = true;
  for await (const entry of entriesFrom(ctx, key, 0n)) {
    if (committedTs({ ts: entry.toTs }) > ts) break;
    // What follows on the base within its own commit is needed.
    if (base !== null && (entry._id === base._id || entry.fromTs >= ts)) continue;
    isDone = old.length < limits.foldedArchives && bytes < limits.foldedBytes;
    if (!isDone) break;
    old.push(entry);
    bytes += entry.bytes;
  }
  for (const entry of old) await deleteArchive(ctx, entry);
  return isDone;
}
