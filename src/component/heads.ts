import { v, type Infer } from "convex/values";
import { compactionTime } from "../shared/compaction.js";
import { openDocument } from "../shared/document.js";
import { limits } from "../shared/limits.js";
import { readMain } from "../shared/mainDocument.js";
import type { Doc } from "./_generated/dataModel.js";
import { internalQuery, type MutationCtx, type QueryCtx } from "./_generated/server.js";
import { committedTs } from "./committedTs.js";
import { loadState } from "./states.js";
import { noWeight, type Weight } from "./totals.js";

type Head = Doc<"heads">;

const vMeasured = v.object({
  document: v.string(),
  /** Null: nothing is stored of it. */
  scope: v.union(v.string(), v.null()),
  deltaCount: v.number(),
  deltaBytes: v.number(),
  snapshotBytes: v.number(),
  lastTs: v.int64(),
  oldestTs: v.optional(v.int64()),
  deleted: v.boolean(),
  /** Why its bytes cannot be read; it is not known whether it is deleted then. */
  fault: v.optional(v.string()),
});
type Measured = Infer<typeof vMeasured>;
export const vMeasurement = v.object({ snapshotTs: v.int64(), measured: v.array(vMeasured) });
export type Measurement = Infer<typeof vMeasurement>;

/**
 * What is stored of documents. Call it with `useStaleSnapshot`: it reads what pushes write. It reads until
 * `limits.followedBytes` or `limits.followedRows` are exceeded; `measured` is shorter than `documents` then.
 */
export const measure = internalQuery({
  args: { collection: v.string(), documents: v.array(v.string()) },
  returns: vMeasurement,
  handler: async (ctx, { collection, documents }) => {
    const measured: Measured[] = [];
    let [bytes, rows] = [0, 0];
    for (const document of documents) {
      if (bytes > limits.followedBytes || rows > limits.followedRows) break;
      const each = await measureDocument(ctx, collection, document);
      bytes += each.deltaBytes + each.snapshotBytes;
      rows += each.deltaCount;
      measured.push(each);
    }
    return { snapshotTs: await ctx.meta.getSnapshotTs(), measured };
  },
});

async function measureDocument(ctx: QueryCtx, collection: string, document: string): Promise<Measured> {
  const { scope, ts, blobs, deltaRows, deltaBytes, snapshotBytes } = await loadState(
    ctx,
    collection,
    document,
  );
  const [first] = deltaRows;
  const oldest = first === undefined ? null : await ctx.db.get("deltas", first);
  const size = { deltaCount: deltaRows.length, deltaBytes, snapshotBytes };
  const found = {
    document,
    scope,
    ...size,
    lastTs: ts,
    ...(oldest === null ? {} : { oldestTs: committedTs(oldest) }),
  };
  if (scope === null) return { ...found, deleted: true };
  try {
    const { existence } = readMain(openDocument(blobs.map((blob) => new Uint8Array(blob))));
    return { ...found, deleted: existence !== "present" };
  } catch (error) {
    // One document that cannot be read keeps no other waiting (I-15).
    const fault = `It cannot be read: ${String(error)}`.slice(0, limits.messageLength);
    return { ...found, deleted: false, fault };
  }
}

export function findHead(ctx: QueryCtx, collection: string, document: string): Promise<Head | null> {
  return ctx.db
    .query("heads")
    .withIndex("by_document", (q) => q.eq("collection", collection).eq("document", document))
    .unique();
}

/** What became of a head. */
export interface HeadChange {
  readonly document: string;
  readonly before: Weight;
  readonly after: Weight;
  /** It is to be compacted now: its head says that it is being handed over. */
  readonly isDue: boolean;
}

/**
 * Brings a head to what was measured, and decides when the document is compacted. Measuring anew instead of counting
 * what comes by makes it right whatever happened meanwhile, and harmless to do twice.
 */
export async function updateHead(
  ctx: MutationCtx,
  collection: string,
  measured: Measured,
  now: number,
): Promise<HeadChange> {
  const { document, scope, fault, deleted, ...sizes } = measured;
  const head = await findHead(ctx, collection, document);
  const before = weightOf(head);
  if (scope === null) {
    if (head !== null) await ctx.db.delete("heads", head._id);
    return { document, before, after: noWeight, isDue: false };
  }
  const { compacting } = head ?? {};
  const failure = failureOf(head, fault, now);
  const time = compactionTime(sizes, {
    now,
    changedAt: toMs(measured.lastTs),
    dueSince: head?.dueSince,
    failure,
  });
  const isDue = time !== null && compacting === undefined && time.at <= now;
  const next = {
    collection,
    document,
    scope,
    ...sizes,
    deleted: fault === undefined ? deleted : (head?.deleted ?? false),
    ...(failure === undefined ? {} : { failure }),
    ...(time === null ? {} : { dueSince: time.since }),
    ...(time === null || isDue || compacting !== undefined ? {} : { due: time.at }),
    ...(isDue ? { compacting: now } : compacting === undefined ? {} : { compacting }),
  };
  if (head === null) await ctx.db.insert("heads", next);
  else await ctx.db.replace("heads", head._id, next);
  return { document, before, after: weightOf(next), isDue };
}

/** A fault of reading goes when the document can be read again, one of compaction with the next that succeeds. */
function failureOf(head: Head | null, fault: string | undefined, now: number): Head["failure"] {
  const attempts = head?.failure?.attempts ?? 0;
  if (fault === undefined) return attempts > 0 ? head?.failure : undefined;
  return head?.failure ?? { at: now, message: fault, attempts };
}

function weightOf(head: Omit<Head, "_id" | "_creationTime"> | null): Weight {
  if (head === null) return noWeight;
  const { scope, deleted, deltaCount, deltaBytes, snapshotBytes } = head;
  return {
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
