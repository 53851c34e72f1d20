import { ConvexError, v, type Infer } from "convex/values";
import { limits } from "../shared/limits.js";
import type { Doc } from "./_generated/dataModel.js";
import { mutation, query, type MutationCtx, type QueryCtx } from "./_generated/server.js";
import { joinChunks } from "./chunks.js";
import { findGuard } from "./guards.js";
import { isImporting } from "./importChunks.js";

const vDocument = v.object({ collection: v.string(), document: v.string() });
const vKey = v.object({ ...vDocument.fields, part: v.string() });
export type StateKey = Infer<typeof vKey>;

const vState = v.object({
  /** The rows this state was read from, so that compaction can replace exactly those. */
  snapshotRows: v.array(v.id("snapshots")),
  deltaRows: v.array(v.id("deltas")),
  /** Null: nothing is stored of it. Always so for a part, which has none. */
  scope: v.union(v.string(), v.null()),
  /** The newest position in it; 0: nothing is stored of it. */
  ts: v.int64(),
  /** Snapshot and deltas, to be applied in this order. */
  blobs: v.array(v.bytes()),
  deltaBytes: v.number(),
  snapshotBytes: v.number(),
  /** Of how many pieces the snapshot of a part is made. */
  pieces: v.number(),
  /** The newest deltas are missing: it has more of them than are read. It can be compacted, and not written. */
  isCut: v.boolean(),
});
export type State = Infer<typeof vState>;

/**
 * Stored states of documents and parts. Call it with `useStaleSnapshot`: it then adds nothing to the caller's read set, so
 * that nothing that is appended or compacted meanwhile conflicts with the caller. It reads until
 * `limits.pushStateBytes` or `limits.pushStateRows` are exceeded; `states` is shorter than `documents` then.
 */
export const load = query({
  args: { documents: v.array(vKey) },
  returns: v.object({ snapshotTs: v.int64(), states: v.array(vState) }),
  handler: async (ctx, { documents }) => {
    const states: State[] = [];
    let bytes = 0;
    let rows = 0;
    for (const key of documents) {
      const state = await loadState(ctx, key);
      bytes += state.deltaBytes + state.snapshotBytes;
      rows += state.deltaRows.length + state.snapshotRows.length;
      if (states.length > 0 && (bytes > limits.pushStateBytes || rows > limits.pushStateRows)) break;
      states.push(state);
    }
    return { snapshotTs: await ctx.meta.getSnapshotTs(), states };
  },
});

const vOwn = v.object({
  /** Null: this transaction has not written the document. */
  scope: v.union(v.string(), v.null()),
  blobs: v.array(v.bytes()),
});

/**
 * What this very transaction has made of documents, which a stale snapshot does not show. The commit timestamp's
 * placeholder finds exactly its own rows, and conflicts with nobody. A document that it has moved, and in an import any
 * document, is read live: the rows that a stale snapshot still shows of it are contained in what stands in their place.
 */
export const loadOwn = mutation({
  args: {
    documents: v.array(vDocument),
    /** Their guards are read too, so that the caller conflicts with other writes to them. */
    hasGuards: v.boolean(),
  },
  returns: v.array(vOwn),
  handler: async (ctx, { documents, hasGuards }) => {
    const own: Infer<typeof vOwn>[] = [];
    const moved = await movedHere(ctx);
    const isImport = await isImporting(ctx);
    for (const { collection, document } of documents) {
      if (hasGuards) await findGuard(ctx, collection, document);
      if (isImport || moved.has(JSON.stringify([collection, document]))) {
        const { scope, blobs } = await loadState(ctx, { collection, document, part: "" });
        own.push({ scope, blobs });
        continue;
      }
      const rows = await ctx.db
        .query("deltas")
        .withIndex("by_document", (q) =>
          q
            .eq("collection", collection)
            .eq("document", document)
            .eq("part", "")
            .eq("ts", ctx.db.vars.commitTs),
        )
        .take(limits.ownDeltas + 1);
      if (rows.length > limits.ownDeltas)
        throw new ConvexError({
          code: "too_large" as const,
          message: `A mutation writes one document ${limits.ownDeltas} times at most: document "${document}" of "${collection}".`,
        });
      const blobs = joinChunks(rows).map((row) => row.bytes);
      own.push({ scope: rows.at(-1)?.scope ?? null, blobs });
    }
    return own;
  },
});

/** Documents that this very transaction has moved to another scope. */
async function movedHere(ctx: MutationCtx): Promise<Set<string>> {
  const leaves = await ctx.db
    .query("leaves")
    .withIndex("by_ts", (q) => q.eq("ts", ctx.db.vars.commitTs))
    .take(limits.movesOfOne + 1);
  if (leaves.length > limits.movesOfOne)
    throw new ConvexError({
      code: "too_large" as const,
      message: `A mutation moves ${limits.movesOfOne} documents to another scope at most.`,
    });
  return new Set(leaves.map(({ collection, document }) => JSON.stringify([collection, document])));
}

function bytesOf(rows: readonly { bytes: ArrayBuffer }[]): number {
  return rows.reduce((sum, row) => sum + row.bytes.byteLength, 0);
}

/** How many deltas are read beside a snapshot, and bytes of them: but one commit in any case. */
export interface ReadOfDeltas {
  readonly rows: number;
  readonly bytes: number;
}
const readOfMain: ReadOfDeltas = { rows: limits.stateDeltas, bytes: limits.stateBytes };
const readOfPart: ReadOfDeltas = { rows: limits.partDeltas, bytes: limits.partDeltaBytes };

/**
 * What is stored of a document or part. It ends between two commits. Push keeps main documents below what is read; parts,
 * which are appended blindly, are compacted until they are.
 */
export async function loadState(
  ctx: QueryCtx,
  { collection, document, part }: StateKey,
  most = part === "" ? readOfMain : readOfPart,
): Promise<State> {
  const snapshotRows = await ctx.db
    .query("snapshots")
    .withIndex("by_document", (q) => q.eq("collection", collection).eq("document", document).eq("part", part))
    .take(limits.stateChunks);
  const { rows: deltaRows, isCut } = await readDeltas(ctx, { collection, document, part }, most);
  const newest = deltaRows.at(-1) ?? snapshotRows.at(-1);
  return {
    snapshotRows: snapshotRows.map((row) => row._id),
    deltaRows: deltaRows.map((row) => row._id),
    scope: newest?.scope ?? null,
    ts: newest === undefined || typeof newest.ts !== "bigint" ? 0n : newest.ts,
    blobs: [...joinChunks(snapshotRows), ...joinChunks(deltaRows)].map((entry) => entry.bytes),
    deltaBytes: bytesOf(deltaRows),
    snapshotBytes: bytesOf(snapshotRows),
    pieces: snapshotRows[0]?.pieces ?? 0,
    isCut,
  };
}

/** All that is stored of a main document, read live: pushes keep it below these limits. */
export async function mainRows(ctx: QueryCtx, collection: string, document: string) {
  const snapshots = await ctx.db
    .query("snapshots")
    .withIndex("by_document", (q) => q.eq("collection", collection).eq("document", document).eq("part", ""))
    .take(limits.stateChunks);
  const deltas = await ctx.db
    .query("deltas")
    .withIndex("by_document", (q) => q.eq("collection", collection).eq("document", document).eq("part", ""))
    .take(limits.stateDeltas + limits.ownDeltas);
  return { snapshots, deltas };
}

async function readDeltas(
  ctx: QueryCtx,
  { collection, document, part }: StateKey,
  most: ReadOfDeltas,
): Promise<{ rows: Doc<"deltas">[]; isCut: boolean }> {
  const rows: Doc<"deltas">[] = [];
  let bytes = 0;
  const all = ctx.db
    .query("deltas")
    .withIndex("by_document", (q) =>
      q.eq("collection", collection).eq("document", document).eq("part", part),
    );
  for await (const row of all) {
    rows.push(row);
    bytes += row.bytes.byteLength;
    // What was committed together, the pieces of one delta above all, is not torn apart; the first is always taken.
    if ((rows.length > most.rows || bytes > most.bytes) && row.ts !== rows[0]?.ts)
      return { rows: rows.filter(({ ts }) => ts !== row.ts), isCut: true };
  }
  return { rows, isCut: false };
}
