// One follower per collection comes after the writers and keeps what is derived from what they write: a loop on
// `@convex-dev/batch-worker`, whose query finds what has changed and whose mutation takes it in.
//
//   asleep ──wake──▶ awake ──▶ looks ──▶ something has changed, or is due ──▶ takes it in ──▶ looks again
//      ▲                         └─────▶ nothing ──▶ until `awakeUntil`: looks again in a while
//      └────────────── after that, until the next document is due ◀──┘
//
// It misses nothing. Whatever changes what is stored of a document leaves a row at its own commit timestamp: a delta,
// a snapshot (`at`), a leave. A query sees all commits up to its snapshot and none after it, and commits have ever
// higher timestamps: so between the cursor and the snapshot it finds all that there will ever be, and what commits
// later stands above the snapshot. The range ends at the snapshot, so that even its last look before it falls asleep,
// which is a real read, conflicts with no push (I-13).
//
// It does everything exactly once: cursor, heads and totals change in one transaction. A batch that was read at another
// cursor than the one it finds is thrown away. And it does not count what comes by: it measures the documents anew, on
// a snapshot at or after all that it read, so that what became of them meanwhile does not matter.
//
// Nobody who writes is kept waiting: a push looks at `followers` on a stale snapshot, and schedules a wake-up if the
// follower is not known to look again well after the push has committed. So under load there are none, and in a burst
// those that begin before the first wake-up has committed. `awakeUntil` is a promise: the last look before the follower
// falls asleep comes after it, and really reads the row it stands in, so that a wake-up in that very moment either
// conflicts with falling asleep, or finds it asleep.
import { defineBatchWorkerValidators, ping } from "@convex-dev/batch-worker";
import { v } from "convex/values";
import { limits } from "../shared/limits.js";
import { startCursor, vCursor, type Cursor } from "../shared/wire.js";
import { announcePart } from "./announcements.js";
import { components, internal } from "./_generated/api.js";
import type { Doc } from "./_generated/dataModel.js";
import { internalMutation, internalQuery, type MutationCtx, type QueryCtx } from "./_generated/server.js";
import { comparePosition, placeOf, readChanges } from "./changes.js";
import { epochOf } from "./epochs.js";
import { lookAtParts, putOff, toMs, updateHead, vPart, type HeadChange, type Place } from "./heads.js";
import type { Measurement } from "./measure.js";
import { log } from "./log.js";
import { readPassage } from "./readers.js";
import { changeOfKept, historyOf, type History, type Kept } from "./historySettings.js";
import { vHistory } from "./historyTables.js";
import { addTotals } from "./totals.js";

const vTouched = v.object({
  ...vPart.fields,
  /** Where to go on if the follower does not come to this document any more. */
  before: vCursor,
  /** What these changes weigh. */
  bytes: v.number(),
});
const { vQueryArgs, vQueryReturns, vMutationArgs, vMutationReturns } = defineBatchWorkerValidators({
  batch: {
    collection: v.string(),
    epoch: v.string(),
    from: vCursor,
    touched: v.array(vTouched),
    to: vCursor,
    /** When the first of the changes was committed; 0: there are none. */
    since: v.int64(),
    /** There is more. */
    isFull: v.boolean(),
    /** Documents and parts that are to be looked at by now. */
    due: v.array(vPart),
    snapshotTs: v.int64(),
  },
  // The cursor is the follower's own, in `followers`, where health and a new epoch find it.
  cursor: v.null(),
});

/** What the follower of a collection does next. The worker's name is the collection's. */
export const next = internalQuery({
  args: vQueryArgs,
  returns: vQueryReturns,
  handler: async (ctx, { name: collection }) => {
    const now = Date.now();
    const follower = await findFollower(ctx, collection);
    if (follower?.clearing !== undefined) return { kind: "idle" as const, cooldownMs: 0 };
    const epoch = await epochOf(ctx, collection);
    const from = cursorOf(follower, epoch);
    const snapshotTs = await ctx.meta.getSnapshotTs();
    const changes = await readChanges(ctx, { collection, from, upTo: snapshotTs });
    const due = await duePlaces(ctx, collection, now);
    if (changes.touched.length > 0 || due.length > 0)
      return { kind: "work" as const, batch: { collection, epoch, from, ...changes, due, snapshotTs } };
    const isAwake = follower !== null && now < follower.awakeUntil;
    const later = await nextDue(ctx, collection, now);
    return {
      kind: "idle" as const,
      cooldownMs: isAwake ? Number.MAX_SAFE_INTEGER : 0,
      pollIntervalMs: limits.followerPollMs,
      ...(later === null ? {} : { timeoutMs: Math.max(later - now, limits.followerPauseMs) }),
    };
  },
});

/** Takes a batch in: heads, totals, the cursor, and what is to be compacted, in one transaction. */
export const follow = internalMutation({
  args: vMutationArgs,
  returns: vMutationReturns,
  handler: async (ctx, { collection, epoch, from, touched, to, since, isFull, due, snapshotTs }) => {
    const now = Date.now();
    const follower = await findFollower(ctx, collection);
    const isCurrent = follower?.epoch !== epoch || comparePosition(follower.cursor, from) === 0;
    if (!isCurrent || follower?.clearing !== undefined) return null;
    const places = await putOff(
      ctx,
      collection,
      distinct([...touched, ...due.map((place) => ({ ...place, bytes: 0 }))]),
      now,
    );
    const measurement: Measurement = await ctx.runQuery(
      internal.measure.measure,
      { collection, places },
      { useStaleSnapshot: true },
    );
    // It may be another snapshot than the batch's, but must not be older: than it, or than that of the batch before.
    if (measurement.snapshotTs < snapshotTs || (follower?.snapshotTs ?? 0n) > measurement.snapshotTs)
      return null;
    const changes: HeadChange[] = [];
    const hasPassed = await readPassage(ctx, collection, measurement.measured, now);
    for (const measured of measurement.measured)
      changes.push(await updateHead(ctx, collection, measured, { now, hasPassed }));
    await addTotals(ctx, collection, changes);
    for (const change of changes) await tell(ctx, collection, change, measurement);
    const handedOver = changes
      .filter(({ isDue }) => isDue)
      .map(({ document, part }) => ({ collection, document, part }));
    if (handedOver.length > 0)
      await ctx.scheduler.runAfter(0, internal.compact.enqueue, { documents: handedOver });
    const missing = places[measurement.measured.length];
    const cursor = touched.find((each) => isSamePlace(each, missing))?.before ?? to;
    const hasMore = isFull || missing !== undefined;
    await noteFollower(ctx, collection, follower, {
      cursor,
      epoch,
      snapshotTs: measurement.snapshotTs,
      at: now,
      ...(since === 0n ? {} : { lagNs: BigInt(now) * 1_000_000n - since }),
      ...(touched.length === 0 ? {} : { awakeUntil: now + limits.followerAwakeMs }),
    });
    const lagMs = since === 0n ? 0 : now - toMs(since);
    log("DEBUG", "followed", { collection, documents: changes.length, due: handedOver.length, lagMs });
    return { debounceMs: hasMore ? 0 : limits.followerPauseMs };
  },
});

/** What a change of a head means for those who read, and for the document's parts. */
async function tell(
  ctx: MutationCtx,
  collection: string,
  change: HeadChange,
  { snapshotTs }: Measurement,
): Promise<void> {
  const { document, part, told, concernsParts } = change;
  await announcePart(ctx, collection, change, snapshotTs);
  if (concernsParts) await lookAtParts(ctx, collection, document, Date.now());
  if (told === "gone")
    await ctx.scheduler.runAfter(0, internal.parts.drop, { collection, document, part, upTo: snapshotTs });
}

type Changed = Place & { readonly bytes: number };

function distinct(places: readonly Changed[]): Changed[] {
  const found: Changed[] = [];
  const seen = new Set<string>();
  for (const { document, part, bytes } of places) {
    const key = `${document}\uffff${part}`;
    if (!seen.has(key)) found.push({ document, part, bytes });
    seen.add(key);
  }
  return found;
}

function isSamePlace(a: Place, b: Place | undefined): boolean {
  return a.document === b?.document && a.part === b.part;
}

async function duePlaces(ctx: QueryCtx, collection: string, now: number): Promise<Place[]> {
  const heads = await ctx.db
    .query("heads")
    .withIndex("by_due", (q) => q.eq("collection", collection).gt("due", 0).lte("due", now))
    .take(limits.followedDue);
  return heads.map(placeOf);
}

async function nextDue(ctx: QueryCtx, collection: string, now: number): Promise<number | null> {
  const head = await ctx.db
    .query("heads")
    .withIndex("by_due", (q) => q.eq("collection", collection).gt("due", now))
    .first();
  return head?.due ?? null;
}

export function findFollower(ctx: QueryCtx, collection: string): Promise<Doc<"followers"> | null> {
  return ctx.db
    .query("followers")
    .withIndex("by_collection", (q) => q.eq("collection", collection))
    .unique();
}

/** Up to where it has followed. Restored rows may stand anywhere: in a new epoch it begins anew. */
export function cursorOf(follower: Doc<"followers"> | null, epoch: string): Cursor {
  return follower?.epoch === epoch ? follower.cursor : startCursor;
}

export async function noteFollower(
  ctx: MutationCtx,
  collection: string,
  follower: Doc<"followers"> | null,
  change: Partial<Omit<Doc<"followers">, "_id" | "_creationTime" | "collection">>,
): Promise<void> {
  if (follower !== null) return ctx.db.patch("followers", follower._id, change);
  const begun = { cursor: startCursor, snapshotTs: 0n, lagNs: 0n, at: Date.now(), awakeUntil: 0 };
  const epoch = await epochOf(ctx, collection);
  await ctx.db.insert("followers", { collection, epoch, ...begun, ...change });
}

/** What a write tells of the app, for the follower's row to keep. Absent: the writer does not know. */
export interface Told {
  /** Handle of the app's `maintain`. */
  readonly maintain?: string | undefined;
  /** The history that collections keep: those that are not named keep none. */
  readonly history?: History[] | undefined;
}

/**
 * Sees to it that the collections' followers look for work after the calling transaction has committed. It depends on
 * nothing that anybody else writes (I-13).
 */
export async function wakeFollowers(
  ctx: MutationCtx,
  collections: ReadonlySet<string>,
  told: Told = {},
): Promise<void> {
  if (collections.size === 0) return;
  const asleep: string[] = await ctx.runQuery(
    internal.follower.asleep,
    { collections: [...collections], ...defined(told) },
    { useStaleSnapshot: true },
  );
  for (const collection of asleep)
    await ctx.scheduler.runAfter(0, internal.follower.wake, { collection, ...defined(told) });
}

const vTold = { maintain: v.optional(v.string()), history: v.optional(v.array(vHistory)) };

function defined({ maintain, history }: Told): { maintain?: string; history?: History[] } {
  return { ...(maintain === undefined ? {} : { maintain }), ...(history === undefined ? {} : { history }) };
}

/** Those of the collections whose follower may not look again by itself, or does not know yet what is told. */
export const asleep = internalQuery({
  args: { collections: v.array(v.string()), ...vTold },
  returns: v.array(v.string()),
  handler: async (ctx, { collections, maintain, history }) => {
    const found = [];
    for (const collection of collections) {
      const follower = await findFollower(ctx, collection);
      const isAwake = follower !== null && Date.now() + limits.followerMarginMs < follower.awakeUntil;
      const isKnown =
        (maintain === undefined || follower?.maintain === maintain) &&
        changeOfKept(follower?.history, historyOf(collection, history)) === undefined;
      if (!isAwake || !isKnown) found.push(collection);
    }
    return found;
  },
});

/** Wakes a collection's follower, unless somebody has already. */
export const wake = internalMutation({
  args: { collection: v.string(), ...vTold },
  returns: v.null(),
  handler: async (ctx, { collection, ...told }) => {
    const asleep: string[] = await ctx.runQuery(
      internal.follower.asleep,
      { collections: [collection], ...defined(told) },
      { useStaleSnapshot: true },
    );
    if (asleep.length > 0) await rouse(ctx, collection, told);
    return null;
  },
});

export async function rouse(
  ctx: MutationCtx,
  collection: string,
  { maintain, history: told }: Told = {},
): Promise<void> {
  const awakeUntil = Date.now() + limits.followerAwakeMs;
  const follower = await findFollower(ctx, collection);
  const history: Kept | undefined = changeOfKept(follower?.history, historyOf(collection, told));
  await noteFollower(ctx, collection, follower, {
    awakeUntil,
    ...(maintain === undefined ? {} : { maintain }),
    ...(history === undefined ? {} : { history }),
  });
  await ping(ctx, components.batchWorker, {
    name: collection,
    workQuery: internal.follower.next,
    workerMutation: internal.follower.follow,
  });
}
