import { v, type Infer } from "convex/values";
import { compactionTime } from "../shared/compaction.js";
import { limits } from "../shared/limits.js";
import { previewOf } from "../shared/partDocument.js";
import type { PartBody } from "../shared/wire.js";
import type { Doc } from "./_generated/dataModel.js";
import type { MutationCtx, QueryCtx } from "./_generated/server.js";
import type { Measured } from "./measure.js";
import { compactQuietMs } from "./settings.js";
import { noWeight, type Weight } from "./totals.js";

type Head = Doc<"heads">;

/** A document (its `part` is ""), or one of its parts. */
export const vPart = v.object({ document: v.string(), part: v.string() });
export type Place = Infer<typeof vPart>;

export function findHead(
  ctx: QueryCtx,
  collection: string,
  document: string,
  part: string,
): Promise<Head | null> {
  return ctx.db
    .query("heads")
    .withIndex("by_document", (q) => q.eq("collection", collection).eq("document", document).eq("part", part))
    .unique();
}

/** What became of a head. */
export interface HeadChange extends Place {
  readonly before: Weight;
  readonly after: Weight;
  /** It is to be compacted now: its head says that it is being handed over. */
  readonly isDue: boolean;
  /** Of a part: what those who read its scope are to be told; null: nothing new. */
  readonly told: "gone" | { readonly scope: string; readonly text: string; readonly body: PartBody } | null;
  /** The document was deleted, inserted anew or moved: its parts are to be looked at. */
  readonly concernsParts: boolean;
}

/**
 * Brings a head to what was measured, and decides when the document is compacted. Measuring anew instead of counting
 * what comes by makes it right whatever happened meanwhile, and harmless to do twice.
 */
export async function updateHead(
  ctx: MutationCtx,
  collection: string,
  measured: Measured,
  { now, hasPassed }: { readonly now: number; hasPassed(scope: string, ts: bigint): boolean },
): Promise<HeadChange> {
  const { document, part, scope, fault, deleted, text, isFull, isCut, ...rest } = measured;
  const { incarnation: _, lastTs: __, oldestTs: ___, ...sizes } = { ...rest, isCut };
  const head = await findHead(ctx, collection, document, part);
  const before = weightOf(head);
  const place = { document, part, before };
  if (scope === null) {
    if (head !== null) await ctx.db.delete("heads", head._id);
    const told = part === "" ? null : "gone";
    return { ...place, after: noWeight, isDue: false, told, concernsParts: head !== null };
  }
  const { compacting } = head ?? {};
  const failure = failureOf(head, fault, now);
  const time = compactionTime(sizes, {
    now,
    changedAt: toMs(measured.lastTs),
    dueSince: head?.dueSince,
    failure,
    quietMs: compactQuietMs(),
    isPassed: part !== "" || hasPassed(scope, measured.lastTs),
  });
  const isNew = part !== "" && (head?.lastTs !== measured.lastTs || head.scope !== scope);
  const told = isNew && text !== undefined ? { scope, text, body: bodyOf(measured, text) } : null;
  const announcedAt = told === null ? head?.announcedAt : now;
  const isDue = time !== null && compacting === undefined && time.at <= now;
  const next = {
    collection,
    document,
    part,
    scope,
    ...rest,
    ...(isFull === true ? { isFull } : {}),
    ...(isCut ? { isCut } : {}),
    ...(announcedAt === undefined ? {} : { announcedAt }),
    deleted: fault === undefined ? deleted : (head?.deleted ?? false),
    ...(failure === undefined ? {} : { failure }),
    ...(time === null ? {} : { dueSince: time.since }),
    ...(time === null || isDue || compacting !== undefined ? {} : { due: time.at }),
    ...(isDue ? { compacting: now } : compacting === undefined ? {} : { compacting }),
  };
  if (head === null) await ctx.db.insert("heads", next);
  else await ctx.db.replace("heads", head._id, next);
  const concernsParts =
    part === "" &&
    head !== null &&
    (head.scope !== scope || deleted || head.incarnation !== rest.incarnation);
  return { ...place, after: weightOf(next), isDue, told, concernsParts };
}

function bodyOf({ part, lastTs, isFull }: Measured, text: string): PartBody {
  return {
    kind: "part",
    part,
    newest: lastTs,
    preview: previewOf(text, limits.previewCharacters),
    ...(isFull === true ? { isFull } : {}),
  };
}

/**
 * Puts off parts that those who read the scope have just been told of: a typist would have them told, and the part
 * read, at each keystroke. The follower comes back to them.
 *
 * @param places - with how many bytes were written to them since it looked last
 * @returns those that are to be looked at now
 */
export async function putOff(
  ctx: MutationCtx,
  collection: string,
  places: readonly (Place & { readonly bytes: number })[],
  now: number,
): Promise<Place[]> {
  const current: Place[] = [];
  for (const { bytes, ...place } of places) {
    const head = place.part === "" ? null : await findHead(ctx, collection, place.document, place.part);
    const at = (head?.announcedAt ?? 0) + pauseMs(head);
    const isMuch = bytes >= limits.announceChangeBytes || head?.isCut === true;
    if (head === null || at <= now || isMuch) current.push(place);
    // One that is due is, too: it would be found again and again until then.
    else if (head.due === undefined || head.due <= now || head.due > at)
      await ctx.db.patch("heads", head._id, { due: at });
  }
  return current;
}

/** Who deletes from a full part waits to write again. */
function pauseMs(head: Head | null): number {
  if (head?.isFull === true) return limits.announceMs;
  const bytes = head === null ? 0 : head.deltaBytes + head.snapshotBytes;
  return Math.max(limits.announceMs, Math.ceil((bytes / limits.announceBytesASecond) * 1000));
}

/** Has the follower look at a document's parts. */
export async function lookAtParts(ctx: MutationCtx, collection: string, document: string, now: number) {
  const parts = await ctx.db
    .query("heads")
    .withIndex("by_document", (q) => q.eq("collection", collection).eq("document", document).gt("part", ""))
    .take(limits.documentParts);
  for (const { _id } of parts) await ctx.db.patch("heads", _id, { due: now, announcedAt: 0 });
}

/** A fault of reading goes when the document can be read again, one of compaction with the next that succeeds. */
function failureOf(head: Head | null, fault: string | undefined, now: number): Head["failure"] {
  const attempts = head?.failure?.attempts ?? 0;
  if (fault === undefined) return attempts > 0 ? head?.failure : undefined;
  return head?.failure ?? { at: now, message: fault, attempts };
}

function weightOf(head: Omit<Head, "_id" | "_creationTime"> | null): Weight {
  if (head === null) return noWeight;
  const { part, scope, deleted, deltaCount, deltaBytes, snapshotBytes } = head;
  return {
    isPart: part !== "",
    scope,
    deleted,
    deltas: deltaCount,
    snapshots: snapshotBytes > 0 ? 1 : 0,
    bytes: deltaBytes + snapshotBytes,
  };
}

/** Commit timestamps are nanoseconds since 1970. */
export function toMs(ts: bigint): number {
  return Number(ts / 1_000_000n);
}
