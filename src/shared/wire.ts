import { v, type Infer } from "convex/values";

/** A position in a scope's stream: everything at or before (ts, document) has been seen. */
export const vCursor = v.object({ ts: v.int64(), document: v.string() });
export type Cursor = Infer<typeof vCursor>;

/** Sorts after every document id: a cursor with it stands behind the whole commit. */
export const endOfCommit = "\uffff";

/** Where a first load begins. */
export const startCursor: Cursor = { ts: 0n, document: endOfCommit };

export const vStreamEntry = v.object({
  document: v.string(),
  ts: v.int64(),
  type: v.union(v.literal("update"), v.literal("snapshot")),
  bytes: v.bytes(),
  client: v.optional(v.string()),
  transactions: v.optional(v.array(v.string())),
});
export type StreamEntry = Infer<typeof vStreamEntry>;

export const vPage = v.object({ entries: v.array(vStreamEntry), cursor: vCursor, done: v.boolean() });
export type Page = Infer<typeof vPage>;
