import { limits } from "./limits.js";

/** What a document's stored state weighs. */
export interface StateSize {
  readonly deltaCount: number;
  readonly deltaBytes: number;
  readonly snapshotBytes: number;
}

/**
 * Whether a document's deltas should become part of its snapshot: `due`, soon and in the background; `overdue`,
 * before anything more is appended, because reading it has become dear. By number, because each delta is a row; by
 * bytes only if they outweigh what is gained, so that a large document is not written anew for every small change.
 */
export function compactionNeed({
  deltaCount,
  deltaBytes,
  snapshotBytes,
}: StateSize): "none" | "due" | "overdue" {
  if (deltaCount > limits.compactInPlaceDeltas || deltaBytes > limits.compactInPlaceBytes) return "overdue";
  const mostBytes = Math.max(limits.compactBytes, snapshotBytes / 2);
  return deltaCount >= limits.compactDeltas || (deltaCount > 1 && deltaBytes > mostBytes) ? "due" : "none";
}
