import { compareValues, v } from "convex/values";
import { limits } from "../shared/limits.js";
import { endOfCommit, pullArgs, vPage, vReset, type Cursor, type StreamEntry } from "../shared/wire.js";
import type { Doc } from "./_generated/dataModel.js";
import { query, type QueryCtx } from "./_generated/server.js";
import { joinChunks } from "./chunks.js";
import { epochOf } from "./epochs.js";
import { committedTs } from "./committedTs.js";
import { mergeOrdered } from "./mergeOrdered.js";

type Row =
  | { readonly type: "snapshot"; readonly row: Doc<"snapshots"> }
  | { readonly type: "update"; readonly row: Doc<"deltas"> }
  | { readonly type: "announcement"; readonly row: Doc<"announcements"> }
  | { readonly type: "leave"; readonly row: Doc<"leaves"> };
type Range = { readonly collection: string; readonly scope: string; readonly cursor: Cursor };

/** At one position what deltas stand on comes first, and that the document has left, last. */
const rank = { snapshot: 0, update: 1, announcement: 2, leave: 3 } as const;

/**
 * The next page of a scope's stream after a cursor: snapshots, deltas, announcements and leaves in the order (ts, document), read
 * lazily, up to `limits.pageEntries` or `limits.pageBytes` (I-14). A page may end inside a commit, never
 * between two entries at one (ts, document): the cursor could not stand between them.
 *
 * A cursor of another epoch is answered with `reset`: restored rows may stand behind it. So is one that stands before
 * leaves that were pruned, unless it is of a first load that began behind them.
 *
 * No change is ever skipped (I-11): a delta commits with a ts above every snapshot already read, and
 * compaction only places at a lower ts what deltas there held before.
 */
export const page = query({
  args: pullArgs,
  returns: v.union(vPage, vReset),
  handler: async (ctx, { epoch: knownEpoch, horizon, ...range }) => {
    const epoch = await epochOf(ctx, range.collection);
    const isFirst = range.cursor.ts === 0n;
    const pruned = await prunedTo(ctx, range);
    if ((knownEpoch !== undefined && knownEpoch !== epoch) || hasMissed(range.cursor, horizon, pruned))
      return { type: "reset" as const, epoch };
    const begunAt = isFirst && horizon === undefined ? await endOfStream(ctx, range, pruned) : horizon;
    const { rows, done } = await readPage(ctx, range, begunAt);
    const cursor = cursorAfter(range.cursor, rows.at(-1)?.row, done, begunAt);
    const isBehind = !done && begunAt !== undefined && cursor.ts <= begunAt;
    const rest = isBehind ? { horizon: begunAt } : {};
    return { type: "page" as const, epoch, entries: toEntries(rows), cursor, done, ...rest };
  },
});

/** Whether who stands there may have missed leaves that were pruned. Within their commit it may, too. */
function hasMissed(cursor: Cursor, horizon: bigint | undefined, pruned: bigint): boolean {
  if (cursor.ts === 0n || (horizon !== undefined && horizon >= pruned)) return false;
  return cursor.ts < pruned || (cursor.ts === pruned && cursor.document !== endOfCommit);
}

/**
 * A first load ends where it began at the least, though nothing may stand there any more: what stood there it needs
 * not, and a cursor before leaves that were pruned would be told to begin anew, for ever.
 */
function cursorAfter(
  from: Cursor,
  last: Row["row"] | undefined,
  done: boolean,
  begunAt: bigint | undefined,
): Cursor {
  const ts = last === undefined ? from.ts : committedTs(last);
  if (done && begunAt !== undefined && begunAt > ts) return { ts: begunAt, document: endOfCommit };
  if (last === undefined) return from;
  return { ts, document: done ? endOfCommit : last.document };
}

async function readPage(
  ctx: QueryCtx,
  range: Range,
  horizon: bigint | undefined,
): Promise<{ rows: Row[]; done: boolean }> {
  const rows: Row[] = [];
  let bytes = 0;
  const streams = [
    rowsAfter(ctx, "snapshot", range),
    rowsAfter(ctx, "update", range),
    rowsAfter(ctx, "announcement", range),
    leavesAfter(ctx, range, horizon),
  ];
  for await (const next of mergeOrdered(streams, compareRows)) {
    const last = rows.at(-1);
    const isFull = rows.length >= limits.pageEntries || bytes >= limits.pageBytes;
    if (isFull && last !== undefined && comparePosition(last, next) !== 0) return { rows, done: false };
    rows.push(next);
    if ("bytes" in next.row) bytes += next.row.bytes.byteLength;
  }
  return { rows, done: true };
}

const tables = {
  snapshot: "snapshots",
  update: "deltas",
  announcement: "announcements",
  leave: "leaves",
} as const;

/** The rows of one table after a cursor, in the order (ts, document). */
async function* rowsAfter(
  ctx: QueryCtx,
  type: Row["type"],
  { collection, scope, cursor }: Range,
): AsyncGenerator<Row> {
  const table = tables[type];
  const rest = ctx.db
    .query(table)
    .withIndex("by_scope", (q) =>
      q.eq("collection", collection).eq("scope", scope).eq("ts", cursor.ts).gt("document", cursor.document),
    );
  const later = ctx.db
    .query(table)
    .withIndex("by_scope", (q) => q.eq("collection", collection).eq("scope", scope).gt("ts", cursor.ts));
  for (const rows of cursor.document === endOfCommit ? [later] : [rest, later])
    for await (const row of rows) yield { type, row } as Row;
}

/** What a first load began behind, it never met. */
function leavesAfter(ctx: QueryCtx, range: Range, horizon: bigint = 0n): AsyncGenerator<Row> {
  const { cursor } = range;
  const from = cursor.ts > horizon ? cursor : { ts: horizon, document: endOfCommit };
  return rowsAfter(ctx, "leave", { ...range, cursor: from });
}

/** The newest position at which something stands, or stood before it was pruned. */
async function endOfStream(ctx: QueryCtx, { collection, scope }: Range, pruned: bigint): Promise<bigint> {
  const newest = [];
  for (const table of ["snapshots", "deltas", "leaves"] as const)
    newest.push(
      await ctx.db
        .query(table)
        .withIndex("by_scope", (q) => q.eq("collection", collection).eq("scope", scope))
        .order("desc")
        .first(),
    );
  return newest.reduce((end, row) => {
    const ts = row === null ? 0n : committedTs(row);
    return ts > end ? ts : end;
  }, pruned);
}

async function prunedTo(ctx: QueryCtx, { collection, scope }: Range): Promise<bigint> {
  const row = await ctx.db
    .query("scopes")
    .withIndex("by_scope", (q) => q.eq("collection", collection).eq("scope", scope))
    .unique();
  return row?.prunedTo ?? 0n;
}

function compareRows(a: Row, b: Row): number {
  return comparePosition(a, b) || rank[a.type] - rank[b.type];
}

function comparePosition(a: Row, b: Row): number {
  const [tsA, tsB] = [committedTs(a.row), committedTs(b.row)];
  if (tsA !== tsB) return tsA < tsB ? -1 : 1;
  // As the index orders them, by UTF-8 bytes: `<` orders an emoji before a full-width letter.
  return compareValues(a.row.document, b.row.document);
}

function toEntries(rows: readonly Row[]): StreamEntry[] {
  const entries: StreamEntry[] = [];
  for (let at = 0; at < rows.length; at++) {
    const { type, row } = rows[at] as Row;
    const { document, ts } = { document: row.document, ts: committedTs(row) };
    if (type === "leave") {
      entries.push({ type, document, ts });
      continue;
    }
    if (type === "announcement") {
      const { kind, ...body } = row.body;
      entries.push({ type: kind, document, ts, ...body } as StreamEntry);
      continue;
    }
    // All chunks of an entry stand at its position, one after the other.
    const chunks = rows
      .slice(at, at + row.chunk.count)
      .flatMap((each) => ("bytes" in each.row ? [{ bytes: each.row.bytes, chunk: each.row.chunk }] : []));
    const [joined] = joinChunks(chunks);
    const sender = type === "update" ? { client: row.client, transactions: row.transactions } : {};
    entries.push({ type, document, ts, bytes: (joined ?? row).bytes, ...sender });
    at += row.chunk.count - 1;
  }
  return entries;
}
