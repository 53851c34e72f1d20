import { v } from "convex/values";
import { limits } from "../shared/limits.js";
import { vCollectionHealth } from "../shared/wire.js";
import { query, type QueryCtx } from "./_generated/server.js";
import { epochOf } from "./epochs.js";
import { firstChange } from "./changes.js";
import { cursorOf, findFollower } from "./follower.js";
import { toMs } from "./heads.js";
import { audienceOf } from "./readers.js";
import { totalsOf } from "./totals.js";

/**
 * How the background work of a collection is getting on. Stalled: a change has waited for longer than
 * `limits.followerStalledMs`, or a document was due as long ago, and nobody has done anything since. It is not the
 * cursor that tells, which stands still for days where nobody writes.
 *
 * It can be watched. It reads what background work writes: that is what calls who watches it, once a batch of the
 * follower, however many pushes it holds; and of what pushes write only what is older than `limits.healthBlindMs` at
 * `now`, where no push writes any more. Time is an argument, because a query does not run again because time passes: a
 * follower that stands still writes nothing, and who watches sees that by asking with a later `now`.
 */
export const ofCollection = query({
  args: { collection: v.string(), now: v.number() },
  returns: vCollectionHealth,
  handler: async (ctx, { collection, now }) => {
    const follower = await findFollower(ctx, collection);
    const cursor = cursorOf(follower, await epochOf(ctx, collection));
    const waiting = await firstChange(ctx, collection, cursor, toTs(now - limits.healthBlindMs));
    const followerLagMs = waiting === null ? 0 : Math.max(0, now - toMs(waiting.ts));
    const due = await firstDue(ctx, collection);
    const lateMs = Math.max(followerLagMs, due === null ? 0 : now - due);
    const oldest = await ctx.db
      .query("heads")
      .withIndex("by_oldest", (q) => q.eq("collection", collection).gt("oldestTs", 0n))
      .first();
    return {
      collection,
      followerLagMs,
      lastLagMs: follower === null ? 0 : toMs(follower.lagNs),
      followedAt: follower?.at ?? null,
      isStalled: lateMs > limits.followerStalledMs && now - (follower?.at ?? 0) > limits.followerStalledMs,
      isResyncing: follower?.clearing !== undefined,
      oldestUncompacted: oldest?.oldestTs === undefined ? null : toMs(oldest.oldestTs),
      sessions: await audienceOf(ctx, collection),
      ...(await totalsOf(ctx, collection)),
      ...(await failures(ctx, collection)),
    };
  },
});

/** Nothing but a time can be asked for: what is none of the database's 63 bits is the beginning of time. */
function toTs(ms: number): bigint {
  return Number.isFinite(ms) && ms > 0 && ms < 9e12 ? BigInt(Math.floor(ms)) * 1_000_000n : 0n;
}

async function firstDue(ctx: QueryCtx, collection: string): Promise<number | null> {
  const head = await ctx.db
    .query("heads")
    .withIndex("by_due", (q) => q.eq("collection", collection).gt("due", 0))
    .first();
  return head?.due ?? null;
}

async function failures(ctx: QueryCtx, collection: string) {
  const heads = await ctx.db
    .query("heads")
    .withIndex("by_failure", (q) => q.eq("collection", collection).gt("failure.at", 0))
    .order("desc")
    .take(limits.failuresShown);
  const restores = await ctx.db
    .query("restores")
    .withIndex("by_failure", (q) => q.eq("collection", collection).gt("failure.at", 0))
    .order("desc")
    .take(limits.failuresShown);
  const failed = [...heads, ...restores].flatMap(({ document, failure }) =>
    failure === undefined ? [] : [{ document, at: failure.at, message: failure.message }],
  );
  const [lastError = null] = failed.sort((a, b) => b.at - a.at);
  return { failedJobs: Math.min(failed.length, limits.failuresShown), lastError };
}
