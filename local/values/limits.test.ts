import { CommitTsPlaceholder, getConvexSize, type Value } from "convex/values";
import { describe, expect, test } from "vitest";
import type { Document } from "../engine/engine.js";
// Messages: get-convex/convex-backend, crates/value/src/{size,array,object}.rs, crates/common/src/document.rs,
// crates/convex/sync_types/src/identifier.rs, crates/udf/src/helpers.rs, crates/isolate/src/helpers.rs. Figures:
// docs.convex.dev/production/state/limits.
import { checkCallSize, checkDocument } from "./limits.js";

const MiB = 1024 * 1024;
const nested = (levels: number, innermost: Value = 1): Value => {
  let value = innermost;
  for (let level = 0; level < levels; level++) value = [value];
  return value;
};
const fields = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, n) => [`f${n}`, 1]));
/** A document of exactly so many bytes. */
const sized = (bytes: number): Document => ({ t: "x".repeat(bytes - getConvexSize({ t: "" })) });

/** The largest that is taken, the smallest that is not, and how that is told. */
test.each<[string, Document, Document, RegExp]>([
  ["size", sized(MiB), sized(MiB + 1), /^Value is too large \(1 MiB > maximum size 1 MiB\)$/],
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
  [
    "depth",
    { a: nested(15) },
    { a: nested(16) },
    /^Document is too nested \(nested 17 levels deep > maximum nesting 16\)$/,
  ],
  [
    "length of a field's name",
    { ["n".repeat(1_024)]: 1 },
    { ["n".repeat(1_025)]: 1 },
    /^Field name is too long \(1025 > maximum 1024\)$/,
  ],
  ["system fields", { _id: "i", _creationTime: 1 }, { _idea: 1 }, /^Field '_idea' starts with an underscore/],
  [
    "reserved names",
    { a: { _b: 1, c$: 1 } },
    { a: { $b: 1 } },
    /^Field name \$b starts with '\$', which is reserved\.$/,
  ],
  [
    "characters of names",
    { "a b~": 1 },
    { ä: 1 },
    /^Field name ä has invalid character 'ä': Field names can only contain non-control ASCII characters$/,
  ],
  ["control characters in names", { " ": 1 }, { "a\n": 1 }, /invalid character '\n'/],
  ["names", { a: 1 }, { a: { "": 1 } }, /^Field name cannot be empty$/],
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
    expect(() => checkCallSize("arguments", nested(65))).toThrow(
      "Value is too nested (nested 65 levels deep > maximum nesting 64)",
    );
  });

  test("is of 16 MiB at most", () => {
    const most = sized(16 * MiB) as Value;
    expect(() => checkCallSize("return value", most)).not.toThrow();
    expect(() => checkCallSize("return value", sized(16 * MiB + 1) as Value)).toThrow(
      /^Function return value is too large \(actual: 16 MiB, limit: 16 MiB\)$/,
    );
  });

  test("is told with the function's name, and with as many decimals as say something", () => {
    const call = (path?: string) => () => checkCallSize("arguments", sized(17.5 * MiB) as Value, path);
    expect(call("f.js:g")).toThrow(
      new Error("Arguments for f.js:g are too large (actual: 17.5 MiB, limit: 16 MiB)"),
    );
    expect(call()).toThrow(new Error("Arguments are too large (actual: 17.5 MiB, limit: 16 MiB)"));
    expect(() => checkCallSize("return value", sized(17.26 * MiB) as Value, "f.js:g")).toThrow(
      /^Function f\.js:g return value is too large \(actual: 17\.26 MiB, limit: 16 MiB\)$/,
    );
  });

  test("may nest 10,000 deep without more than being refused", () => {
    expect(() => checkCallSize("arguments", nested(10_000))).toThrow("Value is too nested (nested 65 levels");
    expect(() => checkDocument({ a: nested(10_000) })).toThrow("Value is too nested (nested 65 levels");
    expect(() => checkDocument({ a: nested(15, new CommitTsPlaceholder()) })).not.toThrow();
    expect(() => checkDocument({ a: nested(62) })).toThrow("Document is too nested (nested 63 levels");
  });

  test("may be any value", () => {
    for (const value of [null, 1, NaN, 5n, "", true, new ArrayBuffer(3), [], {}, new CommitTsPlaceholder()])
      expect(() => checkCallSize("arguments", value)).not.toThrow();
  });
});
