import type { Value } from "convex/values";
import { expect } from "vitest";
import type { Asked, Expression } from "./app/reading.js";
import { sources } from "./sources.js";
import { conformance, type DeployedApp } from "./suite.js";

const all = [
  { label: "one", a: 1, b: 2 },
  { label: "two", a: 2, b: 2 },
  { label: "three", a: 3, b: 2 },
  { label: "no b", a: 4 },
  { label: "null b", a: 5, b: null },
] as const;
const fill = (app: DeployedApp) => app.mutation("documents:insertAll", { table: "rows", all: [...all] });
const asked = (what: Asked) => ({ what: what as unknown as Value });
const labels = (app: DeployedApp, what: Asked) => app.query<string[]>("reading:labels", asked(what));
const a: Expression = ["field", "a"];
const b: Expression = ["field", "b"];

const filters: readonly (readonly [filter: Expression, found: readonly string[]])[] = [
  [["eq", a, 2], ["two"]],
  [
    ["neq", a, 2],
    ["one", "three", "no b", "null b"],
  ],
  [["lt", a, 2], ["one"]],
  [
    ["lte", a, 2],
    ["one", "two"],
  ],
  [["gt", a, 4], ["null b"]],
  [
    ["gte", a, 4],
    ["no b", "null b"],
  ],
  [["eq", a, b], ["two"]],
  [["eq", b, null], ["null b"]],
  [["eq", b, ["undefined"]], ["no b"]],
  [["eq", ["field", "b.c"], ["undefined"]], all.map(({ label }) => label)],
  [
    ["and", ["gt", a, 1], ["lt", a, 4]],
    ["two", "three"],
  ],
  [
    ["or", ["eq", a, 1], ["eq", a, 5]],
    ["one", "null b"],
  ],
  [
    ["not", ["eq", b, 2]],
    ["no b", "null b"],
  ],
  [["eq", ["add", a, 1], 3], ["two"]],
  [["eq", ["sub", a, 1], 1], ["two"]],
  [["eq", ["mul", a, 2], 4], ["two"]],
  [["eq", ["div", a, 2], 1], ["two"]],
  [
    ["eq", ["mod", a, 3], 2],
    ["two", "null b"],
  ],
  [true, all.map(({ label }) => label)],
  [false, []],
];

conformance("queries", (check) => {
  const reading = (says: string) => ({ source: sources.readingData, says });
  const filtering = (says: string) => ({ source: sources.filters, says });

  for (const [filter, found] of filters)
    check(
      `filter ${JSON.stringify(filter)}`,
      filtering("comparisons, arithmetic and logic of filters; a missing field is undefined"),
      async (app) => {
        await fill(app);
        expect(await labels(app, { filter })).toEqual(found);
      },
    );

  check("filter q.neg", filtering("`q.neg(x)` is `-x`"), async (app) => {
    await fill(app);
    expect(await labels(app, { filter: ["eq", ["neg", a], -2] })).toEqual(["two"]);
  });

  check(
    "arithmetic in a filter on what is no number is refused",
    { source: sources.expressions, says: "`Cannot add …`: both must be int64, or both float64" },
    async (app) => {
      await fill(app);
      await app.refusal("query", "reading:labels", asked({ filter: ["eq", ["add", b, 1], 3] }));
    },
  );

  check(
    "a comparison in a filter orders values of different types as indexes do",
    { source: sources.expressions, says: "values compare in filters in the same order as in an index" },
    async (app) => {
      await fill(app);
      expect(await labels(app, { filter: ["lt", b, 0] })).toEqual(["no b", "null b"]);
      expect(await labels(app, { filter: ["gt", b, ["undefined"]] })).toEqual([
        "one",
        "two",
        "three",
        "null b",
      ]);
    },
  );

  check(
    "a filter works on what an index found, in its order",
    filtering("a filter loops over the documents"),
    async (app) => {
      await fill(app);
      const what: Asked = { index: "by_a", bounds: [["gt", "a", 1]], order: "desc", filter: ["eq", b, 2] };
      expect(await labels(app, what)).toEqual(["three", "two"]);
    },
  );

  check(
    "take and first count what passes the filter",
    { source: sources.backendQuery, says: "test_filter_first" },
    async (app) => {
      await fill(app);
      const what: Asked = { filter: ["gt", a, 2] };
      expect(await app.query("reading:take", { ...asked(what), n: 2 })).toEqual(["three", "no b"]);
      expect(await app.query("reading:first", asked(what))).toMatchObject({ label: "three" });
    },
  );

  check("take gives what there is, if there is less", reading("take(n) limits the results"), async (app) => {
    await fill(app);
    expect(await app.query("reading:take", { ...asked({}), n: 3 })).toEqual(["one", "two", "three"]);
    expect(await app.query("reading:take", { ...asked({}), n: 50 })).toHaveLength(5);
    expect(await app.query("reading:take", { ...asked({}), n: 0 })).toEqual([]);
  });

  check(
    "first gives null, if there is nothing",
    reading("first() gives the first document or null"),
    async (app) => {
      expect(await app.query("reading:first", asked({}))).toBeNull();
      await fill(app);
      expect(await app.query("reading:first", asked({ order: "desc" }))).toMatchObject({ label: "null b" });
    },
  );

  check(
    "unique gives the one document or null, and throws on two",
    reading("unique() throws if there are more"),
    async (app) => {
      await fill(app);
      const unique = (value: number) => asked({ index: "by_a", bounds: [["eq", "a", value]] });
      expect(await app.query("reading:unique", unique(2))).toMatchObject({ label: "two" });
      expect(await app.query("reading:unique", unique(9))).toBeNull();
      const { reason } = await app.refusal("query", "reading:unique", asked({}));
      expect(reason).toMatch(/unique\(\) query returned more than one result from table rows/);
    },
  );

  check(
    "iteration may stop early, and another query of the same range begins anew",
    filtering("queries are iterables: loop one document at a time until you return"),
    async (app) => {
      await fill(app);
      expect(await app.query("reading:until", { ...asked({}), label: "two" })).toEqual({
        met: ["one", "two"],
        again: all.map(({ label }) => label),
      });
    },
  );

  check("a query cannot be run twice", reading("queries are consumed by what ends them"), async (app) => {
    await fill(app);
    const { reason } = await app.refusal("query", "reading:iterateTwice");
    expect(reason).toMatch(/closed|consumed|once/);
  });

  check(
    "a mutation may delete what it iterates over",
    { source: sources.mutations, says: "reads within a mutation are consistent" },
    async (app) => {
      await fill(app);
      expect(await app.mutation("reading:writeWhileIterating")).toEqual({ met: 5, left: 0 });
    },
  );

  check(
    "count tells how many documents a table has, own writes included",
    { source: "convex src/server/impl/query_impl.ts", says: "count(): an internal API, of a whole table" },
    async (app) => {
      expect(await app.query("reading:count")).toBe(0);
      await fill(app);
      expect(await app.query("reading:count")).toBe(5);
      expect(await app.mutation("reading:countInMutation")).toEqual([5, 6]);
      expect(await app.query("reading:count")).toBe(6);
    },
  );
});
