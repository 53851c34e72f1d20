import { type AnyCollection, type PlainRow } from "../../collections/index.js";
import { clockOf, encodeState, openDocument } from "../../shared/document.js";
import { readMain } from "../../shared/mainDocument.js";
import { projectMain, type MainState } from "../../shared/mainState.js";
import { readEntries } from "../../shared/rowReader.js";
import { blobsOf, keepBlobs, mayKeep } from "./base.js";
import { showRow, type ShownRow } from "./showRow.js";

/** Which clocks an authored update fills. */
interface ClockRange {
  readonly author: number;
  readonly to: number;
}

/** A document after stream entries were merged into it. */
export interface MergedDocument<U extends ClockRange> {
  readonly base: Uint8Array;
  readonly row: PlainRow | null;
  /** What of its row is to be stored beside it. */
  readonly shown: ShownRow["stored"];
  /** Why its row cannot be shown. */
  readonly fault: ShownRow["fault"];
  /** The schema version that the document is of. */
  readonly version: number;
  /** In which of its lives the document is. */
  readonly incarnation: number;
  /** Those of the given updates that the state contains, whichever way they came. */
  readonly covered: readonly U[];
}

/**
 * Merges blobs in stream order into a document's base: by reading them, where they are few and simple, which needs no Yjs
 * document; else in one Yjs transaction.
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
  const { nextClock, state, merged } = mergeBlobs(base === undefined ? blobs : [base, ...blobs]);
  const { row, stored, fault } = showRow(definition, id, state);
  return {
    base: merged,
    ...{ row, shown: stored, fault, version: state.version },
    incarnation: state.incarnation,
    // Every authored update adds a struct, so the state vector tells exactly whether a state contains it.
    covered: updates.filter((update) => nextClock(update.author) >= update.to),
  };
}

/** The state that a base holds. @throws if it is malformed */
export function stateOf(base: Uint8Array): MainState {
  return mergeBlobs([base]).state;
}

interface MergedBlobs {
  readonly merged: Uint8Array;
  readonly state: MainState;
  nextClock(author: number): number;
}

function mergeBlobs(given: readonly Uint8Array[]): MergedBlobs {
  const blobs = given.flatMap(blobsOf);
  const isKept = blobs.length === 1 || mayKeep(blobs);
  const read = isKept ? readEntries(...blobs) : null;
  if (read !== null)
    return {
      merged: given.length === 1 ? (given[0] as Uint8Array) : keepBlobs(blobs),
      state: projectMain(read.entries),
      nextClock: (author) => read.clocks.get(author) ?? 0,
    };
  const doc = openDocument(blobs);
  return {
    merged: given.length === 1 ? (given[0] as Uint8Array) : encodeState(doc),
    state: readMain(doc),
    nextClock: (author) => clockOf(doc, author),
  };
}
