// The daily work on history: what is too old goes, and documents that have changed get their automatic version where a
// collection asks for it. Each step is bounded and schedules the next; each document is seen to in a transaction of
// its own (I-15). It reads what pushes write on stale snapshots only (I-13).
import { v } from "convex/values";
import { limits } from "../shared/limits.js";
import { internal } from "./_generated/api.js";
import { internalMutation, internalQuery } from "./_generated/server.js";
import { findFollower } from "./follower.js";
import { cutoffMs, storedHistory, toNs } from "./historySettings.js";
import { deleteVersion, saveIfChanged } from "./versions.js";

/** Begins with those of some collections at a time. */
export const sweep = internalMutation({
  args: { after: v.optional(v.string()) },
  returns: v.null(),
  handler: async (ctx, { after = "" }) => {
    const page: { collection: string; isKept: boolean }[] = await ctx.runQuery(
      internal.sweepHistory.nextCollections,
      { after },
      { useStaleSnapshot: true },
    );
    for (const { collection, isKept } of page) {
      if (!isKept) continue;
      await ctx.scheduler.runAfter(0, internal.foldArchives.sweep, { collection });
      for (const kind of ["automatic", "restore"] as const)
        await ctx.scheduler.runAfter(0, internal.sweepHistory.forget, { collection, kind });
      await ctx.scheduler.runAfter(0, internal.sweepHistory.begin, { collection });
    }
    const last = page.at(-1);
    if (last !== undefined && page.length === limits.sweptFollowers)
      await ctx.scheduler.runAfter(0, internal.sweepHistory.sweep, { after: last.collection });
    return null;
  },
});

export const nextCollections = internalQuery({
  args: { after: v.string() },
  returns: v.array(v.object({ collection: v.string(), isKept: v.boolean() })),
  handler: async (ctx, { after }) => {
    const page = await ctx.db
      .query("followers")
      .withIndex("by_collection", (q) => q.gt("collection", after))
      .take(limits.sweptFollowers);
    return page.map(({ collection, history }) => ({ collection, isKept: history !== undefined }));
  },
});

/** Deletes versions that nobody named, once they are too old. */
export const forget = internalMutation({
  args: { collection: v.string(), kind: v.union(v.literal("automatic"), v.literal("restore")) },
  returns: v.null(),
  handler: async (ctx, { collection, kind }) => {
    const kept = await ctx.runQuery(
      internal.historySettings.read,
      { collection },
      { useStaleSnapshot: true },
    );
    if (kept === null) return null;
    const old = await ctx.db
      .query("versions")
      .withIndex("by_age", (q) => q.eq("collection", collection).eq("kind", kind).lt("at", cutoffMs(kept)))
      .take(limits.sweptVersions);
    let [bytes, done] = [0, 0];
    for (const row of old) {
      if (bytes > limits.foldedBytes) break;
      await deleteVersion(ctx, row);
      bytes += row.bytes;
      done += 1;
    }
    if (done === limits.sweptVersions || done < old.length)
      await ctx.scheduler.runAfter(0, internal.sweepHistory.forget, { collection, kind });
    return null;
  },
});

/** Begins a day's automatic versions, where the collection asks for them. */
export const begin = internalMutation({
  args: { collection: v.string() },
  returns: v.null(),
  handler: async (ctx, { collection }) => {
    const { kept, from }: { kept: { automatic?: "daily" } | null; from: bigint } = await ctx.runQuery(
      internal.sweepHistory.settings,
      { collection },
      { useStaleSnapshot: true },
    );
    if (kept?.automatic === undefined) return null;
    const upTo = toNs(Date.now() + limits.automaticLatestMs);
    const after = { ts: from, document: "\uffff" };
    await ctx.scheduler.runAfter(0, internal.sweepHistory.automatic, { collection, after, upTo });
    return null;
  },
});

export const settings = internalQuery({
  args: { collection: v.string() },
  returns: v.object({
    kept: v.union(v.object({ automatic: v.optional(v.literal("daily")) }), v.null()),
    from: v.int64(),
  }),
  handler: async (ctx, { collection }) => {
    const kept = await storedHistory(ctx, collection);
    const isKept = kept !== null && kept.endedAt === undefined;
    const automatic = isKept && kept.automatic !== undefined ? { automatic: kept.automatic } : {};
    const from = (await findFollower(ctx, collection))?.versionedTo ?? 0n;
    return { kept: isKept ? automatic : null, from };
  },
});

const vPosition = v.object({ ts: v.int64(), document: v.string() });
type Position = { ts: bigint; document: string };

/**
 * Has a version saved of the next documents that have changed, in the order of their last changes. One that changes
 * meanwhile goes to the end of that order and is met there; one that has done so until the end of this day's work is the
 * first of the next day's, which begins where this one ends.
 */
export const automatic = internalMutation({
  args: { collection: v.string(), after: vPosition, upTo: v.int64() },
  returns: v.null(),
  handler: async (ctx, { collection, after, upTo }) => {
    const page: Position[] = await ctx.runQuery(
      internal.sweepHistory.changed,
      { collection, after, upTo },
      { useStaleSnapshot: true },
    );
    for (const document of new Set(page.map((each) => each.document)))
      await ctx.scheduler.runAfter(0, internal.sweepHistory.saveAutomatic, { collection, document });
    const last = page.at(-1);
    if (last !== undefined && page.length >= limits.automaticVersions) {
      await ctx.scheduler.runAfter(0, internal.sweepHistory.automatic, { collection, after: last, upTo });
      return null;
    }
    const follower = await findFollower(ctx, collection);
    const versionedTo = last?.ts ?? after.ts;
    if (follower !== null && versionedTo !== follower.versionedTo)
      await ctx.db.patch("followers", follower._id, { versionedTo });
    return null;
  },
});

/** Documents by their last change, after a position. */
export const changed = internalQuery({
  args: { collection: v.string(), after: vPosition, upTo: v.int64() },
  returns: v.array(vPosition),
  handler: async (ctx, { collection, after, upTo }) => {
    const rest = await ctx.db
      .query("heads")
      .withIndex("by_changed", (q) =>
        q.eq("collection", collection).eq("lastTs", after.ts).gt("document", after.document),
      )
      .take(limits.automaticVersions);
    const later = await ctx.db
      .query("heads")
      .withIndex("by_changed", (q) =>
        q.eq("collection", collection).gt("lastTs", after.ts).lte("lastTs", upTo),
      )
      .take(limits.automaticVersions - rest.length);
    return [...rest, ...later].map(({ document, lastTs }) => ({ ts: lastTs, document }));
  },
});

export const saveAutomatic = internalMutation({
  args: { collection: v.string(), document: v.string() },
  returns: v.null(),
  handler: async (ctx, { collection, document }) => {
    await saveIfChanged(ctx, collection, document);
    return null;
  },
});
