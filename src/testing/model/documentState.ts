// What a document is, told from a list of updates and from nothing else: none is ever dropped or compacted here.
import { projectRow, type PlainRow } from "../../collections/index.js";
import { applyBlob, clockOf, hasPending, openDocument } from "../../shared/document.js";
import { readMain, rootOf, type MainState } from "../../shared/mainDocument.js";
import { plainText } from "../../shared/partDocument.js";
import { sites } from "../fieldApp.js";

export type Doc = ReturnType<typeof openDocument>;

/** In the order in which they are applied; a list that has been given away is not changed any more. */
export type Updates = readonly Uint8Array[];

/** All that can be seen of a state. */
export interface Fingerprint {
  /** Every key, also of removed fields and of earlier lives, with its value; of a part its text. */
  readonly entries: string;
  /** The next clock of each author. */
  readonly clocks: ReadonlyMap<number, number>;
  readonly hasPending: boolean;
}

const fingerprints = new WeakMap<Updates, Fingerprint>();
const longer = new WeakMap<Updates, WeakMap<ArrayBuffer, Updates>>();

/** Of nothing. */
export const noUpdates: Updates = [];

/** A list with one more. The same of the same: what many readers hold is looked at once. */
export function append(updates: Updates, bytes: ArrayBuffer): Updates {
  const known = longer.get(updates) ?? new WeakMap<ArrayBuffer, Updates>();
  longer.set(updates, known);
  const appended = known.get(bytes) ?? [...updates, new Uint8Array(bytes)];
  known.set(bytes, appended);
  return appended;
}

/** A state of which nothing is ever collected. */
export function openAll(updates: Updates): Doc {
  const doc = openDocument([]);
  doc.gc = false;
  doc.transact(() => {
    for (const update of updates) applyBlob(doc, update);
  });
  return doc;
}

export function fingerprintOf(updates: Updates): Fingerprint {
  const known = fingerprints.get(updates);
  if (known !== undefined) return known;
  const doc = openAll(updates);
  const entries = [...rootOf(doc).entries()].map(([key, value]) => [key, value ?? null] as const);
  const authors = [...doc.store.clients.keys()].sort((a, b) => a - b);
  const fingerprint = {
    entries: JSON.stringify([...entries.sort(([a], [b]) => (a < b ? -1 : 1)), plainText(doc)]),
    clocks: new Map(authors.map((author) => [author, clockOf(doc, author)])),
    hasPending: hasPending(doc),
  };
  fingerprints.set(updates, fingerprint);
  return fingerprint;
}

/** Whether `state` holds all that `other` holds, by their clocks. */
export function covers(state: Fingerprint, other: Fingerprint): boolean {
  return [...other.clocks].every(([author, clock]) => (state.clocks.get(author) ?? 0) >= clock);
}

export function isSameState(a: Fingerprint, b: Fingerprint): boolean {
  return a.entries === b.entries && a.hasPending === b.hasPending && covers(a, b) && covers(b, a);
}

export function stateOf(updates: Updates): MainState {
  return readMain(openAll(updates));
}

export function rowOf(document: string, updates: Updates): PlainRow | null {
  return projectRow(sites, document, stateOf(updates));
}
