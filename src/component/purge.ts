import { v } from "convex/values";
import { limits } from "../shared/limits.js";
import { mutation, type MutationCtx } from "./_generated/server.js";
import { announcementsOf } from "./announcements.js";
import { committedTs } from "./committedTs.js";
import { wakeFollowers } from "./follower.js";
import { log } from "./log.js";
import { dropPart } from "./parts.js";
import { purgeHistory } from "./purgeHistory.js";
import { cancelRestores } from "./restores.js";
import { mainRows } from "./states.js";

/**
 * Removes a document for good: every row of its main document and all that is told of it in one transaction, with what
 * its parts hold; what of that is more than one transaction takes goes by jobs that this one schedules. A leave in its
 * scope tells those who hold it to drop it; it says the document's id, and goes with the other leaves after a month.
 * Receipts stay: they hold ids of transactions, and no content.
 *
 * @returns whether there was anything
 */
export const purge = mutation({
  args: { collection: v.string(), document: v.string() },
  returns: v.boolean(),
  handler: async (ctx, { collection, document }) => {
    const scope = await dropMain(ctx, collection, document);
    for (const { _id } of await announcementsOf(ctx, collection, document))
      await ctx.db.delete("announcements", _id);
    await dropParts(ctx, collection, document);
    await purgeHistory(ctx, collection, document);
    await cancelRestores(ctx, collection, document);
    const guard = await ctx.db
      .query("guards")
      .withIndex("by_document", (q) => q.eq("collection", collection).eq("document", document))
      .unique();
    if (guard !== null) await ctx.db.delete("guards", guard._id);
    // For the audit, also of what was not there: who asked for it is in the app's own log.
    log("WARN", "purge", { collection, document, found: scope !== undefined });
    if (scope === undefined) return false;
    await ctx.db.insert("leaves", { collection, scope, document, ts: ctx.db.vars.commitTs });
    await wakeFollowers(ctx, new Set([collection]));
    return true;
  },
});

/** @returns the scope it was in; undefined if there was none */
async function dropMain(ctx: MutationCtx, collection: string, document: string): Promise<string | undefined> {
  const { snapshots, deltas } = await mainRows(ctx, collection, document);
  for (const { _id } of snapshots) await ctx.db.delete("snapshots", _id);
  for (const { _id } of deltas) await ctx.db.delete("deltas", _id);
  return (deltas.at(-1) ?? snapshots.at(-1))?.scope;
}

/** Their texts go at once. What is stored of them is found in the tables: the follower may not have come to it yet. */
async function dropParts(ctx: MutationCtx, collection: string, document: string): Promise<void> {
  const texts = await ctx.db
    .query("texts")
    .withIndex("by_document", (q) => q.eq("collection", collection).eq("document", document))
    .take(limits.documentParts);
  for (const { _id } of texts) await ctx.db.delete("texts", _id);
  const budget = { rows: limits.droppedRows, bytes: limits.droppedBytes };
  let part = "";
  for (let found = 0; found < limits.documentParts; found++) {
    const newest = [];
    for (const table of ["snapshots", "deltas"] as const)
      newest.push(
        await ctx.db
          .query(table)
          .withIndex("by_document", (q) =>
            q.eq("collection", collection).eq("document", document).gt("part", part),
          )
          .first(),
      );
    const next = newest.flatMap((row) => (row === null ? [] : [row.part])).sort()[0];
    if (next === undefined) return;
    part = next;
    const upTo = await newestOf(ctx, collection, document, part);
    await dropPart(ctx, { collection, document, part, upTo, isPurged: true }, budget);
  }
}

async function newestOf(
  ctx: MutationCtx,
  collection: string,
  document: string,
  part: string,
): Promise<bigint> {
  const delta = await ctx.db
    .query("deltas")
    .withIndex("by_document", (q) => q.eq("collection", collection).eq("document", document).eq("part", part))
    .order("desc")
    .first();
  const snapshot = await ctx.db
    .query("snapshots")
    .withIndex("by_part", (q) => q.eq("collection", collection).eq("document", document).eq("part", part))
    .order("desc")
    .first();
  return [delta, snapshot].reduce((newest, row) => {
    const ts = row === null ? 0n : committedTs(row);
    return ts > newest ? ts : newest;
  }, 0n);
}
