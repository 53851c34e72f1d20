import type { GenericDataModel, GenericMutationCtx } from "convex/server";
import type { GenericId } from "convex/values";
import type { AnyCollection, PlainRow } from "../collections/index.js";

type MutationCtx = GenericMutationCtx<GenericDataModel>;
type AppRow = { readonly _id: GenericId<string> };

/** Reads a document's row by its one key. */
export async function findRow(ctx: MutationCtx, table: string, id: string): Promise<AppRow | null> {
  const row = await ctx.db
    .query(table)
    .withIndex("by_replica_id", (q) => q.eq("id", id))
    .unique();
  return row as AppRow | null;
}

/**
 * Brings the app's row of a document to its merged state. It is always written, even if nothing in it changes:
 * two transactions that write one document must conflict, and this row is where (I-13). Fields that only the
 * server has stay as they are.
 */
export async function writeRow(
  ctx: MutationCtx,
  definition: AnyCollection,
  table: string,
  existing: AppRow | null,
  after: PlainRow | null,
): Promise<void> {
  if (after === null) {
    if (existing !== null) await ctx.db.delete(existing._id);
  } else if (existing === null) {
    await ctx.db.insert(table, { ...after });
  } else {
    const fields = Object.keys(definition.row.fields as object);
    await ctx.db.patch(existing._id, Object.fromEntries(fields.map((field) => [field, after[field]])));
  }
}
