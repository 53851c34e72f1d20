// Reads a main document straight from its bytes, without a Yjs document, which takes many times as long to build. Most
// documents are simple: plain values in the root map, each author's in the order of its clocks. Whatever else is met, or
// is not understood to the last byte, is left to Yjs, whose word counts. Neither Yjs nor lib0 is imported.
import { blobFormat } from "./blob.js";
import { Unreadable } from "./rowReaderBytes.js";
import { ColumnsV1, ColumnsV2, type Columns } from "./rowReaderColumns.js";
import { readItems } from "./rowReaderItems.js";
import { clockAfter, lastOf } from "./rowReaderOrder.js";

/** A whole main document, as a Yjs document of the same bytes would show it. */
export interface ReadDocument {
  /** The entries of the root map. Bytes in them are views of the blob. */
  readonly entries: ReadonlyMap<string, unknown>;
  /** By author, its next clock: everything of it below is contained. Who is missing has written nothing. */
  readonly clocks: ReadonlyMap<number, number>;
}

/**
 * Reads blobs that are a document's whole state: a snapshot, or the delta of its insert, and what was written since, in
 * the order in which it was applied. Never throws. The work and the memory it takes are bounded by the size of the blobs
 * and a fixed number of items, whatever the bytes say.
 *
 * @returns null if only Yjs can tell, be it because the bytes are malformed
 */
export function readEntries(...blobs: readonly Uint8Array[]): ReadDocument | null {
  try {
    return read(blobs.map(columnsOf));
  } catch (error) {
    if (error instanceof Unreadable) return null;
    throw error;
  }
}

function columnsOf(blob: Uint8Array): Columns {
  if (blob[0] === blobFormat.v1) return new ColumnsV1(blob.subarray(1));
  if (blob[0] === blobFormat.v2) return new ColumnsV2(blob.subarray(1));
  throw new Unreadable("A format that is not known.");
}

function read(updates: readonly Columns[]): ReadDocument {
  const { byClient, firsts } = readItems(updates);
  // In the same map: of ten thousand documents a second one each is felt.
  const entries: Map<string, unknown> = firsts;
  for (const [key, first] of firsts) {
    const last = lastOf(first);
    if (last.isDeleted) entries.delete(key);
    else entries.set(key, last.value);
  }
  const clocks = new Map<number, number>();
  for (const [client, items] of byClient) clocks.set(client, clockAfter(items));
  return { entries, clocks };
}
