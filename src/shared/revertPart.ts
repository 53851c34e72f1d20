// Bringing a part back to an earlier state, as a change that merges like any other.
import * as Y from "yjs";
import { blobFormat, packBlob, unpackBlob } from "./blob.js";
import { applyBlob, openDocument } from "./document.js";
import { authorRichText, authorText, partRoot } from "./partDocument.js";

export type PartKind = "text" | "richText";

/**
 * What leads from one state of a part to an earlier one: all that was done since is undone, which is what a user's undo
 * would do. What others type meanwhile stays; what they typed into what is taken away goes with it.
 *
 * @param author - an id that has never written in this part
 * @returns the update as a blob; null if nothing changes
 */
export function revertPart(
  kind: PartKind,
  then: Uint8Array,
  now: Uint8Array,
  author: number,
): Uint8Array<ArrayBuffer> | null {
  // Without collection: what has been deleted since has to be there, to be brought back.
  const doc = new Y.Doc({ guid: "d", gc: false });
  const root = partRoot(doc, kind);
  applyBlob(doc, then);
  const since = whatIsNew(now, Y.encodeStateVector(doc));
  doc.clientID = author;
  const origin = {};
  const undo = new Y.UndoManager(root, { trackedOrigins: new Set([origin]) });
  Y.applyUpdateV2(doc, since, origin);
  const updates: Uint8Array[] = [];
  doc.on("update", (update: Uint8Array) => updates.push(update));
  while (undo.canUndo()) undo.undo();
  const [first] = updates;
  if (first === undefined) return null;
  return packBlob(blobFormat.v1, updates.length === 1 ? first : Y.mergeUpdates(updates));
}

/** Told without building what is there now: a large part fits Convex's 64 MiB once, and not twice. */
function whatIsNew(blob: Uint8Array, stateVector: Uint8Array): Uint8Array {
  const { format, update } = unpackBlob(blob);
  return Y.diffUpdateV2(format === blobFormat.v1 ? Y.convertUpdateFormatV1ToV2(update) : update, stateVector);
}

/**
 * What leads from an empty part to a state that another had, of a document that was deleted since: its content, written anew
 * under an author of its own, for the ids of the old one may be written under again.
 */
export function copyPart(kind: PartKind, then: Uint8Array, author: number): Uint8Array<ArrayBuffer> | null {
  const from = openDocument([then]);
  const into = openDocument([]);
  if (kind === "text") {
    const delta = (partRoot(from, kind) as Y.Text).toDelta() as object[];
    return authorText(into, author, (text) => text.applyDelta(delta, { sanitize: false }));
  }
  const nodes = (partRoot(from, kind) as Y.XmlFragment).toArray();
  return authorRichText(into, author, (fragment) =>
    fragment.insert(
      0,
      nodes.map((node) => node.clone() as Y.XmlElement | Y.XmlText),
    ),
  );
}
