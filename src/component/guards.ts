import type { Doc } from "./_generated/dataModel.js";
import type { MutationCtx, QueryCtx } from "./_generated/server.js";

/** The row in which two writes to one document conflict, if its collection has no app table. */
export function findGuard(
  ctx: QueryCtx,
  collection: string,
  document: string,
): Promise<Doc<"guards"> | null> {
  return ctx.db
    .query("guards")
    .withIndex("by_document", (q) => q.eq("collection", collection).eq("document", document))
    .unique();
}

export async function touchGuard(ctx: MutationCtx, collection: string, document: string): Promise<void> {
  const guard = await findGuard(ctx, collection, document);
  if (guard === null) await ctx.db.insert("guards", { collection, document, revision: 1 });
  else await ctx.db.patch("guards", guard._id, { revision: guard.revision + 1 });
}
