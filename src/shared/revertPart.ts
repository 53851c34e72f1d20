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
 * @param now - its blobs in stream order
 * @param author - an id that has never written in this part
 * @returns the update as a blob; null if nothing changes
 */
export function revertPart(
  kind: PartKind,
  then: Uint8Array,
  now: readonly Uint8Array[],
  author: number,
): Uint8Array<ArrayBuffer> | null {
  // Without collection: what has been deleted since has to be there, to be brought back.
  const doc = new Y.Doc({ guid: "d", gc: false });
  const root = partRoot(doc, kind);
  applyBlob(doc, then);
  const stateVector = Y.encodeStateVector(doc);
  const since = now.map((blob) => whatIsNew(blob, stateVector));
  doc.clientID = author;
  const old = root instanceof Y.Text ? (root.toDelta() as DeltaOperation[]) : null;
  const isPlain = old?.every(({ insert }) => !(insert instanceof Y.AbstractType)) === true;
  return root instanceof Y.Text && old !== null && isPlain
    ? revertText(doc, root, old, since)
    : undoAll(doc, root, since);
}

interface DeltaOperation {
  readonly insert?: unknown;
  readonly delete?: number;
  readonly retain?: number;
  readonly attributes?: Readonly<Record<string, unknown>>;
}

/**
 * By what the change did to the text, stretch by stretch: to undo it piece by piece takes twice as long where half of a
 * large text was deleted, and would not fit Convex's 1 s.
 */
function revertText(
  doc: Y.Doc,
  text: Y.Text,
  old: readonly DeltaOperation[],
  since: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> | null {
  let change: readonly DeltaOperation[] = [];
  text.observe((event) => (change = event.delta as DeltaOperation[]));
  applyAll(doc, since);
  const back = invertDelta(old, change);
  let emitted: Uint8Array | null = null;
  doc.on("update", (update: Uint8Array) => (emitted = update));
  doc.transact(() => text.applyDelta(back, { sanitize: false }));
  return emitted === null ? null : packBlob(blobFormat.v1, emitted);
}

/** What leads back to `old` from where `change` led. */
function invertDelta(old: readonly DeltaOperation[], change: readonly DeltaOperation[]): DeltaOperation[] {
  const rest = [...old].reverse();
  /** The next so many characters of the old text, as stretches of one format. */
  const take = (length: number): DeltaOperation[] => {
    const taken: DeltaOperation[] = [];
    for (let left = length; left > 0;) {
      const next = rest.pop();
      if (next === undefined) throw new RangeError("The change is longer than the text.");
      const size = lengthOf(next);
      if (size <= left) taken.push(next);
      else {
        const whole = next.insert as string;
        taken.push({ ...next, insert: whole.slice(0, left) });
        rest.push({ ...next, insert: whole.slice(left) });
      }
      left -= Math.min(size, left);
    }
    return taken;
  };
  return change.flatMap(({ insert, delete: deleted, retain, attributes }): DeltaOperation[] => {
    if (deleted !== undefined) return take(deleted);
    if (retain === undefined) return [{ delete: lengthOf({ insert }) }];
    const kept = take(retain);
    if (attributes === undefined) return [{ retain }];
    return kept.map((each) => {
      const before = Object.keys(attributes).map((name) => [name, each.attributes?.[name] ?? null]);
      return { retain: lengthOf(each), attributes: Object.fromEntries(before) as Record<string, unknown> };
    });
  });
}

function lengthOf({ insert }: DeltaOperation): number {
  return typeof insert === "string" ? insert.length : 1;
}

function undoAll(
  doc: Y.Doc,
  root: Y.Text | Y.XmlFragment,
  since: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> | null {
  const origin = {};
  const undo = new Y.UndoManager(root, { trackedOrigins: new Set([origin]) });
  applyAll(doc, since, origin);
  const updates: Uint8Array[] = [];
  doc.on("update", (update: Uint8Array) => updates.push(update));
  while (undo.canUndo()) undo.undo();
  const [first] = updates;
  if (first === undefined) return null;
  return packBlob(blobFormat.v1, updates.length === 1 ? first : Y.mergeUpdates(updates));
}

/** In one transaction, so that one change is told. */
function applyAll(doc: Y.Doc, blobs: readonly Uint8Array[], origin?: object): void {
  doc.transact(() => {
    for (const blob of blobs) applyBlob(doc, blob);
  }, origin);
}

/** Told without building what is there now: a large part fits Convex's 64 MiB once, and not twice. */
function whatIsNew(blob: Uint8Array, stateVector: Uint8Array): Uint8Array {
  const { format, update } = unpackBlob(blob);
  return format === blobFormat.v1 ? blob : packBlob(format, Y.diffUpdateV2(update, stateVector));
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
  // What a client has put there beside nodes, characters say, no editor shows.
  const nodes = (partRoot(from, kind) as Y.XmlFragment)
    .toArray()
    .filter((node) => node instanceof Y.XmlElement || node instanceof Y.XmlText);
  return authorRichText(into, author, (fragment) =>
    fragment.insert(
      0,
      nodes.map((node) => node.clone()),
    ),
  );
}
