// The layout of a part in a Yjs doc of its own, in one place: a root named `p`, a `Y.Text` or a `Y.XmlFragment`.
// Parts are appended without being read, so an update is judged by itself: by what it holds, not by what it does.
import * as Y from "yjs";
import { blobFormat, packBlob, unpackBlob } from "./blob.js";

const ROOT = "p";

/** Which field of a document a part is, in which of its lives. */
export interface PartName {
  readonly field: string;
  readonly incarnation: number;
}

/**
 * The name of a part on the wire and in the tables: its field, and after a deletion the incarnation with it, so that
 * the text of a deleted document does not come back with a later insert of its id.
 */
export function partKey({ field, incarnation }: PartName): string {
  return incarnation === 0 ? field : `${field}\0${incarnation}`;
}

/** @returns null if no part can be named so */
export function parsePart(part: string): PartName | null {
  const [field = "", incarnation, ...rest] = part.split("\0");
  if (field === "" || rest.length > 0) return null;
  if (incarnation === undefined) return { field, incarnation: 0 };
  return /^[1-9][0-9]{0,14}$/.test(incarnation) ? { field, incarnation: Number(incarnation) } : null;
}

export type PartUpdateCheck =
  | { readonly type: "part"; readonly authors: readonly number[] }
  | { readonly type: "invalid"; readonly message: string };

/**
 * Judges an update of a part from the network, trusting nothing about it: one V1 delta that can be decoded, and writes
 * nowhere but in the root `p`. Whether it stands on what the part holds is not known: it waits in the part until it does.
 *
 * @returns whose structs it brings; an update that only deletes brings none
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
    return { type: "part", authors: [...new Set(structs.map(({ id }) => id.client))] };
  } catch (error) {
    return invalid(`The update cannot be decoded: ${String(error)}`);
  }
}

/** The root of a part, as the kind of its field says. */
export function partRoot(doc: Y.Doc, kind: "text" | "richText"): Y.Text | Y.XmlFragment {
  return kind === "text" ? doc.getText(ROOT) : doc.getXmlFragment(ROOT);
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
 */
export function plainText(doc: Y.Doc): string {
  const root = doc.share.get(ROOT);
  if (root === undefined) return "";
  for (let item = root._start; item !== null; item = item.right)
    if (item.content instanceof Y.ContentType && isXml(item.content.type))
      return linesOf(doc.getXmlFragment(ROOT)).join("\n");
  return doc.getText(ROOT).toString();
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
