// History keeps the very deltas that compaction would throw away. For each document and part the archives are a chain:
//
//   base? ─ deltas ─ deltas ─ … ─ base ─ deltas ─ … ─ deltas ─▶ live snapshot ─ live deltas
//
// An entry of deltas holds all changes after `fromTs` up to `toTs`, and follows on an entry that ends at its `fromTs`,
// on a base that stands there, or, at 0, on nothing. The newest entry ends where the live snapshot stands. So a state at T is
// the newest base at or before T, and the deltas from there to T (pointInTime.ts).
//
// A base is the live snapshot that a compaction is about to replace, kept as it is. It is kept if the chain does not lead
// to it: history was switched on later than that, or off meanwhile; the document moved to another scope, where it stands
// as a snapshot that no delta leads to; what leads to it is about to be thrown away as too old. And every so often,
// so that no state is ever far from a base, however long history is kept.
import { v, type Infer } from "convex/values";
import { limits } from "../shared/limits.js";
import { api, internal } from "./_generated/api.js";
import type { Doc, Id } from "./_generated/dataModel.js";
import { internalQuery, type MutationCtx, type QueryCtx } from "./_generated/server.js";
import { joinChunks, splitChunks } from "./chunks.js";
import { packDeltas } from "./deltaPack.js";
import { watchPurge } from "./purgeMark.js";
import { cutoffMs, resolveHistory, toNs, type Kept } from "./historySettings.js";

export interface PartKey {
  readonly collection: string;
  readonly document: string;
  readonly part: string;
}

const vEnd = v.object({
  id: v.id("archives"),
  toTs: v.int64(),
  isOpen: v.boolean(),
  sinceBase: v.object({ deltas: v.number(), bytes: v.number() }),
});
type End = Infer<typeof vEnd>;

/**
 * Archives what the calling transaction is about to delete, if the collection keeps history; call it before the rows are
 * deleted. It conflicts with nothing that the deletion itself does not conflict with (I-13): the end of the chain is
 * read on a stale snapshot, and tested by where the snapshot stands that it must lead to.
 *
 * @param told - as {@link resolveHistory} takes it
 * @param isMove - what takes the place of these rows stands at this commit, and is more than they are
 */
export async function archiveDeltas(
  ctx: MutationCtx,
  key: PartKey,
  rows: { readonly snapshots: readonly Id<"snapshots">[]; readonly deltas: readonly Id<"deltas">[] },
  told: Kept | null | undefined,
  { isMove = false } = {},
): Promise<void> {
  const kept = await resolveHistory(ctx, key.collection, told);
  if (kept === null || (await isPurged(ctx, key))) return;
  const snapshots = await getAll(rows.snapshots, (id) => ctx.db.get("snapshots", id));
  const [snapshot] = joinChunks(snapshots);
  // It was moved before in this very transaction: that has archived all there is, for time goes by commits.
  if (snapshot !== undefined && typeof snapshot.ts !== "bigint") return;
  const deltas = await getAll(rows.deltas, (id) => ctx.db.get("deltas", id));
  const committed = joinChunks(deltas.filter((row) => typeof row.ts === "bigint"));
  const last = committed.at(-1);
  if (last === undefined && snapshot === undefined && !isMove) return;
  let sinceBase = { deltas: 0, bytes: 0 };
  let fromTs = 0n;
  if (snapshot !== undefined) {
    fromTs = snapshot.ts as bigint;
    const end = await endOfChain(ctx, key, snapshot);
    const isBaseNeeded = await needsBase(ctx, snapshot, end, kept);
    if (isBaseNeeded) await insertBase(ctx, key, snapshot.ts as bigint, snapshot.bytes);
    else sinceBase = end?.sinceBase ?? sinceBase;
  } else {
    // Nothing was compacted before, or a part was dropped, and this came to it later, or is the rest of it.
    const end = await newestEntry(ctx, key);
    if (end !== null) ({ toTs: fromTs, sinceBase } = end);
  }
  const packed = packDeltas(committed.map((row) => ({ ...row, ts: row.ts as bigint })));
  await insertArchive(
    ctx,
    {
      ...key,
      kind: "deltas",
      fromTs,
      toTs: isMove ? ctx.db.vars.commitTs : (last?.ts ?? fromTs),
      ...(isMove ? { isOpen: true } : {}),
      count: committed.length,
      sinceBase: {
        deltas: sinceBase.deltas + committed.length,
        bytes: sinceBase.bytes + packed.byteLength,
      },
    },
    packed,
  );
}

/** What is stored of parts outlives a purge by moments: it is not to be kept then. */
async function isPurged(ctx: MutationCtx, key: PartKey): Promise<boolean> {
  if (key.part === "") return false;
  const { collection, document } = key;
  const scope: string | null = await ctx.runQuery(
    api.parts.scopeOf,
    { collection, document },
    { useStaleSnapshot: true },
  );
  if (scope !== null) await watchPurge(ctx, key, scope);
  return scope === null;
}

async function getAll<Id, Row>(ids: readonly Id[], get: (id: Id) => Promise<Row | null>): Promise<Row[]> {
  const rows = await Promise.all(ids.map(get));
  return rows.filter((row): row is Awaited<Row> & Row => row !== null);
}

/** @see archiveDeltas. `toTs` is the end that the snapshot must stand at. */
async function endOfChain(ctx: MutationCtx, key: PartKey, snapshot: Doc<"snapshots">): Promise<End | null> {
  // A stale snapshot does not show what this very transaction has compacted.
  const isOwn = snapshot.at !== undefined && typeof snapshot.at !== "bigint";
  const seen: End | null = isOwn
    ? null
    : await ctx.runQuery(internal.archives.newest, key, { useStaleSnapshot: true });
  // It may also be older than the transaction: only what does not fit is read in earnest, a new chain say.
  return seen?.toTs === snapshot.ts ? seen : newestEntry(ctx, key);
}

/** Whether the snapshot must be kept as a base: the chain does not lead to it, or leads to it from too far. */
async function needsBase(
  ctx: MutationCtx,
  snapshot: Doc<"snapshots">,
  end: End | null,
  kept: Kept,
): Promise<boolean> {
  if (end === null || end.toTs !== snapshot.ts || end.isOpen) return true;
  // Folding may be deleting it at this moment: with a base of its own the rest of the chain need not care.
  if (end.toTs <= toNs(cutoffMs(kept) + limits.archiveMarginMs)) return true;
  const mostBytes = Math.max(limits.archiveBaseBytes, snapshot.bytes.byteLength);
  if (end.sinceBase.deltas >= limits.archiveBaseDeltas || end.sinceBase.bytes >= mostBytes) return true;
  // By this the two conflict all the same, should the time to keep history have been shortened just now.
  return (await ctx.db.get("archives", end.id)) === null;
}

/** The newest entry of a chain, without its bytes. */
export const newest = internalQuery({
  args: { collection: v.string(), document: v.string(), part: v.string() },
  returns: v.union(vEnd, v.null()),
  handler: (ctx, key) => newestEntry(ctx, key),
});

async function newestEntry(ctx: QueryCtx, { collection, document, part }: PartKey): Promise<End | null> {
  const row = await ctx.db
    .query("archives")
    .withIndex("by_document", (q) => q.eq("collection", collection).eq("document", document).eq("part", part))
    .order("desc")
    .first();
  if (row === null || typeof row.toTs !== "bigint") return null;
  return { id: row._id, toTs: row.toTs, isOpen: row.isOpen === true, sinceBase: row.sinceBase };
}

export async function insertBase(
  ctx: MutationCtx,
  key: PartKey,
  ts: bigint,
  blob: ArrayBuffer,
): Promise<void> {
  const sinceBase = { deltas: 0, bytes: 0 };
  await insertArchive(ctx, { ...key, kind: "base", fromTs: ts, toTs: ts, count: 0, sinceBase }, blob);
}

async function insertArchive(
  ctx: MutationCtx,
  entry: Omit<Doc<"archives">, "_id" | "_creationTime" | "bytes">,
  bytes: ArrayBuffer,
): Promise<void> {
  const archive = await ctx.db.insert("archives", { ...entry, bytes: bytes.byteLength });
  for (const { bytes: piece, chunk } of splitChunks(bytes))
    await ctx.db.insert("archiveChunks", { archive, index: chunk.index, bytes: piece });
}

export async function bytesOfArchive(ctx: QueryCtx, { _id, bytes }: Doc<"archives">): Promise<ArrayBuffer> {
  const chunks = await ctx.db
    .query("archiveChunks")
    .withIndex("by_archive", (q) => q.eq("archive", _id))
    .take(chunkCount(bytes));
  const [joined] = joinChunks(
    chunks.map((row) => ({ bytes: row.bytes, chunk: { index: row.index, count: chunks.length } })),
  );
  if (joined === undefined || joined.bytes.byteLength !== bytes)
    throw new Error(`Archive ${_id} has ${joined?.bytes.byteLength ?? 0} bytes; ${bytes} were written.`);
  return joined.bytes;
}

export async function deleteArchive(ctx: MutationCtx, { _id, bytes }: Doc<"archives">): Promise<void> {
  const chunks = await ctx.db
    .query("archiveChunks")
    .withIndex("by_archive", (q) => q.eq("archive", _id))
    .take(chunkCount(bytes));
  for (const chunk of chunks) await ctx.db.delete("archiveChunks", chunk._id);
  await ctx.db.delete("archives", _id);
}

function chunkCount(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / limits.chunkBytes));
}
