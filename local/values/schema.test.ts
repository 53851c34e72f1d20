import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
import { expect, test } from "vitest";
import { checkSchema, exportSchema } from "./schema.js";

const table = (indexes: Record<string, string[]> = {}) =>
  Object.entries(indexes).reduce(
    (made, [name, fields]) => made.index(name, fields as ["a"]),
    defineTable({ a: v.number(), b: v.optional(v.object({ c: v.string() })) }),
  );
const fields = (count: number) => Array.from({ length: count }, (_, n) => `f${n}`);
const check = (tables: Parameters<typeof defineSchema>[0]) => () =>
  checkSchema(exportSchema(defineSchema(tables))!);

test.each<[string, Parameters<typeof defineSchema>[0]]>([
  ["names of all letters, digits and underscores", { aB_9: table({ by_A9: ["a"] }) }],
  ["names of 64 characters", { ["t".repeat(64)]: table({ ["i".repeat(64)]: ["a"] }) }],
  ["nested fields", { rows: table({ by_c: ["b.c", "a"] }) }],
  ["16 fields", { rows: table({ wide: fields(16) }) }],
  ["64 indexes", { rows: table(Object.fromEntries(fields(64).map((name) => [name, [name]]))) }],
  ["a union of documents", { rows: defineTable(v.union(v.object({ a: v.null() }), v.object({}))) }],
])("a schema may have %s", (_, tables) => {
  expect(check(tables)).not.toThrow();
});

test.each<[string, Parameters<typeof defineSchema>[0], RegExp]>([
  ["a table named as the system's are", { _rows: table() }, /^Table name "_rows" is invalid/],
  ["a table that begins with a digit", { "1st": table() }, /^Table name "1st" is invalid/],
  ["a table of 65 letters", { ["t".repeat(65)]: table() }, /^Table name "t+" is invalid/],
  ["a table with a dot", { "a.b": table() }, /^Table name "a\.b" is invalid/],
  ["an index named oddly", { rows: table({ "by-a": ["a"] }) }, /^Index name "by-a" is invalid/],
  ["a reserved field", { rows: defineTable({ _mine: v.null() }) }, /^Field "_mine" of table "rows"/],
  [
    "a reserved field in a union",
    { rows: defineTable(v.union(v.object({}), v.object({ _id: v.null() }))) },
    /^Field "_id" of table "rows" begins with "_"/,
  ],
  [
    "an index of 17 fields",
    { rows: table({ wide: fields(17) }) },
    /^Index "wide" of table "rows" has 17 fields/,
  ],
  ["an index without fields", { rows: table({ none: [] }) }, /^Index "none" of table "rows" has 0 fields/],
  ["a field twice", { rows: table({ twice: ["a", "a"] }) }, /has a field twice/],
  ["the creation time", { rows: table({ old: ["a", "_creationTime"] }) }, /names "_creationTime"/],
  [
    "65 indexes",
    { rows: table(Object.fromEntries(fields(65).map((name) => [name, [name]]))) },
    /^Table "rows" has 65 indexes, the limit is 64/,
  ],
])("a schema may not have %s", (_, tables, message) => {
  expect(check(tables)).toThrow(message);
});

test("reserved indexes and two of one name are refused, also where `convex/server` lets them pass", () => {
  const schema = (...names: string[]) => ({
    schemaValidation: true,
    tables: new Map([
      [
        "rows",
        { documentType: { type: "any" as const }, indexes: names.map((name) => ({ name, fields: ["a"] })) },
      ],
    ]),
  });
  expect(() => checkSchema(schema("by_id"))).toThrow(/^Index "by_id" of table "rows" is reserved/);
  expect(() => checkSchema(schema("by_creation_time"))).toThrow(/is reserved/);
  expect(() => checkSchema(schema("by_a", "by_a"))).toThrow(/two indexes named "by_a"/);
});

test("no schema is none", () => {
  expect([exportSchema(null), exportSchema(undefined)]).toEqual([null, null]);
});
