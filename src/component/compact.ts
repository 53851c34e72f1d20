import { v } from "convex/values";
import { encodeSnapshot, openDocument } from "../shared/document.js";
import { api } from "./_generated/api.js";
import { mutation } from "./_generated/server.js";
import { splitChunks } from "./chunks.js";
import type { State } from "./states.js";

/**
 * Replaces a document's deltas by one snapshot that stands at the ts of the newest of them, in one transaction.
 *
 * A client behind that ts meets the snapshot, which holds at least what it missed; one at or past it sees no
 * change after its cursor (I-10). The state is read on a stale snapshot, so an append that commits meanwhile is
 * no conflict: it is simply not part of this compaction. Deleting the rows by id is the only read that counts,
 * and makes two compactions of one document conflict with each other and with nothing else (I-13).
 *
 * @returns how many delta rows were replaced.
 */
export const compact = mutation({
  args: { collection: v.string(), document: v.string() },
  returns: v.number(),
  handler: async (ctx, { collection, document }): Promise<number> => {
    const state: State = await ctx.runQuery(
      api.states.load,
      { collection, document },
      { useStaleSnapshot: true },
    );
    if (state.deltaRows.length === 0 || state.scope === null) return 0;
    const doc = openDocument(state.blobs.map((blob) => new Uint8Array(blob)));
    for (const row of state.snapshotRows) await ctx.db.delete("snapshots", row);
    for (const row of state.deltaRows) await ctx.db.delete("deltas", row);
    const { scope, ts } = state;
    for (const chunk of splitChunks(encodeSnapshot(doc).buffer)) {
      await ctx.db.insert("snapshots", { collection, scope, document, ts, ...chunk });
    }
    return state.deltaRows.length;
  },
});
