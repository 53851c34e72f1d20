// What a document was at a time: rebuilt from what is live and what was archived, in stream order, in one Y.Doc.
//
// Deleted content is collected, as everywhere: a Y.Doc that has applied exactly what there was at T shows all that was
// shown at T, and what was deleted before T is no part of it. The originals matter because only they can be applied up
// to T: the live snapshot knows all that came later, and has let go of what was deleted then.
import { ConvexError, v, type Infer } from "convex/values";
import { applyBlob, encodeSnapshot, openDocument } from "../shared/document.js";
import { limits } from "../shared/limits.js";
import { readMain } from "../shared/mainDocument.js";
import { partKey } from "../shared/partDocument.js";
import type { Doc } from "./_generated/dataModel.js";
import { query, type QueryCtx } from "./_generated/server.js";
import { bytesOfArchive, type PartKey } from "./archives.js";
import { joinChunks } from "./chunks.js";
import { committedTs } from "./committedTs.js";
import { unpackDeltas } from "./deltaPack.js";

const vStateAt = v.union(
  v.object({
    type: v.literal("state"),
    /** The main document, as a snapshot blob. */
    main: v.bytes(),
    /** The parts of the life it was in, by their fields; of one that was empty, an empty one. */
    parts: v.array(v.object({ part: v.string(), bytes: v.bytes() })),
    /** Parts that are left out, for there is more to rebuild than was asked for. */
    large: v.array(v.string()),
  }),
  /** `earliest`: from this position on history is kept; null: it was not kept then. */
  v.object({ type: v.literal("unknown"), earliest: v.union(v.int64(), v.null()) }),
);
export type StateAt = Infer<typeof vStateAt>;

/**
 * A document as of a position.
 *
 * @param fields - those that are parts
 * @param partBytes - of how many bytes to rebuild parts at most; absent: as many as fit a transaction
 * @throws ConvexError `too_large` if so much would have to be read that it does not fit a transaction
 */
export const at = query({
  args: {
    collection: v.string(),
    document: v.string(),
    fields: v.array(v.string()),
    ts: v.int64(),
    partBytes: v.optional(v.number()),
  },
  returns: vStateAt,
  handler: async (ctx, { collection, document, fields, ts, partBytes = Infinity }): Promise<StateAt> => {
    const budget: Budget = { rows: limits.rebuiltRows, bytes: limits.rebuiltBytes };
    const found = await collect(ctx, { collection, document, part: "" }, ts, budget);
    if (found.type === "unknown") return found;
    const main = encode(found.blobs);
    const { existence, incarnation } = readMain(openDocument([new Uint8Array(main)]));
    const parts: { part: string; bytes: ArrayBuffer }[] = [];
    const large: string[] = [];
    let left = partBytes;
    for (const field of existence === "present" ? fields : []) {
      const key = { collection, document, part: partKey({ field, incarnation }) };
      const part = await collect(ctx, key, ts, budget);
      if (part.type === "unknown") return part;
      const size = part.blobs.reduce((sum, { byteLength }) => sum + byteLength, 0);
      if (size > left) {
        large.push(field);
        continue;
      }
      left -= size;
      parts.push({ part: field, bytes: encode(part.blobs) });
    }
    return { type: "state" as const, main, parts, large };
  },
});

type Budget = { rows: number; bytes: number };
type Collected =
  | { readonly type: "state"; readonly blobs: readonly ArrayBuffer[] }
  | { readonly type: "unknown"; readonly earliest: bigint | null };

/** What has to be applied, in this order, to have the state at `ts`. */
async function collect(ctx: QueryCtx, key: PartKey, ts: bigint, budget: Budget): Promise<Collected> {
  const blobs: ArrayBuffer[] = [];
  const add = (blob: ArrayBuffer) => {
    spend(budget, "bytes", blob.byteLength);
    blobs.push(blob);
  };
  const snapshot = await liveSnapshot(ctx, key);
  if (snapshot !== null && snapshot.ts <= ts) add(snapshot.bytes);
  else {
    const gap = await addArchived(ctx, key, ts, budget, add);
    // Without a snapshot nothing was compacted, or all was dropped: then what was archived is all there ever was.
    const isGap = gap !== null && (snapshot !== null || gap.earliest !== null);
    if (isGap) return { type: "unknown", earliest: gap.earliest ?? snapshot?.ts ?? null };
  }
  for await (const delta of liveDeltas(ctx, key, ts)) {
    spend(budget, "rows", 1);
    add(delta.bytes);
  }
  return { type: "state", blobs };
}

function encode(blobs: readonly ArrayBuffer[]): ArrayBuffer {
  const doc = openDocument([]);
  doc.transact(() => {
    for (const blob of blobs) applyBlob(doc, new Uint8Array(blob));
  });
  return encodeSnapshot(doc).buffer;
}

/** @returns null if all that there was up to `ts` is archived, else from where on it is */
async function addArchived(
  ctx: QueryCtx,
  key: PartKey,
  ts: bigint,
  budget: Budget,
  add: (blob: ArrayBuffer) => void,
): Promise<{ readonly earliest: bigint | null } | null> {
  const base = await baseAt(ctx, key, ts);
  let covered = base === null ? 0n : committedTs({ ts: base.toTs });
  if (base !== null) add(await bytesOfArchive(ctx, base));
  for await (const entry of entriesFrom(ctx, key, covered)) {
    const end = committedTs({ ts: entry.toTs });
    // In the base already; what begins where it stands is the other half of a commit that a compaction has cut in two.
    if (end <= covered && (entry.kind === "base" || entry.fromTs < covered)) continue;
    if (entry.kind === "base" || entry.fromTs > covered) return { earliest: end };
    spend(budget, "rows", 2);
    for (const delta of unpackDeltas(await bytesOfArchive(ctx, entry))) if (delta.ts <= ts) add(delta.bytes);
    if (end > ts) return null;
    covered = entry.isOpen === true ? end - 1n : end;
  }
  return covered >= ts ? null : { earliest: null };
}

/** The newest base at or before a position. */
export function baseAt(
  ctx: QueryCtx,
  { collection, document, part }: PartKey,
  ts: bigint,
): Promise<Doc<"archives"> | null> {
  return ctx.db
    .query("archives")
    .withIndex("by_kind", (q) =>
      q
        .eq("collection", collection)
        .eq("document", document)
        .eq("part", part)
        .eq("kind", "base")
        .lte("toTs", ts),
    )
    .order("desc")
    .first();
}

/** Archives that end at a position or later. */
export function entriesFrom(
  ctx: QueryCtx,
  { collection, document, part }: PartKey,
  from: bigint,
): AsyncIterable<Doc<"archives">> {
  return ctx.db
    .query("archives")
    .withIndex("by_document", (q) =>
      q.eq("collection", collection).eq("document", document).eq("part", part).gte("toTs", from),
    );
}

/** Where the live snapshot stands, with its bytes. */
export async function liveSnapshot(
  ctx: QueryCtx,
  { collection, document, part }: PartKey,
): Promise<{ readonly ts: bigint; readonly bytes: ArrayBuffer } | null> {
  const rows = await ctx.db
    .query("snapshots")
    .withIndex("by_document", (q) => q.eq("collection", collection).eq("document", document).eq("part", part))
    .take(limits.stateChunks);
  const [snapshot] = joinChunks(rows);
  return snapshot === undefined ? null : { ts: committedTs(snapshot), bytes: snapshot.bytes };
}

/** The chunks of a delta are rows of their own, one after the other. */
async function* liveDeltas(
  ctx: QueryCtx,
  { collection, document, part }: PartKey,
  ts: bigint,
): AsyncGenerator<{ readonly bytes: ArrayBuffer }> {
  const rows = ctx.db
    .query("deltas")
    .withIndex("by_document", (q) =>
      q.eq("collection", collection).eq("document", document).eq("part", part).lte("ts", ts),
    );
  let chunks: Doc<"deltas">[] = [];
  for await (const row of rows) {
    chunks.push(row);
    if (chunks.length < row.chunk.count) continue;
    yield* joinChunks(chunks);
    chunks = [];
  }
}

function spend(budget: Budget, name: keyof Budget, amount: number): void {
  budget[name] -= amount;
  if (budget[name] >= 0) return;
  const limit = name === "bytes" ? limits.rebuiltBytes : limits.rebuiltRows;
  throw new ConvexError({
    code: "too_large" as const,
    message: `To rebuild this state at least ${limit - budget[name]} ${name} would have to be read; ${limit} may be.`,
  });
}
