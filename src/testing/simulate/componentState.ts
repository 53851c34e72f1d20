// What the component holds, in one look: a function that is mounted in it beside its own.
import { queryGeneric, type FunctionReference } from "convex/server";
import { joinChunks } from "../../component/chunks.js";
import type { Doc } from "../../component/_generated/dataModel.js";
import type { QueryCtx } from "../../component/_generated/server.js";
import type { StoredState } from "../simulation/backend.js";

/** More than a script of some hundred steps can fill. */
const mostRows = 8000;

type Row = Doc<"deltas"> | Doc<"snapshots">;

export interface ComponentState {
  readonly epochs: readonly { readonly collection: string; readonly epoch: string }[];
  readonly states: readonly StoredState[];
}

/** Of main documents. Rows come in the order in which they were made, which is that of their positions. */
export const look = queryGeneric({
  args: {},
  handler: async (ctx): Promise<ComponentState> => {
    const { db } = ctx as unknown as QueryCtx;
    const snapshots = await db.query("snapshots").take(mostRows);
    const deltas = await db.query("deltas").take(mostRows);
    const collections = await db.query("collections").take(mostRows);
    const byDocument = new Map<string, Row[]>();
    for (const row of [...snapshots, ...deltas]) {
      if (row.part !== "") continue;
      const key = JSON.stringify([row.collection, row.document]);
      byDocument.set(key, [...(byDocument.get(key) ?? []), row]);
    }
    return {
      epochs: collections.map(({ name, epoch }) => ({ collection: name, epoch })),
      states: [...byDocument.values()].map((rows) => stateOf(rows)),
    };
  },
});

export type LookReference = FunctionReference<"query", "internal", Record<string, never>, ComponentState>;

/** @param rows of one document, its snapshot first */
function stateOf(rows: readonly Row[]): StoredState {
  const newest = rows.at(-1) as Row;
  return {
    collection: newest.collection,
    id: newest.document,
    scope: newest.scope ?? null,
    ts: newest.ts as unknown as bigint,
    blobs: joinChunks([...rows]).map(({ bytes }) => bytes),
  };
}
