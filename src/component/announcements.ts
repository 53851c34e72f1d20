import { limits } from "../shared/limits.js";
import { parsePart, type PartName } from "../shared/partDocument.js";
import type { Doc } from "./_generated/dataModel.js";
import type { MutationCtx, QueryCtx } from "./_generated/server.js";
import type { HeadChange } from "./heads.js";

/** What is told of a document's parts: one row each. */
export function announcementsOf(
  ctx: QueryCtx,
  collection: string,
  document: string,
): Promise<Doc<"announcements">[]> {
  return ctx.db
    .query("announcements")
    .withIndex("by_document", (q) => q.eq("collection", collection).eq("document", document))
    .take(limits.documentParts);
}

/**
 * Takes back what was told of a part and its text, or tells those who read its scope anew. The part was measured on a
 * stale snapshot; its document may have moved since, and then nothing may be told in the scope that it has left
 * (I-12). Only a move writes a leave: so it is leaves that are really read, and no ordinary push meets the follower.
 */
export async function announcePart(
  ctx: MutationCtx,
  collection: string,
  { document, part, told }: HeadChange,
  snapshotTs: bigint,
): Promise<void> {
  if (told === null) return;
  const row = await ctx.db
    .query("announcements")
    .withIndex("by_document", (q) =>
      q.eq("collection", collection).eq("document", document).eq("body.part", part),
    )
    .unique();
  if (told === "gone") {
    if (row !== null) await ctx.db.delete("announcements", row._id);
    return keepText(ctx, collection, document, part, null);
  }
  const { scope, text, body } = told;
  await keepText(ctx, collection, document, part, { text, ts: body.newest });
  const left = await ctx.db
    .query("leaves")
    .withIndex("by_document", (q) =>
      q.eq("collection", collection).eq("document", document).eq("scope", scope),
    )
    .take(limits.leavesOfOne);
  // The move has taken along what was told; the follower comes to it, and then to the part again.
  if (left.some(({ ts }) => typeof ts === "bigint" && ts > snapshotTs)) return;
  if (row !== null) await ctx.db.delete("announcements", row._id);
  await ctx.db.insert("announcements", { collection, scope, document, ts: ctx.db.vars.commitTs, body });
}

/** @param kept - null: there is none any more */
async function keepText(
  ctx: MutationCtx,
  collection: string,
  document: string,
  part: string,
  kept: { readonly text: string; readonly ts: bigint } | null,
): Promise<void> {
  const { field, incarnation } = parsePart(part) as PartName;
  const row = await ctx.db
    .query("texts")
    .withIndex("by_document", (q) =>
      q.eq("collection", collection).eq("document", document).eq("field", field),
    )
    .unique();
  // A later life of the document has a text of its own under the same field.
  if (kept === null) {
    if (row?.part === part) await ctx.db.delete("texts", row._id);
  } else if (row === null) {
    await ctx.db.insert("texts", { collection, document, field, part, ...kept });
  } else if ((parsePart(row.part)?.incarnation ?? 0) <= incarnation) {
    await ctx.db.patch("texts", row._id, { part, ...kept });
  }
}
