import { expect, test } from "vitest";
import * as Y from "yjs";
import { blobFormat, packBlob } from "./blob.js";
import { authorUpdate, encodeSnapshot, mergeUpdate, openDocument } from "./document.js";
import { readMain } from "./mainDocument.js";
import type { Operation } from "./operations.js";

const insert = (fields: Record<string, string>): Operation => ({ type: "insert", fields });
const increment: Operation = { type: "increment", field: "visits", by: 1 };
const tag: Operation = { type: "add", field: "tags", member: "urgent" };

/** An update made by plain Yjs, as a hostile sender would. */
function forge(author: number, write: (doc: Y.Doc) => void, base: Y.Doc = openDocument([])): Uint8Array {
  const doc = openDocument([encodeSnapshot(base)]);
  doc.clientID = author;
  let update: Uint8Array = new Uint8Array();
  doc.on("update", (bytes: Uint8Array) => (update = bytes));
  doc.transact(() => write(doc));
  return packBlob(blobFormat.v1, update);
}

test("a deleted and re-inserted id starts empty: registers, counters and sets of before do not come back", () => {
  const doc = openDocument([]);
  authorUpdate(doc, 7, [insert({ name: "old", note: "x" }), increment, tag]);
  authorUpdate(doc, 7, [{ type: "delete" }]);
  expect(readMain(doc)).toMatchObject({ existence: "deleted", registers: new Map() });
  authorUpdate(doc, 7, [insert({ name: "new" })]);
  expect(readMain(doc)).toEqual({
    existence: "present",
    incarnation: 1,
    version: 1,
    registers: new Map([["name", "new"]]),
    counters: new Map(),
    sets: new Map(),
  });
});

test("a document's history shrinks: 10,000 saves by one author are a snapshot under 300 bytes", () => {
  const doc = openDocument([]);
  authorUpdate(doc, 7, [insert({ name: "n" })]);
  for (let i = 0; i < 10_000; i++) authorUpdate(doc, 7, [{ type: "set", field: "at", value: i }]);
  expect(encodeSnapshot(doc).length).toBeLessThan(300);
});

test("Convex values survive the doc unchanged: bytes, int64, nested objects, NaN and -0", () => {
  const doc = openDocument([]);
  const value = { bytes: new Uint8Array([1, 2]).buffer, big: 2n ** 60n, list: [NaN, -0, null], text: "é" };
  authorUpdate(doc, 7, [{ type: "insert", fields: { value } }]);
  expect(readMain(openDocument([encodeSnapshot(doc)])).registers.get("value")).toEqual(value);
});

test("I-16: a value that makes itself an heir of bytes is read as the plain object it is", () => {
  const heir = Object.fromEntries([["__proto__", new Uint8Array([1])]]);
  const doc = openDocument([forge(7, (forged) => forged.getMap("r").set("name", heir))]);
  expect(readMain(doc).registers.get("name")).toEqual({});
});

test("a value may have a field named constructor, by which Yjs tells types", () => {
  const doc = openDocument([]);
  const value = { constructor: "Gustave", of: [{ constructor: null }] };
  const made = authorUpdate(doc, 7, [{ type: "insert", fields: { value } }])!;
  const again = authorUpdate(doc, 7, [{ type: "set", field: "value", value: { ...value, of: [] } }])!;
  const server = openDocument([made.bytes]);
  expect(readMain(server).registers.get("value")).toEqual(value);
  expect(mergeUpdate(server, again.bytes)).toMatchObject({ type: "merged", from: made.to });
  expect(readMain(openDocument([encodeSnapshot(server)])).registers.get("value")).toEqual({
    ...value,
    of: [],
  });
});

test("I-8: fractions of several authors add up to the same last digit, in whatever order they came", () => {
  const updates = [0.1, 0.2, 0.3].map(
    (by, author) =>
      authorUpdate(openDocument([]), author, [{ type: "increment", field: "visits", by }])!.bytes,
  );
  const sum = (blobs: readonly Uint8Array[]) => readMain(openDocument(blobs)).counters.get("visits");
  expect(sum([...updates].reverse())).toBe(sum(updates));
});

test("a value equal by content writes nothing", () => {
  const doc = openDocument([]);
  authorUpdate(doc, 7, [{ type: "insert", fields: { value: { a: 1, b: [2] } } }]);
  expect(authorUpdate(doc, 7, [{ type: "set", field: "value", value: { b: [2], a: 1 } }])).toBeNull();
});

test("an update that stands on unseen clocks is a gap, a repeated one too", () => {
  const doc = openDocument([]);
  const first = authorUpdate(doc, 7, [insert({ name: "a" })])!;
  const second = authorUpdate(doc, 7, [{ type: "set", field: "name", value: "b" }])!;
  const server = openDocument([]);
  expect(mergeUpdate(server, second.bytes)).toEqual({ type: "gap" });
  expect(mergeUpdate(openDocument([first.bytes]), first.bytes)).toEqual({ type: "gap" });
  expect(mergeUpdate(openDocument([first.bytes]), second.bytes)).toMatchObject({ type: "merged", author: 7 });
});

test("an update that stands on another author's unseen structs, or deletes them, is a gap", () => {
  const doc = openDocument([]);
  authorUpdate(doc, 7, [insert({ name: "a" })]);
  const overwrite = authorUpdate(doc, 8, [{ type: "set", field: "name", value: "b" }])!;
  expect(mergeUpdate(openDocument([]), overwrite.bytes)).toEqual({ type: "gap" });
});

const hostile: [string, Uint8Array, RegExp][] = [
  ["no bytes", new Uint8Array(), /format byte/],
  ["an unknown format", new Uint8Array([9, 1, 2]), /format byte/],
  ["a snapshot for a delta", encodeSnapshot(openDocument([])), /V1 delta/],
  ["an empty update", packBlob(blobFormat.v1, Y.encodeStateAsUpdate(openDocument([]))), /writes nothing/],
  [
    "another author's counter",
    forge(7, (doc) => doc.getMap("r").set("visits\0" + "0\0" + "8", 5)),
    /another author/,
  ],
  ["a nested Yjs type", forge(7, (doc) => doc.getMap("r").set("name", new Y.Map())), /nested/],
  ["another root", forge(7, (doc) => doc.getMap("x").set("a", 1)), /outside/],
  ["list content", forge(7, (doc) => doc.getArray("r").push([1])), /list content/],
  ["a reserved key", forge(7, (doc) => doc.getMap("r").set("\0n", "high")), /reserved/],
  ["an unparsable member", forge(7, (doc) => doc.getMap("r").set("tags\0" + "0\0{", true)), /member/],
  [
    "a member that is JSON, and no Convex value",
    forge(7, (doc) => doc.getMap("r").set("tags\0" + '0\0{"$integer":1}', true)),
    /member/,
  ],
  [
    "a value whose prototype is bytes, which Yjs could never encode again",
    forge(7, (doc) =>
      doc.getMap("r").set("name", [{ a: Object.fromEntries([["__proto__", new Uint8Array([1])]]) }]),
    ),
    /__proto__/,
  ],
  [
    "another spelling of an incarnation",
    forge(7, (doc) => doc.getMap("r").set("tags\0" + '\0"a"', true)),
    /reserved/,
  ],
  [
    "an infinite counter",
    forge(7, (doc) => doc.getMap("r").set("visits\0" + "0\0" + "7", Infinity)),
    /finite/,
  ],
];
test.each(hostile)("I-16: %s is refused as invalid and says why", (_name, bytes, reason) => {
  const outcome = mergeUpdate(openDocument([]), bytes);
  expect(outcome).toMatchObject({ type: "invalid", message: expect.stringMatching(reason) });
});

test("I-16: an update that deletes a key instead of overwriting it is refused", () => {
  const base = openDocument([]);
  authorUpdate(base, 7, [insert({ name: "a" })]);
  const bytes = forge(8, (doc) => (doc.getMap("r").delete("name"), doc.getMap("r").set("other", 1)), base);
  expect(mergeUpdate(base, bytes)).toMatchObject({
    type: "invalid",
    message: expect.stringMatching(/deletes/),
  });
});
