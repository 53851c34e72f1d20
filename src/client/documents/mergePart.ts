import { encodeState } from "../../shared/document.js";
import { limits } from "../../shared/limits.js";
import { openPart } from "../../shared/partDocument.js";
import { blobsOf, keepBlobs, mayKeep } from "./base.js";

/** Opening a part takes a Yjs document anyway, and merging a large one 20 ms: what others type is merged by so many. */
const mostBlobs = 64;

/**
 * Puts what was read of a part behind what is held of it, and merges all of it once that is much. What is too large to be
 * opened stays as it is.
 *
 * @param held - its base; undefined: nothing
 * @param news - blobs, in stream order; none: the part is empty
 * @throws if one that has to be opened is malformed
 */
export function mergePart(held: Uint8Array | undefined, news: readonly Uint8Array[]): Uint8Array {
  const blobs = [...(held === undefined ? [] : blobsOf(held)), ...news];
  const bytes = blobs.reduce((sum, blob) => sum + blob.length, 0);
  if (blobs.length === 1 || mayKeep(blobs, mostBlobs) || bytes > limits.partStateBytes)
    return keepBlobs(blobs);
  return encodeState(openPart(blobs));
}
