// What history a collection keeps. The app says so with each write; the follower's row keeps it for what works in
// the background. It gets there as the handle of `maintain` does: by a wake-up that a write schedules if it finds, on a
// stale snapshot, that the row does not know it yet. No write waits for it, or reads the row in earnest (I-13).
import { v, type Infer } from "convex/values";
import { internal } from "./_generated/api.js";
import { internalQuery, type MutationCtx, type QueryCtx } from "./_generated/server.js";
import { vHistory, vKept } from "./historyTables.js";

export type History = Infer<typeof vHistory>;
export type Kept = Infer<typeof vKept>;

const dayMs = 24 * 60 * 60 * 1000;

/** What a write says of one collection; undefined: the writer does not know. */
export function historyOf(collection: string, told: readonly History[] | undefined): Kept | null | undefined {
  if (told === undefined) return undefined;
  const own = told.find((each) => each.collection === collection);
  if (own === undefined) return null;
  const { keepDays, automatic } = own;
  return { keepDays, ...(automatic === undefined ? {} : { automatic }) };
}

/** What is to be stored in place of what is; undefined: it is as it should be. */
export function changeOfKept(stored: Kept | undefined, told: Kept | null | undefined): Kept | undefined {
  if (told === undefined) return undefined;
  const isEnded = stored?.endedAt !== undefined;
  if (told === null) return stored === undefined || isEnded ? undefined : { ...stored, endedAt: Date.now() };
  const isSame = stored?.keepDays === told.keepDays && stored.automatic === told.automatic && !isEnded;
  return isSame ? undefined : told;
}

/** The stored settings of a collection that keeps history now. Call it on a stale snapshot: the follower writes there. */
export const read = internalQuery({
  args: { collection: v.string() },
  returns: v.union(vKept, v.null()),
  handler: (ctx, { collection }) => storedHistory(ctx, collection),
});

export async function storedHistory(ctx: QueryCtx, collection: string): Promise<Kept | null> {
  const row = await ctx.db
    .query("followers")
    .withIndex("by_collection", (q) => q.eq("collection", collection))
    .unique();
  return row?.history ?? null;
}

/** What a transaction goes by: what it was told, else what is stored. Null: nothing is kept. */
export async function resolveHistory(
  ctx: MutationCtx,
  collection: string,
  told: Kept | null | undefined,
): Promise<Kept | null> {
  if (told !== undefined) return told;
  const stored: Kept | null = await ctx.runQuery(
    internal.historySettings.read,
    { collection },
    { useStaleSnapshot: true },
  );
  return stored?.endedAt === undefined ? stored : null;
}

/** What is older than this may go. */
export function cutoffMs({ keepDays }: Kept): number {
  return Date.now() - keepDays * dayMs;
}

export function toNs(ms: number): bigint {
  return BigInt(Math.floor(ms)) * 1_000_000n;
}
