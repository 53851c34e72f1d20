import { projectRow, type AnyCollection, type PlainRow } from "../../collections/index.js";
import { clockOf, encodeSnapshot, openDocument } from "../../shared/document.js";
import { readMain } from "../../shared/mainDocument.js";

/** Which clocks an authored update fills. */
interface ClockRange {
  readonly author: number;
  readonly to: number;
}

/** A document after stream entries were merged into it. */
export interface MergedDocument<U extends ClockRange> {
  readonly base: Uint8Array;
  readonly row: PlainRow | null;
  /** In which of its lives the document is. */
  readonly incarnation: number;
  /** Those of the given updates that the state contains, whichever way they came. */
  readonly covered: readonly U[];
}

/**
 * Merges blobs in stream order into a document's base, in one Yjs transaction.
 *
 * @param updates this device's authored updates of the document that were not yet covered
 * @throws if a blob is malformed
 */
export function mergeDocument<U extends ClockRange>(
  definition: AnyCollection,
  id: string,
  base: Uint8Array | undefined,
  blobs: readonly Uint8Array[],
  updates: readonly U[],
): MergedDocument<U> {
  const all = base === undefined ? blobs : [base, ...blobs];
  const doc = openDocument(all);
  const [only, ...others] = all;
  const main = readMain(doc);
  return {
    // A first load brings most documents as one blob: to encode it again would take as long as to read it.
    base: only !== undefined && others.length === 0 ? only : encodeSnapshot(doc),
    row: projectRow(definition, id, main),
    incarnation: main.incarnation,
    // Every authored update adds a struct, so the state vector tells exactly whether a state contains it.
    covered: updates.filter((update) => clockOf(doc, update.author) >= update.to),
  };
}
