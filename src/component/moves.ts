import { v, type Infer } from "convex/values";
import { limits } from "../shared/limits.js";
import type { MutationCtx } from "./_generated/server.js";
import { announcementsOf } from "./announcements.js";
import { archiveDeltas } from "./archives.js";
import { splitChunks } from "./chunks.js";
import type { Kept } from "./historySettings.js";
import { mainRows } from "./states.js";

export const vMove = v.object({
  collection: v.string(),
  document: v.string(),
  from: v.string(),
  to: v.string(),
  /** The whole state after the write that moves it, as a snapshot blob. */
  bytes: v.bytes(),
});

/**
 * Moves a document to another scope, in the transaction of the write that does so. Its rows in the old scope are
 * deleted, so that nobody who reads there can fetch it any more (I-12); its whole state stands in the new one at this
 * commit, so that everybody there meets it whole; a leave in the old scope tells those who hold it.
 *
 * The rows are read live. A push to this document conflicts with the move in its app row anyway; a compaction of it
 * deletes the same rows, as the follower replaces what is said of its parts; whoever of the two comes second is tried
 * again: the one case in which background work and a push of the same document meet.
 */
export async function moveDocument(
  ctx: MutationCtx,
  { collection, document, from, to, bytes }: Infer<typeof vMove>,
  history: Kept | null | undefined,
): Promise<void> {
  const { snapshots, deltas } = await mainRows(ctx, collection, document);
  const replaced = { snapshots: snapshots.map(({ _id }) => _id), deltas: deltas.map(({ _id }) => _id) };
  await archiveDeltas(ctx, { collection, document, part: "" }, replaced, history, { isMove: true });
  for (const { _id } of snapshots) await ctx.db.delete("snapshots", _id);
  for (const { _id } of deltas) await ctx.db.delete("deltas", _id);
  const { commitTs: ts } = ctx.db.vars;
  for (const chunk of splitChunks(bytes))
    await ctx.db.insert("snapshots", { collection, scope: to, document, part: "", ts, at: ts, ...chunk });
  // More than one, where a document of this id was purged before.
  const left = await ctx.db
    .query("leaves")
    .withIndex("by_document", (q) => q.eq("collection", collection).eq("document", document).eq("scope", to))
    .take(limits.leavesOfOne);
  for (const { _id } of left) await ctx.db.delete("leaves", _id);
  await ctx.db.insert("leaves", { collection, scope: from, document, ts });
  // What is said of its parts goes with it; the parts themselves have no scope of their own.
  for (const { _id, body } of await announcementsOf(ctx, collection, document)) {
    await ctx.db.delete("announcements", _id);
    await ctx.db.insert("announcements", { collection, scope: to, document, ts, body });
  }
}
