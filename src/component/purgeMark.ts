import type { MutationCtx } from "./_generated/server.js";

/**
 * Makes the caller conflict with a purge of a document, or its move, which leave their mark in the scope it was in: what was
 * read on a stale snapshot must not be kept after it was purged. Nothing else writes there (I-13).
 */
export async function watchPurge(
  ctx: MutationCtx,
  { collection, document }: { readonly collection: string; readonly document: string },
  scope: string,
): Promise<void> {
  await ctx.db
    .query("leaves")
    .withIndex("by_document", (q) =>
      q.eq("collection", collection).eq("document", document).eq("scope", scope),
    )
    .order("desc")
    .first();
}
