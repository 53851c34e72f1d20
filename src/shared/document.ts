import * as Y from "yjs";
import { blobFormat, packBlob, unpackBlob } from "./blob.js";
import {
  applyOperations,
  faultOfEntry,
  rootOf,
  writeOf,
  type MainWrite,
  type Migration,
} from "./mainDocument.js";
import type { Operation } from "./operations.js";

/** An update of one author, with the half-open range `[from, to)` of that author's clocks it fills. */
export interface AuthoredUpdate {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly author: number;
  readonly from: number;
  readonly to: number;
}

/**
 * What became of an update from the network. `gap`: it stands on something this state does not hold, which is
 * no fault of the update; its sender catches up and authors it again.
 */
export type MergeOutcome =
  | ({ readonly type: "merged"; readonly writes: readonly MainWrite[] } & Omit<AuthoredUpdate, "bytes">)
  | { readonly type: "gap" }
  | { readonly type: "invalid"; readonly message: string };

/**
 * Builds a document's state from blobs in stream order, in one Yjs transaction (one each is 50 times slower).
 *
 * @throws if a blob is malformed.
 */
export function openDocument(blobs: readonly Uint8Array[]): Y.Doc {
  const doc = new Y.Doc({ guid: "d" }); // any fixed guid: making up a random one costs more than the doc
  doc.transact(() => {
    for (const blob of blobs) applyBlob(doc, blob);
  });
  return doc;
}

/** Applies one blob, a delta or a snapshot. @throws if it is malformed, maybe after changing the doc. */
export function applyBlob(doc: Y.Doc, blob: Uint8Array): void {
  const { format, update } = unpackBlob(blob);
  if (format === blobFormat.v1) Y.applyUpdate(doc, update);
  else Y.applyUpdateV2(doc, update);
}

/** The whole state as a snapshot blob. */
export function encodeSnapshot(doc: Y.Doc): Uint8Array<ArrayBuffer> {
  return packBlob(blobFormat.v2, Y.encodeStateAsUpdateV2(doc));
}

/** So many structs take half a kilobyte more in V1 at the most. */
const mostStructsInV1 = 32;

/**
 * The whole state as one blob, to be kept where it is made. V2 stays small whatever the history, but sets up nine
 * encoders for each document: where there is little history V1 is a third of the work.
 */
export function encodeState(doc: Y.Doc): Uint8Array<ArrayBuffer> {
  let structs = 0;
  for (const ofAuthor of doc.store.clients.values()) structs += ofAuthor.length;
  if (structs > mostStructsInV1) return encodeSnapshot(doc);
  return packBlob(blobFormat.v1, Y.encodeStateAsUpdate(doc));
}

/** Whether a blob is a whole state, and no delta. */
export function isSnapshot(blob: Uint8Array): boolean {
  return blob[0] === blobFormat.v2;
}

/**
 * Blobs in stream order as one snapshot blob, without building the document: for a few deltas on a large snapshot. What
 * was deleted by a delta is still in it. Of many it is the slower way: Yjs joins them in quadratic time.
 */
export function joinBlobs(blobs: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const updates = blobs.map((blob) => {
    const { format, update } = unpackBlob(blob);
    return format === blobFormat.v1 ? Y.convertUpdateFormatV1ToV2(update) : update;
  });
  return packBlob(blobFormat.v2, Y.mergeUpdatesV2(updates));
}

/** The next clock of `author`: everything of it below is contained in the state. */
export function clockOf(doc: Y.Doc, author: number): number {
  return Y.getState(doc.store, author);
}

/** Whether parts of what was applied wait for structs that this state lacks. */
export function hasPending(doc: Y.Doc): boolean {
  return doc.store.pendingStructs !== null || doc.store.pendingDs !== null;
}

/**
 * Applies operations under `author`.
 *
 * @param migration what the document is to be migrated to with them. If they change nothing the doc is to be thrown away:
 *   it was migrated all the same
 * @returns the update they make, or null if they change nothing
 */
export function authorUpdate(
  doc: Y.Doc,
  author: number,
  operations: readonly Operation[],
  migration?: Migration,
): AuthoredUpdate | null {
  const from = clockOf(doc, author);
  let emitted: Uint8Array | null = null;
  const onUpdate = (update: Uint8Array) => (emitted = update);
  doc.on("update", onUpdate);
  const isChanged = applyOperations(doc, author, operations, migration);
  doc.off("update", onUpdate);
  if (emitted === null || !isChanged) return null;
  return { bytes: packBlob(blobFormat.v1, emitted), author, from, to: clockOf(doc, author) };
}

/**
 * Merges an update from the network into `doc`, trusting nothing about it. It must be one V1 delta of one
 * author whose first clock is exactly that author's next, and write only keys that this author may.
 * Unless the outcome is `merged` the doc may have changed: throw it away.
 */
export function mergeUpdate(doc: Y.Doc, blob: Uint8Array): MergeOutcome {
  const header = readHeader(blob);
  if (header.type !== "header") return header;
  const { author, from, to } = header;
  if (from !== clockOf(doc, author)) return { type: "gap" };
  const touched = new Set<string>();
  const root = rootOf(doc);
  const onChange = (event: Y.YMapEvent<unknown>) => event.keysChanged.forEach((key) => touched.add(key));
  root.observe(onChange);
  try {
    applyBlob(doc, blob);
  } catch (error) {
    return { type: "invalid", message: `The update cannot be applied: ${String(error)}` };
  } finally {
    root.unobserve(onChange);
  }
  if (hasPending(doc)) return { type: "gap" };
  const fault = faultOf(doc, touched, author);
  if (fault !== undefined) return { type: "invalid", message: fault };
  const writes = [...touched].flatMap((name) => writeOf(name, root.get(name)) ?? []);
  return { type: "merged", author, from, to, writes };
}

/** The author of an update from the network, or null if it cannot be told; {@link mergeUpdate} says why. */
export function authorOf(blob: Uint8Array): number | null {
  const header = readHeader(blob);
  return header.type === "header" ? header.author : null;
}

function readHeader(
  blob: Uint8Array,
): { type: "header"; author: number; from: number; to: number } | Extract<MergeOutcome, { type: "invalid" }> {
  const invalid = (message: string) => ({ type: "invalid", message }) as const;
  try {
    const { format, update } = unpackBlob(blob);
    if (format !== blobFormat.v1) return invalid("An update must be a V1 delta.");
    const { from, to } = Y.parseUpdateMeta(update);
    Y.decodeUpdate(update); // reads every struct and the delete set, so that truncated bytes throw here
    const [author, ...others] = from.keys();
    if (author === undefined) return invalid("The update writes nothing.");
    if (others.length > 0) return invalid(`The update has ${others.length + 1} authors; one is allowed.`);
    return { type: "header", author, from: from.get(author) as number, to: to.get(author) as number };
  } catch (error) {
    return invalid(`The update cannot be decoded: ${String(error)}`);
  }
}

function faultOf(doc: Y.Doc, touched: ReadonlySet<string>, author: number): string | undefined {
  const root = rootOf(doc);
  if (doc.share.size > 1) return `The update writes outside of root "r".`;
  if (root._start !== null) return "The update writes list content.";
  for (const name of touched) {
    const shown = JSON.stringify(name);
    if (!root.has(name)) return `The update deletes the key ${shown}; keys are only overwritten.`;
    const fault = faultOfEntry(name, root.get(name), author);
    if (fault !== undefined) return `The update's key ${shown} ${fault}.`;
  }
  return undefined;
}
