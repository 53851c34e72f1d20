import type { GenericDataModel, GenericMutationCtx } from "convex/server";
import type { ComponentApi } from "../component/_generated/component.js";

/** A document by the names under which the component stores it. */
export interface DocumentKey {
  readonly collection: string;
  readonly document: string;
}

/** A document's state as bytes, in the order in which they are applied. */
export interface LoadedState {
  readonly blobs: readonly Uint8Array[];
  readonly deltaCount: number;
}

/**
 * Documents' states as of this transaction's snapshot. They are read on a stale snapshot, which adds nothing to
 * the read set: that two writes to one document conflict is the business of its app row or guard, and compaction
 * may go on beside. Should the stale snapshot be another one than this transaction's own, they are read normally.
 *
 * @returns fewer states than documents if all of them are too large to be read in one transaction
 */
export async function loadStates(
  ctx: GenericMutationCtx<GenericDataModel>,
  component: ComponentApi,
  documents: readonly DocumentKey[],
): Promise<LoadedState[]> {
  if (documents.length === 0) return [];
  const args = { documents: documents.map(({ collection, document }) => ({ collection, document })) };
  const stale = await ctx.runQuery(component.states.load, args, { useStaleSnapshot: true });
  const isSame = stale.snapshotTs === (await ctx.meta.getSnapshotTs());
  const { states } = isSame ? stale : await ctx.runQuery(component.states.load, args);
  return states.map(({ blobs, deltaRows }) => ({
    blobs: blobs.map((blob) => new Uint8Array(blob)),
    deltaCount: deltaRows.length,
  }));
}
