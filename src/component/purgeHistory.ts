import { v } from "convex/values";
import { limits } from "../shared/limits.js";
import { internal } from "./_generated/api.js";
import { internalMutation, type MutationCtx } from "./_generated/server.js";
import { deleteArchive } from "./archives.js";
import { deleteVersion } from "./versions.js";

/**
 * Deletes a document's archives and versions, in the transaction that purges it; the rest of a history that is too long for
 * one follows in the background. Nothing hands any of it out meanwhile: there is no such document to ask for. What belongs
 * to a later document of the same id stands above `upTo`.
 */
export async function purgeHistory(ctx: MutationCtx, collection: string, document: string): Promise<void> {
  await purgeUpTo(ctx, collection, document, await ctx.meta.getSnapshotTs());
}

export const rest = internalMutation({
  args: { collection: v.string(), document: v.string(), upTo: v.int64() },
  returns: v.null(),
  handler: async (ctx, { collection, document, upTo }) => {
    await purgeUpTo(ctx, collection, document, upTo);
    return null;
  },
});

async function purgeUpTo(
  ctx: MutationCtx,
  collection: string,
  document: string,
  upTo: bigint,
): Promise<void> {
  let [count, bytes] = [0, 0];
  const hasRoom = () => count < limits.foldedArchives && bytes < limits.foldedBytes;
  const archives = await ctx.db
    .query("archives")
    .withIndex("by_document", (q) => q.eq("collection", collection).eq("document", document))
    .take(limits.foldedArchives + 1);
  const versions = await ctx.db
    .query("versions")
    .withIndex("by_document", (q) => q.eq("collection", collection).eq("document", document))
    .take(limits.foldedArchives + 1);
  const old = archives.filter(({ toTs }) => typeof toTs !== "bigint" || toTs <= upTo);
  const oldVersions = versions.filter(({ ts }) => ts <= upTo);
  for (const row of [...old, ...oldVersions]) {
    if (!hasRoom()) {
      await ctx.scheduler.runAfter(0, internal.purgeHistory.rest, { collection, document, upTo });
      return;
    }
    if ("kind" in row && "parts" in row) await deleteVersion(ctx, row);
    else await deleteArchive(ctx, row);
    count += 1;
    bytes += row.bytes;
  }
  // A later document's own may stand before what is left of this one, by the names of their parts.
  if (count > 0 && archives.length > limits.foldedArchives)
    await ctx.scheduler.runAfter(0, internal.purgeHistory.rest, { collection, document, upTo });
}
