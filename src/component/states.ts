import { v, type Infer } from "convex/values";
import { limits } from "../shared/limits.js";
import { query } from "./_generated/server.js";
import { joinChunks } from "./chunks.js";
import { committedTs } from "./committedTs.js";

const vState = v.object({
  /** The rows this state was read from, so that compaction can replace exactly those. */
  snapshotRows: v.array(v.id("snapshots")),
  deltaRows: v.array(v.id("deltas")),
  scope: v.union(v.string(), v.null()),
  ts: v.int64(),
  blobs: v.array(v.bytes()),
});
export type State = Infer<typeof vState>;

/**
 * A document's stored state in stream order. Call it with `useStaleSnapshot`: it then adds nothing to the
 * caller's read set, so that nothing that is appended or compacted meanwhile conflicts with the caller.
 * Read are at most `limits.stateDeltas` deltas beside the snapshot; push keeps documents below that.
 */
export const load = query({
  args: { collection: v.string(), document: v.string() },
  returns: vState,
  handler: async (ctx, { collection, document }) => {
    const snapshotRows = await ctx.db
      .query("snapshots")
      .withIndex("by_document", (q) => q.eq("collection", collection).eq("document", document))
      .take(limits.stateChunks);
    const deltaRows = await ctx.db
      .query("deltas")
      .withIndex("by_document", (q) => q.eq("collection", collection).eq("document", document))
      .take(limits.stateDeltas);
    const newest = deltaRows.at(-1) ?? snapshotRows.at(-1);
    return {
      snapshotRows: snapshotRows.map((row) => row._id),
      deltaRows: deltaRows.map((row) => row._id),
      scope: newest?.scope ?? null,
      ts: newest === undefined ? 0n : committedTs(newest),
      blobs: [...joinChunks(snapshotRows), ...joinChunks(deltaRows)].map((entry) => entry.bytes),
    };
  },
});
