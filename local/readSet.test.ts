import { expect, test } from "vitest";
import type { Document, Write } from "./engine.js";
import { ReadSet, type Bound } from "./readSet.js";

const write = (before: Document | null, after: Document | null, component = ""): Write => ({
  component,
  table: "rows",
  id: "1rows",
  before,
  after,
});
const reading = (...bounds: Bound[]) => {
  const reads = new ReadSet();
  reads.addRange("", "rows", bounds);
  return reads;
};
const bound = (type: Bound["type"], fieldPath: string, value: Bound["value"]): Bound => ({
  type,
  fieldPath,
  value,
});

test.each<[Bound["type"], number[]]>([
  ["Eq", [2]],
  ["Gt", [3]],
  ["Gte", [2, 3]],
  ["Lt", [1]],
  ["Lte", [1, 2]],
])("a range %s 2 is touched by exactly %j of 1, 2, 3", (type, expected) => {
  const reads = reading(bound(type, "n", 2));
  expect([1, 2, 3].filter((n) => reads.isTouchedBy(write(null, { n })))).toEqual(expected);
});

test("a document that leaves a range touches it, and one that enters it", () => {
  const reads = reading(bound("Eq", "author", "a"));
  expect(reads.isTouchedBy(write({ author: "a" }, { author: "b" }))).toBe(true);
  expect(reads.isTouchedBy(write({ author: "b" }, { author: "a" }))).toBe(true);
  expect(reads.isTouchedBy(write({ author: "a" }, null))).toBe(true);
  expect(reads.isTouchedBy(write({ author: "b" }, { author: "c" }))).toBe(false);
});

test("every bound has to be met, in nested fields and for fields that are not there", () => {
  const reads = reading(bound("Eq", "at.x", 1), bound("Eq", "gone", { $undefined: null }));
  expect(reads.isTouchedBy(write(null, { at: { x: 1 } }))).toBe(true);
  expect(reads.isTouchedBy(write(null, { at: { x: 1 }, gone: 0 }))).toBe(false);
  expect(reads.isTouchedBy(write(null, { at: 1 }))).toBe(false);
});

test("int64 bounds are compared as such", () => {
  const ts = Buffer.alloc(8);
  ts.writeBigInt64LE(5n);
  const reads = reading(bound("Gt", "ts", { $integer: ts.toString("base64") }));
  expect([4n, 5n, 6n].filter((n) => reads.isTouchedBy(write(null, { ts: n })))).toEqual([6n]);
});

test("without bounds the whole table was read, whatever ranges are added", () => {
  const reads = reading();
  reads.addRange("", "rows", [bound("Eq", "n", 1)]);
  expect(reads.isTouchedBy(write(null, { n: 2 }))).toBe(true);
});

test("the same table of another component is another table", () => {
  expect(reading().isTouchedBy(write(null, { n: 1 }, "workpool"))).toBe(false);
});

test("a document that was read, or was not there when it was read", () => {
  const reads = new ReadSet();
  reads.addDocument("", "1rows");
  expect(reads.isTouchedBy(write(null, { n: 1 }))).toBe(true);
  expect(reads.isTouchedBy({ ...write(null, { n: 1 }), id: "2rows" })).toBe(false);
});
