import type { Value } from "convex/values";

/** What may be a member of a set field. */
export type Primitive = string | number | boolean;

/**
 * One recorded change of a field. Operations, not states, are what a client queues: they can be applied to a
 * row at once, collapsed by value, and authored as a Yjs update against whatever state the document has by then.
 */
export type Operation =
  | { readonly type: "insert"; readonly fields: Readonly<Record<string, Value>> }
  | { readonly type: "delete" }
  | { readonly type: "set"; readonly field: string; readonly value: Value | undefined }
  | { readonly type: "increment"; readonly field: string; readonly by: number }
  | { readonly type: "add"; readonly field: string; readonly member: Primitive }
  | { readonly type: "remove"; readonly field: string; readonly member: Primitive };
