import { expect, test } from "vitest";
import { authorUpdate, encodeSnapshot, openDocument } from "../../shared/document.js";
import { sites } from "../../testing/fieldApp.js";
import { blobsOf, keepBlobs, mayKeep } from "./base.js";
import { mergeDocument } from "./merge.js";

const blob = (length: number) => new Uint8Array(length).fill(1);

test("a base of several blobs has them in their order, and one of a single blob is that blob", () => {
  const blobs = [blob(3), new Uint8Array([2]), blob(300)];
  expect(blobsOf(keepBlobs(blobs))).toEqual(blobs);
  expect(keepBlobs([blobs[0]!])).toBe(blobs[0]);
  expect(blobsOf(blobs[0]!)).toEqual([blobs[0]]);
});

test("a base that ends within a blob, or within its length, is an error", () => {
  const base = keepBlobs([blob(3), blob(4)]);
  for (let end = 2; end < base.length; end++)
    if (end !== 1 + 4 + 3) expect(() => blobsOf(base.slice(0, end))).toThrow(RangeError);
});

test.each([
  ["a state and a delta", [300, 60], true],
  ["eight blobs", [300, ...Array<number>(7).fill(60)], true],
  ["nine blobs", [300, ...Array<number>(8).fill(10)], false],
  ["more behind a small state than it takes itself", [300, 513], false],
  ["less than half of a large state behind it", [10_000, 5_000], true],
  ["more than half of a large state behind it", [10_000, 5_001], false],
  ["nothing", [], false],
])("%s: kept as it is, or merged", (_name, lengths, isKept) => {
  expect(mayKeep(lengths.map(blob))).toBe(isKept);
});

test("a delta is put behind its document's state, and each eighth one is merged with it", () => {
  const doc = openDocument([]);
  authorUpdate(doc, 1, [{ type: "insert", fields: { name: "n", country: "DE" } }]);
  let base = encodeSnapshot(doc) as Uint8Array;
  const sizes = Array.from({ length: 16 }, (_, n) => {
    const { bytes } = authorUpdate(doc, 2, [{ type: "set", field: "note", value: `${n}` }])!;
    base = mergeDocument(sites, "x", base, [bytes], []).base;
    return blobsOf(base).length;
  });
  expect(sizes).toEqual([2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 1]);
});
