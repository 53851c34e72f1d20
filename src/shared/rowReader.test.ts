import { expect, test } from "vitest";
import * as Y from "yjs";
import { blobFormat, packBlob } from "./blob.js";
import { authorUpdate, encodeSnapshot, openDocument } from "./document.js";
import { readMain } from "./mainDocument.js";
import { projectMain } from "./mainState.js";
import { readEntries } from "./rowReader.js";

const v1 = (doc: Y.Doc) => packBlob(blobFormat.v1, Y.encodeStateAsUpdate(doc));
const v2 = encodeSnapshot;

function docOf(author: number, write: (doc: Y.Doc) => void): Y.Doc {
  const doc = openDocument([]);
  doc.clientID = author;
  doc.transact(() => write(doc));
  return doc;
}

/** A small honest document: an insert and an edit by one author. */
function honest(): Y.Doc {
  const doc = openDocument([]);
  authorUpdate(doc, 7, [{ type: "insert", fields: { name: "Zürich", at: 1.5 } }]);
  authorUpdate(doc, 7, [{ type: "set", field: "name", value: "Genève" }]);
  return doc;
}

test.each([
  ["V1", v1],
  ["V2", v2],
])("a document of a hundred authors who write at once is read, %s", (_name, encode) => {
  const doc = openDocument([]);
  const first = authorUpdate(doc, 7, [{ type: "insert", fields: { name: "a" } }])!.bytes;
  const updates = Array.from({ length: 100 }, (_, n) => {
    const own = openDocument([first]);
    return authorUpdate(own, 100 + n, [
      { type: "set", field: "name", value: `name ${n}` },
      { type: "increment", field: "visits", by: 1 },
      { type: "add", field: "tags", member: n },
    ])!.bytes;
  });
  const all = openDocument([first, ...updates]);
  const read = readEntries(encode(all))!;
  expect(projectMain(read.entries)).toEqual(readMain(all));
  expect(read.clocks.get(199)).toBe(3);
});

test("names of fields within values are what Yjs makes of them: the last of two, and never a prototype", () => {
  const object = [118, 3, 1, 97, 125, 1, 9, ...Buffer.from("__proto__"), 118, 1, 1, 120, 120, 1, 97, 125, 2];
  const item = [8 | 32, 1, 1, ...Buffer.from("r"), 4, ...Buffer.from("name"), 1, ...object];
  const blob = new Uint8Array([1, 1, 1, 7, 0, ...item, 0]);
  const read = readEntries(blob)!;
  expect(projectMain(read.entries)).toEqual(readMain(openDocument([blob])));
  expect(read.entries.get("name")).toStrictEqual({ a: 2 });
  expect(Object.getPrototypeOf(read.entries.get("name"))).toBe(Object.prototype);
});

/** A plain value of a key that nobody has written, as an update has it: "x". */
const plainItem = (key: string) => [8 | 32, 1, 1, 114, 1, ...Buffer.from(key), 1, 119, 1, 120];
const longest = [255, 255, 255, 255, 15];
const root = [1, 1, 1, 7, 0, 8 | 32, 1, 1, 114, 1, 97];
/** The columns of V2, each behind its length; what is not given is empty. */
const columns = (given: Record<string, number[]>, ...rest: number[]) =>
  new Uint8Array([
    ...[2, 0],
    ...["keys", "clients", "lefts", "rights", "infos", "texts", "parents", "types", "lengths"].flatMap(
      (name) => [given[name]?.length ?? 0, ...(given[name] ?? [])],
    ),
    ...rest,
  ]);

const left: [string, Uint8Array][] = [
  ["no bytes", new Uint8Array()],
  ["an unknown format", new Uint8Array([3, 0, 0])],
  ["a later version of V2", new Uint8Array([2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])],
  ["a nested type", v1(docOf(7, (doc) => doc.getMap("r").set("name", new Y.Map())))],
  ["a document within", v2(docOf(7, (doc) => doc.getMap("r").set("name", new Y.Doc())))],
  ["another root", v1(docOf(7, (doc) => doc.getMap("x").set("a", 1)))],
  ["a list", v1(docOf(7, (doc) => doc.getArray("r").push([1, 2])))],
  ["a text", v2(docOf(7, (doc) => doc.getText("p").insert(0, "text")))],
  ["a later delta", packBlob(blobFormat.v1, Y.encodeStateAsUpdate(honest(), new Uint8Array([1, 7, 1])))],
  ["more than an update", new Uint8Array([...v1(honest()), 0])],
  ["a deletion of what is elsewhere", new Uint8Array([1, 0, 1, 7, 1, 0, 1])],
  [
    "an author who is there twice",
    new Uint8Array([1, 2, 1, 7, 0, ...plainItem("a"), 1, 7, 1, ...plainItem("b"), 0]),
  ],
  ["4 billion authors", new Uint8Array([1, ...longest])],
  ["4 billion items of one author", new Uint8Array([1, 1, ...longest, 7, 0, 8])],
  ["a string of 4 GiB", new Uint8Array([...root, 1, 119, ...longest])],
  ["bytes of 4 GiB", new Uint8Array([...root, 1, 116, ...longest])],
  ["an array of 4 billion", new Uint8Array([...root, 1, 117, ...longest])],
  ["an object of 4 billion", new Uint8Array([...root, 1, 118, ...longest])],
  ["a number without an end", new Uint8Array([...root, 1, 125, ...new Array<number>(20).fill(255)])],
  ["half a character", new Uint8Array([...root, 1, 119, 1, 0xc3, 0])],
  ["ten thousand arrays in each other", new Uint8Array([...root, 1, ...Array(10_000).fill([117, 1]).flat()])],
  ["a column of 4 GiB", new Uint8Array([2, 0, ...longest])],
  [
    "4 billion items in a few bytes",
    columns(
      { clients: [7], infos: [1 | 128], lefts: [1, ...longest], lengths: [65, ...longest] },
      ...[1, ...longest, 0],
    ),
  ],
];
test.each(left)("I-16: %s is left to Yjs", (_name, blob) => {
  expect(readEntries(blob)).toBeNull();
});

test("a delta is read behind what it stands on, and behind nothing else", () => {
  const doc = honest();
  const state = v2(doc);
  const [next, then] = ["Bern", "Basel"].map(
    (value) => authorUpdate(doc, 7, [{ type: "set", field: "name", value }])!.bytes,
  );
  const read = readEntries(state, next!, then!)!;
  expect(projectMain(read.entries)).toEqual(readMain(doc));
  expect(read.clocks).toEqual(new Map([[7, 6]]));
  expect(readEntries(state, then!)).toBeNull();
  expect(readEntries(state, next!, next!)).toBeNull();
  expect(readEntries(next!, state)).toBeNull();
});

/** One author's key, written `count` times: each time a deleted item on top of the one before. */
function writtenOften(count: number): Uint8Array {
  const bytes: number[] = [];
  const uint = (value: number): void => {
    for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) + 128);
    bytes.push(value);
  };
  [1, count, 7, 0, 1 | 32, 1, 1, 114, 1, 97, 1].forEach(uint);
  for (let clock = 1; clock < count; clock++) {
    bytes.push(1 | 128);
    [7, clock - 1, 1].forEach(uint);
  }
  return new Uint8Array([...bytes, 0]);
}

test("I-16: a few bytes of V2 that say more items than a document may have are left to Yjs", () => {
  const [most, more] = [100_000, 100_001].map((count) => Y.convertUpdateFormatV1ToV2(writtenOften(count)));
  expect(more!.length).toBeLessThan(100);
  expect(readEntries(packBlob(blobFormat.v2, most!))).toEqual({
    entries: new Map(),
    clocks: new Map([[7, 100_000]]),
  });
  expect(readEntries(packBlob(blobFormat.v2, more!))).toBeNull();
});
