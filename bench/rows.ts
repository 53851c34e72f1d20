// Rows from the bytes of 10,000 documents: read straight, through a Yjs document, and, as the floor, the same rows
// parsed as JSON. The ways take turns in one process. CPU time: it is told from what else the machine does.
import { insertOperations, projectRow, type AnyCollection } from "../src/collections/index.js";
import { authorUpdate, encodeSnapshot, openDocument } from "../src/shared/document.js";
import { readMain } from "../src/shared/mainDocument.js";
import { projectMain } from "../src/shared/mainState.js";
import type { Operation } from "../src/shared/operations.js";
import { readEntries } from "../src/shared/rowReader.js";
import { sites } from "../example/convex/collections.js";
import { largestSites } from "../scripts/demoSites.js";
import { median, type Row } from "./row.js";

const count = 10_000;
/** Of those that are edited a hundred times; each is read as often as it takes. */
const distinct = 1_000;
const rounds = 25;
const authors = [1_111_111_111, 2_222_222_222, 3_333_333_333] as const;
const definition: AnyCollection = sites;

export async function rows(): Promise<Row[]> {
  const all = largestSites(count);
  const inserts = all.map((site) => insertOperations(definition, site as never));
  const fresh = inserts.map((operations) => author(0, operations));
  return [
    ...measure(
      "V1, fresh",
      fresh.map(({ bytes }) => bytes),
    ),
    ...measure(
      "V2, fresh",
      fresh.map(({ bytes }) => encodeSnapshot(openDocument([bytes]))),
    ),
    ...measure(
      "V2, after 1 edit",
      inserts.map((operations, n) => edited(operations, n, 1)),
    ),
    ...measure(
      "V2, after 100 edits by 3 authors",
      repeated(inserts.slice(0, distinct).map((operations, n) => edited(operations, n, 100))),
    ),
  ];
}

function repeated(blobs: readonly Uint8Array[]): Uint8Array[] {
  return Array.from({ length: count }, (_, n) => blobs[n % blobs.length]!);
}

function author(who: number, operations: readonly Operation[], doc = openDocument([])) {
  const update = authorUpdate(doc, authors[who]!, operations);
  if (update === null) throw new Error("The operations change nothing.");
  return update;
}

/** A snapshot after edits of four fields, by one author after the other. */
function edited(operations: readonly Operation[], site: number, edits: number): Uint8Array {
  const doc = openDocument([]);
  author(0, operations, doc);
  const kinds: ((n: number) => Operation)[] = [
    (n) => ({ type: "set", field: "note", value: `Seen for the ${n}th time` }),
    (n) => ({ type: "set", field: "population", value: site * 100 + n }),
    () => ({ type: "increment", field: "visits", by: 1 }),
    (n) => ({ type: "set", field: "name", value: `Site ${site}, visit ${n}` }),
  ];
  for (let n = 0; n < edits; n++)
    author(n % authors.length, [kinds[Math.floor(n / authors.length) % kinds.length]!(n)], doc);
  return encodeSnapshot(doc);
}

type Read = (blob: Uint8Array) => unknown;

const throughYjs = (blob: Uint8Array) => projectRow(definition, "x", readMain(openDocument([blob])));
const straight = (blob: Uint8Array) => {
  const read = readEntries(blob);
  return read === null ? throughYjs(blob) : projectRow(definition, "x", projectMain(read.entries));
};
const entriesOnly: Read = (blob) => readEntries(blob);

function measure(name: string, blobs: readonly Uint8Array[]): Row[] {
  const json = JSON.stringify(blobs.map(throughYjs));
  if (JSON.stringify(blobs.map(straight)) !== json) throw new Error("The reader and Yjs disagree.");
  const ways: Record<string, () => unknown> = {
    floor: () => JSON.parse(json),
    reader: () => blobs.map(straight),
    "reader, without the rows": () => blobs.map(entriesOnly),
    Yjs: () => blobs.map(throughYjs),
  };
  const times = Object.fromEntries(Object.keys(ways).map((way) => [way, [] as number[]]));
  for (let round = 0; round < rounds; round++)
    for (const [way, read] of Object.entries(ways)) {
      const start = process.cpuUsage();
      read();
      const { user, system } = process.cpuUsage(start);
      times[way]!.push((user + system) / 1_000);
    }
  const floor = median(times["floor"]!);
  const bytes = blobs.reduce((sum, blob) => sum + blob.length, 0) / blobs.length;
  const left = blobs.filter((blob) => readEntries(blob) === null).length;
  return [
    { case: name, metric: "bytes of a document", value: bytes, unit: "B" },
    { case: name, metric: "left to Yjs", value: left, unit: "documents" },
    ...["reader", "reader, without the rows", "Yjs"].map((way) => {
      const value = median(times[way]!);
      return { case: name, metric: way, value, unit: "ms CPU", floor, ratio: value / floor };
    }),
  ];
}
