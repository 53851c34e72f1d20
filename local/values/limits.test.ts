import { getConvexSize, type Value } from "convex/values";
import { describe, expect, test } from "vitest";
import type { Document } from "../engine/engine.js";
import { checkCallSize, checkDocument } from "./limits.js";

const MiB = 1024 * 1024;
const nested = (levels: number): Value => (levels === 0 ? 1 : [nested(levels - 1)]);
const fields = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, n) => [`f${n}`, 1]));
/** A document of exactly so many bytes. */
const sized = (bytes: number): Document => ({ t: "x".repeat(bytes - getConvexSize({ t: "" })) });

/** The largest that is taken, the smallest that is not, and how that is told. */
test.each<[string, Document, Document, RegExp]>([
  ["size", sized(MiB), sized(MiB + 1), /^Value is too large \(1\.00 MiB > maximum size 1\.00 MiB\)/],
  [
    "items of an array",
    { a: Array<Value>(8_192).fill(0) },
    { a: Array<Value>(8_193).fill(0) },
    /^Array length is too long \(8193 > maximum length 8192\)/,
  ],
  [
    "fields",
    { a: fields(1_024) },
    { a: fields(1_025) },
    /^Object has too many fields \(1025 > maximum number 1024\)/,
  ],
  ["depth", { a: nested(15) }, { a: nested(16) }, /^Value is too nested/],
  [
    "length of a field's name",
    { ["n".repeat(1_024)]: 1 },
    { ["n".repeat(1_025)]: 1 },
    /^Field name is too long \(1025 > maximum length 1024\)/,
  ],
  ["system fields", { _id: "i", _creationTime: 1 }, { _idea: 1 }, /^Field '_idea' starts with an underscore/],
  ["reserved names", { a: { _b: 1, c$: 1 } }, { a: { $b: 1 } }, /^Field name \$b starts with '\$'/],
  ["characters of names", { "a b~": 1 }, { ä: 1 }, /^Field name ä has invalid characters/],
  ["control characters in names", { " ": 1 }, { "a\n": 1 }, /invalid characters/],
  ["unpaired surrogates", { a: "\ud83d\ude00" }, { a: ["\ude00\ud83d"] }, /unpaired surrogate/],
  [
    "inheritance",
    { constructor: 1, prototype: 2 },
    JSON.parse('{"a":{"__proto__":1}}') as Document,
    /^Field name __proto__ is reserved/,
  ],
])("a document's %s", (_, taken, refused, message) => {
  expect(() => checkDocument(taken)).not.toThrow();
  expect(() => checkDocument(refused)).toThrow(message);
});

describe("what functions take and give", () => {
  test("nests 64 deep", () => {
    expect(() => checkCallSize("arguments", nested(64))).not.toThrow();
    expect(() => checkCallSize("arguments", nested(65))).toThrow("Value is too nested");
  });

  test("is of 16 MiB at most", () => {
    const most = sized(16 * MiB) as Value;
    expect(() => checkCallSize("return value", most)).not.toThrow();
    expect(() => checkCallSize("return value", sized(16 * MiB + 1) as Value)).toThrow(
      /^Function return value too large\. Actual: 16\.00 MiB, Max: 16\.00 MiB, that is 16777216 bytes\./,
    );
  });

  test("may be any value", () => {
    for (const value of [null, 1, NaN, 5n, "", true, new ArrayBuffer(3), [], {}])
      expect(() => checkCallSize("arguments", value)).not.toThrow();
  });
});
