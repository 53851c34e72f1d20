import { compareValues, v } from "convex/values";
import { limits } from "../shared/limits.js";
import { endOfCommit, pullArgs, vPage, vReset, type Cursor, type StreamEntry } from "../shared/wire.js";
import type { Doc } from "./_generated/dataModel.js";
import { query, type QueryCtx } from "./_generated/server.js";
import { joinChunks } from "./chunks.js";
import { epochOf } from "./epochs.js";
import { committedTs } from "./committedTs.js";

type Row = { type: "snapshot"; row: Doc<"snapshots"> } | { type: "update"; row: Doc<"deltas"> };
type Range = { collection: string; scope: string; cursor: Cursor };

/**
 * The next page of a scope's stream after a cursor: snapshots and deltas in the order (ts, document), read
 * lazily, up to `limits.pageEntries` or `limits.pageBytes` (I-14). A page may end inside a commit, never
 * between two entries at one (ts, document): the cursor could not stand between them.
 *
 * A cursor of another epoch is answered with `reset`: restored rows may stand behind it.
 *
 * No change is ever skipped (I-11): a delta commits with a ts above every snapshot already read, and
 * compaction only places at a lower ts what deltas there held before.
 */
export const page = query({
  args: pullArgs,
  returns: v.union(vPage, vReset),
  handler: async (ctx, { epoch: knownEpoch, ...range }) => {
    const epoch = await epochOf(ctx, range.collection);
    if (knownEpoch !== undefined && knownEpoch !== epoch) return { type: "reset" as const, epoch };
    const rows: Row[] = [];
    let bytes = 0;
    let done = true;
    for await (const next of mergeRows(snapshotsAfter(ctx, range), deltasAfter(ctx, range))) {
      const last = rows.at(-1);
      const isFull = rows.length >= limits.pageEntries || bytes >= limits.pageBytes;
      if (isFull && last !== undefined && comparePosition(last, next) !== 0) {
        done = false;
        break;
      }
      rows.push(next);
      bytes += next.row.bytes.byteLength;
    }
    const last = rows.at(-1)?.row;
    const cursor =
      last === undefined
        ? range.cursor
        : { ts: committedTs(last), document: done ? endOfCommit : last.document };
    return { type: "page" as const, epoch, entries: toEntries(rows), cursor, done };
  },
});

async function* snapshotsAfter(ctx: QueryCtx, { collection, scope, cursor }: Range): AsyncGenerator<Row> {
  const rest = ctx.db
    .query("snapshots")
    .withIndex("by_scope", (q) =>
      q.eq("collection", collection).eq("scope", scope).eq("ts", cursor.ts).gt("document", cursor.document),
    );
  if (cursor.document !== endOfCommit) for await (const row of rest) yield { type: "snapshot", row };
  const later = ctx.db
    .query("snapshots")
    .withIndex("by_scope", (q) => q.eq("collection", collection).eq("scope", scope).gt("ts", cursor.ts));
  for await (const row of later) yield { type: "snapshot", row };
}

async function* deltasAfter(ctx: QueryCtx, { collection, scope, cursor }: Range): AsyncGenerator<Row> {
  const rest = ctx.db
    .query("deltas")
    .withIndex("by_scope", (q) =>
      q.eq("collection", collection).eq("scope", scope).eq("ts", cursor.ts).gt("document", cursor.document),
    );
  if (cursor.document !== endOfCommit) for await (const row of rest) yield { type: "update", row };
  const later = ctx.db
    .query("deltas")
    .withIndex("by_scope", (q) => q.eq("collection", collection).eq("scope", scope).gt("ts", cursor.ts));
  for await (const row of later) yield { type: "update", row };
}

/** Merges two ordered streams; at one position the snapshot, which deltas stand on, comes first. */
async function* mergeRows(snapshots: AsyncGenerator<Row>, deltas: AsyncGenerator<Row>): AsyncGenerator<Row> {
  let snapshot = await snapshots.next();
  let delta = await deltas.next();
  while (!snapshot.done || !delta.done) {
    const takesSnapshot = delta.done || (!snapshot.done && comparePosition(snapshot.value, delta.value) <= 0);
    if (takesSnapshot && !snapshot.done) {
      yield snapshot.value;
      snapshot = await snapshots.next();
    } else if (!delta.done) {
      yield delta.value;
      delta = await deltas.next();
    }
  }
}

function comparePosition(a: Row, b: Row): number {
  const [tsA, tsB] = [committedTs(a.row), committedTs(b.row)];
  if (tsA !== tsB) return tsA < tsB ? -1 : 1;
  // As the index orders them, by UTF-8 bytes: `<` orders an emoji before a full-width letter.
  return compareValues(a.row.document, b.row.document);
}

function toEntries(rows: readonly Row[]): StreamEntry[] {
  const flat = rows.map(({ type, row }) => ({
    document: row.document,
    ts: committedTs(row),
    type,
    bytes: row.bytes,
    chunk: row.chunk,
    ...(type === "update" ? { client: row.client, transactions: row.transactions } : {}),
  }));
  return joinChunks(flat).map(({ chunk: _, ...entry }) => entry);
}
