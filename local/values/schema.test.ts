import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
import { expect, test } from "vitest";
// Messages: get-convex/convex-backend, crates/common/src/bootstrap_model/index/index_validation_error.rs and
// crates/common/src/schemas/{json,mod}.rs.
import { checkSchema, exportSchema } from "./schema.js";

const table = (indexes: Record<string, string[]> = {}) =>
  Object.entries(indexes).reduce(
    (made, [name, fields]) => made.index(name, fields as ["a"]),
    defineTable({
      a: v.number(),
      b: v.optional(v.object({ c: v.string() })),
      ...Object.fromEntries(fields(65).map((name) => [name, v.null()])),
    }),
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
  ["a table named as the system's are", { _rows: table() }, /^_rows is a reserved table name\.$/],
  [
    "a table that begins with a digit",
    { "1st": table() },
    /^Invalid table name: "1st"\. Identifiers must start with a letter and can only contain letters, digits, and underscores\.$/,
  ],
  ["a table of 65 letters", { ["t".repeat(65)]: table() }, /^Invalid table name: "t+"/],
  ["a table with a dot", { "a.b": table() }, /^Invalid table name: "a\.b"/],
  [
    "an index named oddly",
    { rows: table({ "by-a": ["a"] }) },
    /^In table "rows": Invalid index name: "by-a"\. Identifiers must be 64 characters or less/,
  ],
  ["a reserved field", { rows: defineTable({ _mine: v.null() }) }, /^Field "_mine" of table "rows"/],
  [
    "a reserved field in a union",
    { rows: defineTable(v.union(v.object({}), v.object({ _id: v.null() }))) },
    /^Field "_id" of table "rows" begins with "_"/,
  ],
  [
    "an index of 17 fields",
    { rows: table({ wide: fields(17) }) },
    /^In table "rows": In index "wide": Indexes may have up to 16 fields\.$/,
  ],
  [
    "an index without fields",
    { rows: table({ none: [] }) },
    /^In table "rows" index "none" must have at least one field\.$/,
  ],
  [
    "a field twice",
    { rows: table({ twice: ["a", "a"] }) },
    /In index "twice": Duplicate field a\. Index fields must be unique within an index\.$/,
  ],
  [
    "the creation time",
    { rows: table({ old: ["a", "_creationTime"] }) },
    /`_creationTime` is automatically added to the end of each index\. It should not be added explicitly/,
  ],
  [
    "65 indexes",
    { rows: table(Object.fromEntries(fields(65).map((name) => [name, [name]]))) },
    /^Table "rows" cannot have more than 64 indexes\.$/,
  ],
])("a schema may not have %s", (_, tables, message) => {
  expect(check(tables)).toThrow(message);
});

test.each<[string, Parameters<typeof defineSchema>[0], string]>([
  [
    "of the same fields as another",
    { rows: table({ one: ["a", "b"], two: ["a", "b"] }) },
    'In table "rows" index "two" and index "one" have the same fields. Indexes must be unique within a table.',
  ],
  [
    "over a field that no document has",
    { rows: table({ gone: ["b.zzz"] }) },
    'In table "rows" the index "gone" is invalid because it references the field b.zzz that does not exist.',
  ],
  [
    "over the id",
    { rows: table({ own: ["_id"] }) },
    'In table "rows": In index "own": `_id` is not a valid index field. To load documents by ID, use `db.get(id)`.',
  ],
  [
    "over a system field",
    { rows: table({ own: ["_mine"] }) },
    'In table "rows": In index "own": Reserved fields (starting with `_`) are not allowed in indexes.',
  ],
  [
    "over what is no field",
    { rows: table({ odd: ["a..b"] }) },
    'In table "rows": In index "odd": Invalid index field: "a..b"',
  ],
  [
    "named as a search index",
    {
      rows: table({ x: ["a"] })
        .searchIndex("y", { searchField: "a" as never })
        .index("y", ["f0" as "a"]),
    },
    'Table "rows" has two or more definitions of index "y".',
  ],
])("a schema may not have an index %s", (_, tables, message) => {
  expect(check(tables)).toThrow(new Error(message));
});

test("a document is an object, one of some objects, or anything", () => {
  for (const wrong of [v.string(), v.union(v.object({}), v.null()), v.union(v.any())])
    expect(check({ rows: defineTable(wrong as never) })).toThrow(
      /^The document validator in a schema must be an object, a union of objects, or `v\.any\(\)`\. Found v\./,
    );
  expect(check({ rows: defineTable(v.any()).index("any", ["x.y"]) })).not.toThrow();
});

test("fields that indexes name need not be there where nothing is validated", () => {
  const schema = defineSchema({ rows: table({ gone: ["zzz"] }) }, { schemaValidation: false });
  expect(() => checkSchema(exportSchema(schema)!)).not.toThrow();
});

test("indexes of every kind are exported, staged ones apart, and count together", () => {
  const rows = table({ by_a: ["a"] })
    .index("later", { fields: ["b"], staged: true })
    .searchIndex("text", { searchField: "a" as never })
    .vectorIndex("vector", { vectorField: "a" as never, dimensions: 2 });
  expect(exportSchema(defineSchema({ rows }))!.tables.get("rows")).toMatchObject({
    indexes: [{ name: "by_a", fields: ["a"] }],
    stagedIndexes: [{ name: "later", fields: ["b"] }],
    searchIndexes: ["text"],
    vectorIndexes: ["vector"],
  });
  const full = table(Object.fromEntries(fields(64).map((name) => [name, [name]])));
  expect(check({ rows: full.searchIndex("text", { searchField: "a" as never }) })).toThrow(
    'Table "rows" cannot have more than 64 indexes.',
  );
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
  expect(() => checkSchema(schema("by_id"))).toThrow(
    /^In table "rows" cannot name an index "by_id" because the name is reserved\./,
  );
  expect(() => checkSchema(schema("by_creation_time"))).toThrow(/because the name is reserved/);
  expect(() => checkSchema(schema("by_a", "by_a"))).toThrow(
    /^Table "rows" has two or more definitions of index "by_a"\.$/,
  );
});

test("no schema is none", () => {
  expect([exportSchema(null), exportSchema(undefined)]).toEqual([null, null]);
});
