// A document's base is its whole state: one blob, or several in stream order that nobody has merged yet. Merging two blobs
// takes a Yjs document, reading them takes none (see rowReader.ts): so what comes is put behind what is there, and merged
// once it is much. A base of several begins with a format byte of its own, which no blob has, and never leaves the device.
import { openDocument } from "../../shared/document.js";

const formatOfSeveral = 3;
const lengthBytes = 4;

/** More are merged: reading a base takes as many times longer. */
const mostBlobs = 8;
/** A base is not much larger than its state: what lies behind its first blob is this, or half as much as that, at the most. */
const mostBehindBytes = 512;

/** The blobs of a base, in stream order. Views of its bytes. @throws RangeError if it is malformed */
export function blobsOf(base: Uint8Array): Uint8Array[] {
  if (base[0] !== formatOfSeveral) return [base];
  const view = new DataView(base.buffer, base.byteOffset, base.byteLength);
  const blobs: Uint8Array[] = [];
  for (let at = 1; at < base.length;) {
    const start = at + lengthBytes;
    const end = start + view.getUint32(at);
    if (end > base.length) throw new RangeError(`A base of ${base.length} bytes ends within a blob.`);
    blobs.push(base.subarray(start, end));
    at = end;
  }
  return blobs;
}

/** Whether blobs are few and small enough to be kept as they are. @param most - how many are few */
export function mayKeep([first, ...behind]: readonly Uint8Array[], most = mostBlobs): boolean {
  if (first === undefined || behind.length >= most) return false;
  const bytes = behind.reduce((sum, blob) => sum + blob.length, 0);
  return bytes <= Math.max(mostBehindBytes, first.length / 2);
}

/** The base of blobs that are kept as they are. @param blobs - plain ones, at least one */
export function keepBlobs(blobs: readonly Uint8Array[]): Uint8Array {
  if (blobs.length === 1) return blobs[0] as Uint8Array;
  const base = new Uint8Array(blobs.reduce((sum, blob) => sum + lengthBytes + blob.length, 1));
  const view = new DataView(base.buffer);
  base[0] = formatOfSeveral;
  let at = 1;
  for (const blob of blobs) {
    view.setUint32(at, blob.length);
    base.set(blob, at + lengthBytes);
    at += lengthBytes + blob.length;
  }
  return base;
}

/** A Yjs document of bases and blobs. @throws if one is malformed */
export function openBase(blobs: readonly Uint8Array[]): ReturnType<typeof openDocument> {
  return openDocument(blobs.flatMap(blobsOf));
}
