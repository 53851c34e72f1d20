import type { GenericDataModel, GenericMutationCtx } from "convex/server";
import type { ComponentApi } from "../component/_generated/component.js";
import { compactionNeed, type StateSize } from "../shared/compaction.js";

/** A document by the names under which the component stores it. */
export interface DocumentKey {
  readonly collection: string;
  readonly document: string;
}

/** A document's state as bytes, in the order in which they are applied. */
export interface LoadedState extends StateSize {
  /** Where it is stored; null: there is no such document, and never was. */
  readonly scope: string | null;
  readonly blobs: readonly Uint8Array[];
  /** It has more deltas than are read: nothing may be merged into it before it is compacted. */
  readonly isCut: boolean;
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
  const args = {
    documents: documents.map(({ collection, document }) => ({ collection, document, part: "" })),
  };
  const stale = await ctx.runQuery(component.states.load, args, { useStaleSnapshot: true });
  const isSame = stale.snapshotTs === (await ctx.meta.getSnapshotTs());
  const { states } = isSame ? stale : await ctx.runQuery(component.states.load, args);
  return states.map(({ scope, blobs, deltaRows, deltaBytes, snapshotBytes, isCut }) => ({
    scope,
    blobs: blobs.map((blob) => new Uint8Array(blob)),
    deltaCount: deltaRows.length,
    deltaBytes,
    snapshotBytes,
    isCut,
  }));
}

/**
 * Which of the documents that get another delta are to be compacted before that, those with most deltas first. Those
 * that are merely due are the follower's business.
 */
export function overdueOf(
  appended: readonly { readonly key: DocumentKey; readonly state: StateSize }[],
): DocumentKey[] {
  return appended
    .filter(({ state }) => compactionNeed(state) === "overdue")
    .sort((a, b) => b.state.deltaCount - a.state.deltaCount)
    .map(({ key }) => key);
}
