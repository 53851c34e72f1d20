import { CommitTsPlaceholder, v, type GenericValidator, type JSONValue, type Value } from "convex/values";
import { describe, expect, test } from "vitest";
import { fromJson } from "./fromJson.js";
import { checkArguments, checkDocumentMatches, checkReturnValue, findMismatch } from "./validators.js";
import type { ValidatorJson } from "./validators.js";

const tables = new Map([
  ["u1", "users"],
  ["p1", "posts"],
  ["s1", "_storage"],
]);
const ids = { tableOf: (id: string) => tables.get(id) ?? null };
const json = (validator: GenericValidator) => (validator as unknown as { json: ValidatorJson }).json;
const mismatch = (validator: GenericValidator, value: Value) => findMismatch(json(validator), value, ids);

const bytes = new Uint8Array([1, 2]).buffer;
/** One value of each type there is. */
const ofEach: Record<string, Value> = {
  null: null,
  number: 1.5,
  minusZero: -0,
  notANumber: NaN,
  bigint: 5n,
  lowestBigint: -(2n ** 63n),
  highestBigint: 2n ** 63n - 1n,
  boolean: false,
  string: "s",
  loneSurrogate: "\ud800",
  id: "u1",
  otherId: "p1",
  bytes,
  array: [1, 2],
  mixedArray: [1, "s"],
  emptyArray: [],
  object: { a: 1 },
  objectWithMore: { a: 1, b: 2 },
  emptyObject: {},
  pending: new CommitTsPlaceholder(),
  hostileObject: { constructor: 1, toString: 2 },
};
const numbers = ["number", "minusZero", "notANumber"];
const bigints = ["bigint", "lowestBigint", "highestBigint", "pending"];
const strings = ["string", "loneSurrogate", "id", "otherId"];
const objects = ["object", "objectWithMore", "emptyObject", "hostileObject"];

test.each<[string, GenericValidator, string[]]>([
  ["null", v.null(), ["null"]],
  ["number", v.number(), numbers],
  ["int64", v.int64(), bigints],
  ["commit timestamp", v.commitTs(), bigints],
  ["zero", v.literal(0), []],
  ["minus zero", v.literal(-0), ["minusZero"]],
  ["no number", v.literal(NaN), ["notANumber"]],
  ["boolean", v.boolean(), ["boolean"]],
  ["string", v.string(), strings],
  ["bytes", v.bytes(), ["bytes"]],
  ["any", v.any(), Object.keys(ofEach)],
  ["id", v.id("users"), ["id"]],
  ["array", v.array(v.number()), ["array", "emptyArray"]],
  ["array of any", v.array(v.any()), ["array", "mixedArray", "emptyArray"]],
  ["record", v.record(v.string(), v.number()), objects],
  ["record of ids", v.record(v.id("users"), v.number()), ["emptyObject"]],
  ["object", v.object({ a: v.number() }), ["object"]],
  ["optional fields", v.object({ a: v.optional(v.number()) }), ["object", "emptyObject"]],
  ["inherited names", v.object({ constructor: v.number(), toString: v.number() }), ["hostileObject"]],
  ["inherited names, optional", v.object({ constructor: v.optional(v.number()) }), ["emptyObject"]],
  ["literal string", v.literal("s"), ["string"]],
  ["literal number", v.literal(1.5), ["number"]],
  ["literal bigint", v.literal(5n), ["bigint"]],
  ["literal lowest bigint", v.literal(-(2n ** 63n)), ["lowestBigint"]],
  ["literal boolean", v.literal(false), ["boolean"]],
  [
    "union",
    v.union(v.null(), v.int64(), v.literal("s")),
    ["null", "bigint", "lowestBigint", "highestBigint", "string", "pending"],
  ],
  ["union of nothing", v.union(), []],
  [
    "union of objects",
    v.union(v.object({ a: v.number() }), v.object({ a: v.number(), b: v.number() })),
    ["object", "objectWithMore"],
  ],
  ["nullable", v.nullable(v.boolean()), ["null", "boolean"]],
])("%s takes what is of it, and nothing else", (_, validator, expected) => {
  const taken = Object.keys(ofEach).filter((name) => mismatch(validator, ofEach[name]!) === null);
  expect(taken).toEqual(expected);
});

test("what a sparse array or an object leaves out is no value", () => {
  const sparse = [1, , 3] as Value;
  expect(mismatch(v.array(v.number()), sparse)).toMatch(/Path: \[1\]/);
  expect(mismatch(v.array(v.any()), sparse)).toMatch(/Path: \[1\]/);
  expect(mismatch(v.object({ a: v.number() }), { a: 1, b: undefined })).toBeNull();
  expect(findMismatch(json(v.any()), undefined, ids)).toMatch(/^Value does not match validator/);
});

test("values 10,000 deep are looked at, and told of, without overflow", () => {
  let deep: Value = 1;
  for (let level = 0; level < 10_000; level++) deep = level % 2 === 0 ? [deep] : { a: deep };
  expect(mismatch(v.any(), deep)).toBeNull();
  expect(mismatch(v.object({ x: v.any() }), { x: deep })).toBeNull();
  expect(mismatch(v.object({ x: v.string() }), { x: deep })).toMatch(/^Value does not match validator/);
});

// Display of ConvexValue, crates/value/src/lib.rs and bytes.rs: floats and bytes as Rust prints them.
test.each<[Value, string]>([
  [1, "1.0"],
  [-0, "-0.0"],
  [NaN, "NaN"],
  [-Infinity, "-inf"],
  [1.5e300, "1.5e300"],
  [1e16, "1e16"],
  [9e15, "9000000000000000.0"],
  [1e-4, "0.0001"],
  [0.00001, "1e-5"],
  [bytes, 'b"AQI="'],
  [new CommitTsPlaceholder(), "[unresolved commit timestamp]"],
  [{ b: 1n, a: [true] }, "{a: [true], b: 1}"],
])("%s is printed as %s", (value, printed) => {
  expect(mismatch(v.null(), value)).toBe(
    `Value does not match validator.\n\nValue: ${printed}\nValidator: v.null()`,
  );
});

describe("a mismatch is told in the backend's words", () => {
  test.each<[string, GenericValidator, Value, string]>([
    ["at the top", v.string(), 1, "Value does not match validator.\n\nValue: 1.0\nValidator: v.string()"],
    [
      "within",
      v.object({ a: v.array(v.object({ b: v.int64() })) }),
      { a: [{ b: 1n }, { b: null }] },
      "Value does not match validator.\nPath: .a[1].b\nValue: null\nValidator: v.int64()",
    ],
    [
      "a record's key",
      v.record(v.id("users"), v.any()),
      { x: 1 },
      'Value does not match validator.\nPath: .keys()\nValue: "x"\nValidator: v.id("users")',
    ],
    [
      "a record's value",
      v.record(v.string(), v.bytes()),
      { x: [1, 2n, "t", { b: true }] },
      'Value does not match validator.\nPath: .values()\nValue: [1.0, 2, "t", {b: true}]\nValidator: v.bytes()',
    ],
    [
      "a missing field",
      v.object({ a: v.string(), b: v.optional(v.number()) }),
      { b: 0.5 },
      "Object is missing the required field `a`. Consider wrapping the field validator in `v.optional(...)` if this is expected.\n\nObject: {b: 0.5}\nValidator: v.object({a: v.string(), b: v.optional(v.float64())})",
    ],
    [
      "an extra field",
      v.object({ in: v.object({}) }),
      { in: { c: 1 } },
      "Object contains extra field `c` that is not in the validator.\nPath: .in\nObject: {c: 1.0}\nValidator: v.object({})",
    ],
    ["a literal", v.literal("a"), "b", '`"b"` does not match literal validator `v.literal("a")`.'],
    ["an int64 literal", v.literal(1n), 1, "`1.0` does not match literal validator `v.literal(<bigint>)`."],
    [
      "an id of another table",
      v.object({ by: v.id("users") }),
      { by: "p1" },
      'Found ID "p1" from table `posts`, which does not match the table name in validator `v.id("users")`.Path: .by',
    ],
    [
      "the first field by name, whatever the order it was written in",
      v.object({ z: v.null(), a: v.literal(1) }),
      { z: 1, a: 2 },
      "`2.0` does not match literal validator `v.literal(1.0)`.Path: .a",
    ],
    [
      "a system table's id",
      v.id("users"),
      "s1",
      'Found ID "s1" from a system table, which does not match the table name in validator `v.id("users")`.',
    ],
    ["no id", v.id("users"), "x", 'Value does not match validator.\n\nValue: "x"\nValidator: v.id("users")'],
    [
      "a union",
      v.union(v.null(), v.boolean()),
      1,
      "Value does not match validator.\n\nValue: 1.0\nValidator: v.union(v.null(), v.boolean())",
    ],
    [
      "a union of one: as that one",
      v.union(v.object({ a: v.null() })),
      { a: 1 },
      "Value does not match validator.\nPath: .a\nValue: 1.0\nValidator: v.null()",
    ],
  ])("%s", (_, validator, value, message) => {
    expect(mismatch(validator, value)).toBe(message);
  });

  test("and cut off where the value is long", () => {
    expect(mismatch(v.number(), "x".repeat(10_000))!.length).toBeLessThan(1_200);
  });

  test("with what it is about in front", () => {
    const check = json(v.null());
    expect(() => checkArguments(check, 1, ids)).toThrow(/^ArgumentValidationError: Value does not match/);
    expect(() => checkReturnValue(check, 1, ids)).toThrow(/^ReturnsValidationError: Value does not match/);
    expect(() => checkReturnValue(null, 1, ids)).not.toThrow();
    const document = json(v.object({}));
    expect(() => checkDocumentMatches(document, { a: 1 }, ids, "users")).toThrow(
      /^Failed to insert or update a document in table "users" because it does not match the schema: Object contains extra/,
    );
    expect(() => checkDocumentMatches(document, { a: 1 }, ids, "users", "u1")).toThrow(
      /^Document with ID "u1" in table "users" does not match the schema: Object contains extra/,
    );
  });
});

describe("values that somebody hands over", () => {
  const nested = (levels: number): JSONValue =>
    JSON.parse(`${'{"a":['.repeat(levels / 2)}${"]}".repeat(levels / 2)}`) as JSONValue;

  test("are refused where they are too deep, however deep", () => {
    expect(() => fromJson(nested(128))).not.toThrow();
    for (const levels of [130, 20_000]) expect(() => fromJson(nested(levels))).toThrow("Value is too nested");
  });

  test("do not choose what they inherit", () => {
    for (const text of ['{"__proto__":{"isAdmin":true}}', '[{"a":{"__proto__":null}}]'])
      expect(() => fromJson(JSON.parse(text) as JSONValue)).toThrow("Field name __proto__ is reserved");
    expect(fromJson({ constructor: 1, prototype: [] })).toEqual({ constructor: 1, prototype: [] });
  });

  test("are what Convex JSON says", () => {
    expect(fromJson({ a: { $integer: "AAAAAAAAAIA=" }, b: [{ $float: "AAAAAAAAAIA=" }] })).toEqual({
      a: -(2n ** 63n),
      b: [-0],
    });
    for (const wrong of [{ $set: [] }, { $b: 1 }, { $integer: 1 }, { $float: "AAAAAAAA8D8=" }])
      expect(() => fromJson(wrong as JSONValue)).toThrow();
  });
});
