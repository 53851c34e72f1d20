// The layout of a part in a Yjs doc of its own, in one place: a root named `p`, a `Y.Text` or a `Y.XmlFragment`.
// Parts are appended without being read, so an update is judged by itself: by what it holds, not by what it does.
import * as Y from "yjs";
import { blobFormat, packBlob, unpackBlob } from "./blob.js";
import { applyBlob, openDocument } from "./document.js";
import { limits } from "./limits.js";

export { parsePart, partKey, type PartName } from "./partNames.js";

const ROOT = "p";

/** A part that is open. */
export type PartDoc = Y.Doc;

export type PartUpdateCheck =
  | {
      readonly type: "part";
      /** Whose structs it brings; an update that only deletes brings none. */
      readonly authors: readonly number[];
      /** How many pieces it inserts, and deletes: what it costs to apply it, whatever its bytes. */
      readonly pieces: number;
    }
  | { readonly type: "invalid"; readonly message: string };

/**
 * Judges an update of a part from the network, trusting nothing about it: one V1 delta that can be decoded, and writes
 * nowhere but in the root `p`. Whether it stands on what the part holds is not known: it waits in the part until it does.
 */
export function checkPartUpdate(blob: Uint8Array): PartUpdateCheck {
  const invalid = (message: string): PartUpdateCheck => ({ type: "invalid", message });
  try {
    const { format, update } = unpackBlob(blob);
    if (format !== blobFormat.v1) return invalid("An update must be a V1 delta.");
    const { structs, ds } = Y.decodeUpdate(update);
    if (structs.length === 0 && ds.clients.size === 0) return invalid("The update writes nothing.");
    for (const struct of structs) {
      if (struct instanceof Y.Skip) return invalid("The update has a gap.");
      if (!(struct instanceof Y.Item)) continue;
      // A name where the parent is a root; an id, or nothing beside a neighbour, where it is inside of one.
      if (typeof struct.parent === "string" && struct.parent !== ROOT)
        return invalid(`The update writes outside of root "${ROOT}".`);
      if (struct.content instanceof Y.ContentDoc) return invalid("The update holds a nested Yjs document.");
    }
    const deleted = [...ds.clients.values()].reduce((sum, ranges) => sum + ranges.length, 0);
    const authors = [...new Set(structs.map(({ id }) => id.client))];
    return { type: "part", authors, pieces: structs.length + deleted };
  } catch (error) {
    return invalid(`The update cannot be decoded: ${String(error)}`);
  }
}

/** The root of a part, as the kind of its field says. */
export function partRoot(doc: Y.Doc, kind: "text" | "richText"): Y.Text | Y.XmlFragment {
  return kind === "text" ? doc.getText(ROOT) : doc.getXmlFragment(ROOT);
}

/**
 * Builds a part from blobs in stream order, in one Yjs transaction. Unlike main documents, parts are appended without
 * being read: anybody who may write one may fill it with updates that stand on nothing. Yjs would put each of them
 * together with all that wait already, which is quadratic; here they are put together once, at the end.
 *
 * @param pieces - of how many its snapshot is made
 * @throws if a blob is malformed, or there is so much that it would not end in time
 */
export function openPart(blobs: readonly Uint8Array[], pieces = 0): Y.Doc {
  const bytes = blobs.reduce((sum, blob) => sum + blob.length, 0);
  if (pieces > limits.partStatePieces)
    throw new RangeError(
      `It has ${pieces} pieces, and a part that is opened has ${limits.partStatePieces} at most.`,
    );
  if (bytes > limits.partStateBytes)
    throw new RangeError(
      `It has ${bytes} bytes, and a part that is opened has ${limits.partStateBytes} at most.`,
    );
  const doc = openDocument([]);
  const waiting: Uint8Array[] = [];
  doc.transact(() => {
    for (const blob of blobs) {
      applyBlob(doc, blob);
      const { pendingStructs, pendingDs } = doc.store;
      if (pendingStructs !== null) waiting.push(pendingStructs.update);
      if (pendingDs !== null) waiting.push(pendingDs);
      [doc.store.pendingStructs, doc.store.pendingDs] = [null, null];
    }
    if (waiting.length > 0) Y.applyUpdateV2(doc, Y.mergeUpdatesV2(waiting));
  });
  return doc;
}

/** Brings what others have made into a part that somebody has open. @param origin - of the Yjs transaction */
export function mergeIntoPart(doc: PartDoc, blobs: readonly Uint8Array[], origin: unknown): void {
  doc.transact(() => {
    for (const blob of blobs) applyBlob(doc, blob);
  }, origin);
}

/** Whether all that was ever inserted into `part` is in `whole`: it is the same part, and has gone on. */
export function holdsAllOf(whole: PartDoc, part: PartDoc): boolean {
  return [...part.store.clients.keys()].every(
    (author) => Y.getState(whole.store, author) >= Y.getState(part.store, author),
  );
}

/** Of how many pieces a part is made, deleted ones too: what it costs to open it, whatever its bytes. */
export function piecesOf(doc: Y.Doc): number {
  return [...doc.store.clients.values()].reduce((sum, structs) => sum + structs.length, 0);
}

/** Edits a text under an author. @returns the update as a blob; null if nothing changed */
export function authorText(
  doc: Y.Doc,
  author: number,
  edit: (text: Y.Text) => void,
): Uint8Array<ArrayBuffer> | null {
  return authorWith(doc, author, () => edit(doc.getText(ROOT)));
}

/** Edits a rich text under an author. @returns the update as a blob; null if nothing changed */
export function authorRichText(
  doc: Y.Doc,
  author: number,
  edit: (fragment: Y.XmlFragment) => void,
): Uint8Array<ArrayBuffer> | null {
  return authorWith(doc, author, () => edit(doc.getXmlFragment(ROOT)));
}

function authorWith(doc: Y.Doc, author: number, work: () => void): Uint8Array<ArrayBuffer> | null {
  let emitted: Uint8Array | null = null;
  const onUpdate = (update: Uint8Array) => (emitted = update);
  doc.clientID = author;
  doc.on("update", onUpdate);
  doc.transact(work);
  doc.off("update", onUpdate);
  return emitted === null ? null : packBlob(blobFormat.v1, emitted);
}

/**
 * A part's text without its marks; elements of a rich text are lines of their own. Which of the two it is, it says
 * itself: a text is made of characters, a rich text of elements.
 *
 * @param most - the rest of a text that is longer may be left out
 */
export function plainText(doc: Y.Doc, most = Number.POSITIVE_INFINITY): string {
  let text = "";
  for (let item = doc.share.get(ROOT)?._start ?? null; item !== null; item = item.right)
    if (item.content instanceof Y.ContentType && isXml(item.content.type))
      return linesOf(doc.getXmlFragment(ROOT)).join("\n");
    else if (item.content instanceof Y.ContentString && !item.deleted && text.length < most)
      text += item.content.str;
  return text;
}

function isXml(type: Y.AbstractType<unknown>): boolean {
  return type instanceof Y.XmlElement || type instanceof Y.XmlText;
}

function linesOf(parent: Y.XmlFragment): string[] {
  const lines: string[] = [];
  let isOpen = false;
  for (const child of parent.toArray()) {
    if (child instanceof Y.XmlText) {
      const text = textOf(child);
      if (isOpen) lines.push(`${lines.pop() ?? ""}${text}`);
      else lines.push(text);
      isOpen = true;
    } else if (child instanceof Y.XmlElement) {
      lines.push(...linesOf(child));
      isOpen = false;
    }
  }
  return lines;
}

function textOf(text: Y.XmlText): string {
  return (text.toDelta() as { insert: unknown }[])
    .map(({ insert }) => (typeof insert === "string" ? insert : ""))
    .join("");
}

/** The beginning of a text, at most so many bytes in UTF-8, never half a character. */
export function beginningOf(text: string, bytes: number): string {
  if (text.length * 3 <= bytes) return text;
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(bytes));
  return text.slice(0, read);
}

/** The first characters of a text, never half of one. */
export function previewOf(text: string, characters: number): string {
  if (text.length <= characters) return text;
  const last = text.charCodeAt(characters - 1);
  return text.slice(0, last >= 0xd800 && last < 0xdc00 ? characters - 1 : characters);
}
