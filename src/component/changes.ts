// What changed in a collection after a position, in the order of commits: deltas, snapshots by when they were written,
// and leaves, each read lazily.
import { compareValues } from "convex/values";
import { limits } from "../shared/limits.js";
import { endOfCommit, type Cursor } from "../shared/wire.js";
import type { QueryCtx } from "./_generated/server.js";
import { committedTs } from "./committedTs.js";
import type { Place } from "./heads.js";
import { mergeOrdered } from "./mergeOrdered.js";

type Change = Place & { readonly ts: bigint; readonly bytes: number };

/** What changed after a position, with where each is met first. Bounded by rows, bytes and documents. */
export async function readChanges(
  ctx: QueryCtx,
  { collection, from, upTo }: { collection: string; from: Cursor; upTo: bigint },
) {
  const touched = new Map<string, Place & { before: Cursor; bytes: number }>();
  let [before, to, since, rows, bytes] = [from, from, 0n, 0, 0];
  const range = { collection, from, upTo };
  for await (const change of changesAfter(ctx, range)) {
    const { ts, document, part } = change;
    const key = `${document}\uffff${part}`;
    const isElsewhere = comparePosition(change, to) !== 0;
    const isFull =
      rows >= limits.followedChanges ||
      bytes >= limits.followedChangeBytes ||
      (!touched.has(key) && touched.size >= limits.followedDocuments);
    // A cursor cannot stand between a document and its parts at one position.
    if (isFull && isElsewhere) return { touched: [...touched.values()], to, since, isFull };
    if (isElsewhere) before = to;
    const place = touched.get(key) ?? { document, part, before, bytes: 0 };
    place.bytes += change.bytes;
    touched.set(key, place);
    if (since === 0n) since = ts;
    to = { ts, document };
    rows += 1;
    bytes += change.bytes;
  }
  return { touched: [...touched.values()], to, since, isFull: false };
}

/**
 * The first change after a position, at which nobody has looked yet.
 *
 * @param upTo - looks no further: who watches this is not called by what is written later
 */
export async function firstChange(
  ctx: QueryCtx,
  collection: string,
  from: Cursor,
  upTo: bigint,
): Promise<{ readonly ts: bigint } | null> {
  if (upTo < from.ts) return null;
  const range = { collection, from, upTo };
  for await (const change of changesAfter(ctx, range)) return change;
  return null;
}

type ChangeRange = { readonly collection: string; readonly from: Cursor; readonly upTo: bigint };

function changesAfter(ctx: QueryCtx, range: ChangeRange): AsyncGenerator<Change> {
  const streams = [byTs(ctx, "deltas", range), snapshots(ctx, range), byTs(ctx, "leaves", range)];
  return mergeOrdered(streams, comparePosition);
}

async function* byTs(
  ctx: QueryCtx,
  name: "deltas" | "leaves",
  { collection, from, upTo }: ChangeRange,
): AsyncGenerator<Change> {
  const table = () => ctx.db.query(name);
  const rest = table().withIndex("by_collection", (q) =>
    q.eq("collection", collection).eq("ts", from.ts).gt("document", from.document),
  );
  const later = table().withIndex("by_collection", (q) =>
    q.eq("collection", collection).gt("ts", from.ts).lte("ts", upTo),
  );
  for (const rows of from.document === endOfCommit ? [later] : [rest, later])
    for await (const row of rows)
      yield { ...placeOf(row), ts: committedTs(row), bytes: "bytes" in row ? row.bytes.byteLength : 0 };
}

/** They stand where their newest delta did; when they were written is another matter. */
async function* snapshots(ctx: QueryCtx, { collection, from, upTo }: ChangeRange): AsyncGenerator<Change> {
  const table = () => ctx.db.query("snapshots");
  const rest = table().withIndex("by_collection", (q) =>
    q.eq("collection", collection).eq("at", from.ts).gt("document", from.document),
  );
  const later = table().withIndex("by_collection", (q) =>
    q.eq("collection", collection).gt("at", from.ts).lte("at", upTo),
  );
  for (const rows of from.document === endOfCommit ? [later] : [rest, later])
    for await (const row of rows)
      yield { ...placeOf(row), ts: committedTs({ ts: row.at }), bytes: row.bytes.byteLength };
}

export function placeOf({ document, part = "" }: { document: string; part?: string }): Place {
  return { document, part };
}

/** As the indexes order them. */
export function comparePosition(a: Cursor, b: Cursor): number {
  if (a.ts !== b.ts) return a.ts < b.ts ? -1 : 1;
  return compareValues(a.document, b.document);
}
