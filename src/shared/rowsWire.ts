import { v, type Infer, type ObjectType } from "convex/values";

export const rowsArgs = {
  collection: v.string(),
  scope: v.string(),
  /** Of the page before; null: from the beginning. */
  cursor: v.union(v.string(), v.null()),
  /** Documents on the page at most; default 100, at most `limits.exportedDocuments`. */
  limit: v.optional(v.number()),
};
export type RowsArgs = ObjectType<typeof rowsArgs>;

/** A page of a scope's rows, as a device shows them. */
export const vRowsPage = v.object({
  type: v.literal("page"),
  collection: v.string(),
  scope: v.string(),
  rows: v.array(v.record(v.string(), v.any())),
  /** Of each of them, where in the stream its newest change stands: a commit timestamp, as text to go through JSON. */
  positions: v.array(v.string()),
  /** Deleted or gone from the scope since an earlier page: of no document of a first one. */
  removed: v.array(v.string()),
  /** For the next page. */
  cursor: v.string(),
  isDone: v.boolean(),
  /** Of the definition that the rows are of; omitted if it is 1. */
  schemaVersion: v.optional(v.number()),
});

/** `denied`: the user may not read the scope. */
export const vRowsResult = v.union(vRowsPage, v.object({ type: v.literal("denied") }));
/** What `rows` returns, and `createReplica({ hydrate })` takes. */
export type RowsResult = Infer<typeof vRowsResult>;
