// A page: what IndexedDB holds of some hundred documents, as one value. It is never changed.
//
//     byte 0       format (1); bytes 1 to 3 are 0
//     byte 4       checksum of all that follows, and of the format
//     byte 8       length of the page
//     byte 12      length of the JSON, in bytes
//     byte 16      JSON: {places, entries, encoded}, in UTF-8
//     then         the bases of the documents, one after the other
//
// Numbers are 32 bits, little-endian. JSON for what V8 reads faster from it than from anything else, bytes for what
// would only grow in it. Timestamps are bigints, which JSON has no word for and numbers cannot hold: text.
import type { PlainRow } from "../../collections/index.js";
import type { StoredDocument } from "../ports/storage.js";
import { checksumOfBytes } from "./checksum.js";
import { fromPlainJson, isPlainJson, toPlainJson } from "./plainJson.js";

/** What a page says of a document: how it is, or that it is no more on the device, whatever older pages say. */
export type PageEntry = StoredDocument | GoneDocument;

export interface GoneDocument {
  readonly collection: string;
  readonly id: string;
  readonly isGone: true;
}

export function isGone(entry: PageEntry): entry is GoneDocument {
  return "isGone" in entry;
}

/** A page that is not what was written. */
export class DamagedPageError extends Error {
  override readonly name = "DamagedPageError";
}

const format = 1;
const headerBytes = 16;
const checkedFrom = 8;

/** `[place, id]`: gone; `[place, id, ts, bytes of its base, row]`, and what else is told of few documents. */
type JsonEntry =
  | [number, string]
  | [number, string, string, number, unknown]
  | [number, string, string, number, unknown, Rest];
type Rest = Pick<StoredDocument, "rowVersion" | "previews" | "incarnation"> & {
  readonly newest?: Readonly<Record<string, string>>;
};

interface PageJson {
  /** `[collection, scope]`, each once. */
  readonly places: [string, string][];
  readonly entries: JsonEntry[];
  /** The entries with rows that hold what JSON has no word for. */
  readonly encoded: number[];
}

export function encodePage(entries: readonly PageEntry[]): ArrayBuffer {
  const json = new TextEncoder().encode(JSON.stringify(toJson(entries)));
  const bases = entries.flatMap((entry) => (isGone(entry) ? [] : [entry.base]));
  const length = bases.reduce((sum, base) => sum + base.length, headerBytes + json.length);
  const page = new Uint8Array(length);
  const header = new DataView(page.buffer);
  header.setUint32(0, format, true);
  header.setUint32(8, length, true);
  header.setUint32(12, json.length, true);
  page.set(json, headerBytes);
  let offset = headerBytes + json.length;
  for (const base of bases) {
    page.set(base, offset);
    offset += base.length;
  }
  header.setUint32(4, checksumOfBytes(page.buffer, checkedFrom, format), true);
  return page.buffer;
}

/** @throws DamagedPageError if `value` is not what {@link encodePage} made */
export function decodePage(value: unknown): PageEntry[] {
  const { page, jsonBytes } = checkPage(value);
  const { places, entries, encoded } = JSON.parse(
    new TextDecoder().decode(new Uint8Array(page, headerBytes, jsonBytes)),
  ) as PageJson;
  // A copy, for slices of the page would keep its JSON in memory as well.
  const bases = new Uint8Array(page.slice(headerBytes + jsonBytes));
  const withEncodedRow = new Set(encoded);
  let offset = 0;
  // By index: before anything is compiled, as when a tab opens, taking arrays apart is most of what this takes.
  return entries.map((entry, index): PageEntry => {
    const place = places[entry[0]] as [string, string];
    const collection = place[0];
    const id = entry[1];
    if (entry.length === 2) return { collection, id, isGone: true };
    const row = (withEncodedRow.has(index) ? fromPlainJson(entry[4] as never) : entry[4]) as PlainRow | null;
    const base = bases.subarray(offset, (offset += entry[3]));
    // The row has its id as well: one string for both.
    const oneId = row?.id === id ? row.id : id;
    const document = { collection, id: oneId, scope: place[1], ts: BigInt(entry[2]), row, base };
    return entry.length === 5 ? document : { ...document, ...fromRest(entry[5]) };
  });
}

function fromRest({ newest, ...rest }: Rest): Partial<StoredDocument> {
  return newest === undefined ? rest : { ...rest, newest: mapValues(newest, BigInt) };
}

function toRest({ rowVersion, previews, incarnation, newest }: StoredDocument): Rest | null {
  if ([rowVersion, previews, incarnation, newest].every((each) => each === undefined)) return null;
  return {
    ...(incarnation === undefined ? {} : { incarnation }),
    ...(rowVersion === undefined ? {} : { rowVersion }),
    ...(previews && { previews }),
    ...(newest && { newest: mapValues(newest, String) }),
  };
}

function mapValues<A, B>(record: Readonly<Record<string, A>>, change: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));
}

function toJson(entries: readonly PageEntry[]): PageJson {
  const places = new Map<string, { readonly index: number; readonly place: [string, string] }>();
  const encoded: number[] = [];
  const indexOf = (collection: string, scope: string): number => {
    const key = JSON.stringify([collection, scope]);
    const known = places.get(key) ?? { index: places.size, place: [collection, scope] };
    places.set(key, known);
    return known.index;
  };
  const rows = entries.map((entry, index): JsonEntry => {
    if (isGone(entry)) return [indexOf(entry.collection, ""), entry.id];
    const { collection, id, scope, ts, row, base } = entry;
    const isPlain = isPlainJson(row);
    if (!isPlain) encoded.push(index);
    const shown = isPlain ? row : toPlainJson(row);
    const rest = toRest(entry);
    const told = [indexOf(collection, scope), id, String(ts), base.length, shown] as const;
    return rest === null ? [...told] : [...told, rest];
  });
  return { places: [...places.values()].map(({ place }) => place), entries: rows, encoded };
}

function checkPage(value: unknown): { page: ArrayBuffer; jsonBytes: number } {
  if (!(value instanceof ArrayBuffer)) throw new DamagedPageError("It is no bytes.");
  if (value.byteLength < headerBytes) throw new DamagedPageError(`It has ${value.byteLength} bytes only.`);
  const header = new DataView(value);
  const written = header.getUint32(0, true);
  const length = header.getUint32(8, true);
  if (written !== format) throw new DamagedPageError(`Its format is ${written}.`);
  if (length !== value.byteLength)
    throw new DamagedPageError(`It has ${value.byteLength} bytes of ${length}.`);
  if (header.getUint32(4, true) !== checksumOfBytes(value, checkedFrom, written))
    throw new DamagedPageError("Its checksum is another one.");
  return { page: value, jsonBytes: header.getUint32(12, true) };
}
