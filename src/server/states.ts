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
  const args = { documents: documents.map(({ collection, document }) => ({ collection, document })) };
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

/** Which of the documents that get another delta are to be compacted in the background, and which before that. */
export function upkeepOf(
  appended: readonly { readonly key: DocumentKey; readonly state: StateSize; readonly bytes: number }[],
): { due: DocumentKey[]; overdue: DocumentKey[] } {
  const due: DocumentKey[] = [];
  const overdue: { key: DocumentKey; deltaCount: number }[] = [];
  for (const { key, state, bytes } of appended) {
    const { deltaCount, deltaBytes, snapshotBytes } = state;
    const grown = { deltaCount: deltaCount + 1, deltaBytes: deltaBytes + bytes, snapshotBytes };
    if (compactionNeed(state) === "overdue") overdue.push({ key, deltaCount });
    else if (compactionNeed(grown) !== "none") due.push(key);
  }
  return { due, overdue: overdue.sort((a, b) => b.deltaCount - a.deltaCount).map(({ key }) => key) };
}
