import { v, type Infer, type ObjectType } from "convex/values";
import { limits } from "../shared/limits.js";
import { pullPartArgs, vPartPage, vReset, type PartEntry } from "../shared/wire.js";
import { internal } from "./_generated/api.js";
import type { Doc } from "./_generated/dataModel.js";
import { internalMutation, query, type MutationCtx, type QueryCtx } from "./_generated/server.js";
import { archiveDeltas } from "./archives.js";
import { joinChunks } from "./chunks.js";
import { committedTs } from "./committedTs.js";
import { epochOf } from "./epochs.js";
import { findHead, vPart } from "./heads.js";

const vFullness = v.union(v.literal("open"), v.literal("full"), v.literal("closed"));

type PartRow =
  | { readonly type: "snapshot"; readonly row: Doc<"snapshots"> }
  | { readonly type: "update"; readonly row: Doc<"deltas"> };

/**
 * Where a document is stored now: who may read that scope may read its parts. The newest row of the main document
 * tells, never a head, which may be late (I-12). Null: there is no such document.
 */
export const scopeOf = query({
  args: { collection: v.string(), document: v.string() },
  returns: v.union(v.string(), v.null()),
  handler: async (ctx, { collection, document }) => {
    for (const table of ["deltas", "snapshots"] as const) {
      const row = await ctx.db
        .query(table)
        .withIndex("by_document", (q) =>
          q.eq("collection", collection).eq("document", document).eq("part", ""),
        )
        .order("desc")
        .first();
      if (row?.scope !== undefined) return row.scope;
    }
    return null;
  },
});

/**
 * The next page of a part after a cursor: its snapshot, if that is newer, then deltas, up to `limits.pageEntries` or
 * `limits.pageBytes`. All that was committed at one timestamp comes in one page: the cursor could not stand inside.
 */
export const page = query({
  args: pullPartArgs,
  returns: v.union(vPartPage, vReset),
  handler: async (ctx, { epoch: knownEpoch, ...place }) => {
    const epoch = await epochOf(ctx, place.collection);
    if (knownEpoch !== undefined && knownEpoch !== epoch) return { type: "reset" as const, epoch };
    const rows: PartRow[] = [];
    let bytes = 0;
    let done = true;
    for await (const next of rowsAfter(ctx, place)) {
      const last = rows.at(-1);
      const isFull = rows.length >= limits.pageEntries || bytes >= limits.pageBytes;
      if (isFull && last?.row.ts !== next.row.ts) {
        done = false;
        break;
      }
      rows.push(next);
      bytes += next.row.bytes.byteLength;
    }
    const newest = rows.at(-1);
    const cursor = newest === undefined ? place.cursor : committedTs(newest.row);
    return { type: "page" as const, epoch, entries: toEntries(rows), cursor, done };
  },
});

/** A snapshot stands at the newest delta in it, and before all deltas that are there. */
async function* rowsAfter(
  ctx: QueryCtx,
  {
    collection,
    document,
    part,
    cursor,
  }: { collection: string; document: string; part: string; cursor: bigint },
): AsyncGenerator<PartRow> {
  const snapshots = ctx.db
    .query("snapshots")
    .withIndex("by_part", (q) =>
      q.eq("collection", collection).eq("document", document).eq("part", part).gt("ts", cursor),
    );
  for await (const row of snapshots) yield { type: "snapshot", row };
  const deltas = ctx.db
    .query("deltas")
    .withIndex("by_document", (q) =>
      q.eq("collection", collection).eq("document", document).eq("part", part).gt("ts", cursor),
    );
  for await (const row of deltas) yield { type: "update", row };
}

function toEntries(rows: readonly PartRow[]): PartEntry[] {
  const snapshots = rows.flatMap(({ type, row }) => (type === "snapshot" ? [row] : []));
  const deltas = rows.flatMap(({ type, row }) => (type === "update" ? [row] : []));
  return [
    ...joinChunks(snapshots).map((row) => ({
      ts: committedTs(row),
      type: "snapshot" as const,
      bytes: row.bytes,
    })),
    ...joinChunks(deltas).map(({ client, transactions, bytes, ...row }) => {
      return { ts: committedTs(row), type: "update" as const, bytes, client, transactions };
    }),
  ];
}

/**
 * What the parts still take: `full` ones only deletions, `closed` ones, which can no more be opened, nothing.
 * Call it with `useStaleSnapshot`: it reads what the follower writes.
 */
export const fullness = query({
  args: { parts: v.array(v.object({ collection: v.string(), ...vPart.fields })) },
  returns: v.array(vFullness),
  handler: async (ctx, { parts }) => {
    const found: Infer<typeof vFullness>[] = [];
    for (const { collection, document, part } of parts) {
      const head = await findHead(ctx, collection, document, part);
      const isClosed = head?.isFull === true && head.failure !== undefined;
      found.push(isClosed ? "closed" : head?.isFull === true ? "full" : "open");
    }
    return found;
  },
});

/** The plain text of a part, as far as the follower has come; empty if there is none. */
export const text = query({
  args: { collection: v.string(), document: v.string(), field: v.string() },
  returns: v.string(),
  handler: async (ctx, { collection, document, field }) => {
    const row = await ctx.db
      .query("texts")
      .withIndex("by_document", (q) =>
        q.eq("collection", collection).eq("document", document).eq("field", field),
      )
      .unique();
    return row?.text ?? "";
  },
});

const vDropped = {
  collection: v.string(),
  ...vPart.fields,
  upTo: v.int64(),
  /** Nothing of it is to be kept. */
  isPurged: v.optional(v.boolean()),
};
type Dropped = ObjectType<typeof vDropped>;

/** @see dropPart */
export const drop = internalMutation({
  args: vDropped,
  returns: v.null(),
  handler: async (ctx, dropped) => {
    await dropPart(ctx, dropped, { rows: limits.droppedRows, bytes: limits.droppedBytes });
    return null;
  },
});

/**
 * Deletes what is stored of a part whose document is gone, up to a position: what comes later belongs to a document
 * that was inserted anew after a purge. Where history is kept it is archived, unless it is purged.
 *
 * @param budget - what may be deleted in this transaction, less what is; the rest is deleted in others
 */
export async function dropPart(
  ctx: MutationCtx,
  { upTo, isPurged = false, ...place }: Dropped,
  budget: { rows: number; bytes: number },
): Promise<void> {
  const dropped: PartRow[] = [];
  for await (const each of rowsUpTo(ctx, place, upTo)) {
    const isFull = budget.rows <= 0 || budget.bytes <= 0;
    // What was committed together, the pieces of one delta above all, is not torn apart.
    if (isFull && dropped.at(-1)?.row.ts !== each.row.ts) {
      await ctx.scheduler.runAfter(0, internal.parts.drop, { ...place, upTo, isPurged });
      break;
    }
    dropped.push(each);
    budget.rows -= 1;
    budget.bytes -= each.row.bytes.byteLength;
  }
  const snapshots = dropped.flatMap(({ type, row }) => (type === "snapshot" ? [row._id] : []));
  const deltas = dropped.flatMap(({ type, row }) => (type === "update" ? [row._id] : []));
  if (!isPurged) await archiveDeltas(ctx, place, { snapshots, deltas }, undefined);
  for (const id of snapshots) await ctx.db.delete("snapshots", id);
  for (const id of deltas) await ctx.db.delete("deltas", id);
}

async function* rowsUpTo(
  ctx: QueryCtx,
  { collection, document, part }: { collection: string; document: string; part: string },
  upTo: bigint,
): AsyncGenerator<PartRow> {
  const snapshots = ctx.db
    .query("snapshots")
    .withIndex("by_part", (q) =>
      q.eq("collection", collection).eq("document", document).eq("part", part).lte("ts", upTo),
    );
  for await (const row of snapshots) yield { type: "snapshot", row };
  const deltas = ctx.db
    .query("deltas")
    .withIndex("by_document", (q) =>
      q.eq("collection", collection).eq("document", document).eq("part", part).lte("ts", upTo),
    );
  for await (const row of deltas) yield { type: "update", row };
}
