import type { Value } from "convex/values";
import { expect } from "vitest";
import type { Asked, Bound } from "./app/reading.js";
import { sources } from "./sources.js";
import { conformance, type DeployedApp } from "./suite.js";
import { ordered } from "./valueOrder.js";

type Fields = Record<string, Value>;

const fill = (app: DeployedApp, all: readonly Fields[]) =>
  app.mutation<string[]>("documents:insertAll", { table: "rows", all: [...all] });
const labels = (app: DeployedApp, what: Asked) =>
  app.query<string[]>("reading:labels", { what: what as unknown as Value });

/** Neither in order nor reversed. */
const shuffled = ordered
  .map((entry, at) => ({ entry, key: (at * 29) % ordered.length }))
  .sort((one, two) => one.key - two.key)
  .map(({ entry: [label, value] }): Fields => (value === undefined ? { label } : { label, a: value }));
const orderedLabels = ordered.map(([label]) => label);

/** All pairs of a in 1..3 with b in missing, null, 1..3: `a1`, `a1:null`, `a1:1` … */
const grid = [1, 2, 3].flatMap((a) =>
  [undefined, null, 1, 2, 3].map((b): Fields =>
    b === undefined ? { label: `${a}`, a } : { label: `${a}:${b}`, a, b },
  ),
);

conformance("indexes", (check) => {
  const indexes = (says: string) => ({ source: sources.indexes, says });
  const sorting = (says: string) => ({ source: sources.sorting, says });

  check(
    "values of all types have one order",
    sorting(
      "undefined < null < int64 < float64 < boolean < string < bytes < array < object; strings by their UTF-8",
    ),
    async (app) => {
      await fill(app, shuffled);
      expect(await labels(app, { index: "by_a" })).toEqual(orderedLabels);
      expect(await labels(app, { index: "by_a", order: "desc" })).toEqual(orderedLabels.toReversed());
    },
  );

  check(
    "a range may begin and end at any value of any type",
    sorting("all values are comparable by their sort keys"),
    async (app) => {
      await fill(app, shuffled);
      for (const [at, [label, value]] of ordered.entries()) {
        const bound = (op: Bound[0]): Bound[] => [value === undefined ? [op, "a"] : [op, "a", value]];
        const found = (op: Bound[0]) => labels(app, { index: "by_a", bounds: bound(op) });
        expect(await found("eq"), `eq ${label}`).toEqual([label]);
        expect(await found("gt"), `gt ${label}`).toEqual(orderedLabels.slice(at + 1));
        expect(await found("lte"), `lte ${label}`).toEqual(orderedLabels.slice(0, at + 1));
      }
    },
  );

  check(
    "an int64 does not equal a float64",
    sorting("int64 and float64 have tags of their own"),
    async (app) => {
      await fill(app, [
        { label: "1", a: 1 },
        { label: "1n", a: 1n },
      ]);
      expect(await labels(app, { index: "by_a", bounds: [["eq", "a", 1]] })).toEqual(["1"]);
      expect(await labels(app, { index: "by_a", bounds: [["eq", "a", 1n]] })).toEqual(["1n"]);
    },
  );

  check(
    "equal index fields are ordered by creation time",
    indexes("`_creationTime` is the last column of every index: the final tie breaker"),
    async (app) => {
      await fill(
        app,
        ["x", "y", "z"].map((label) => ({ label, a: 1 })),
      );
      expect(await labels(app, { index: "by_a" })).toEqual(["x", "y", "z"]);
      expect(await labels(app, { index: "by_a", order: "desc" })).toEqual(["z", "y", "x"]);
    },
  );

  check(
    "a query without an index is in order of creation",
    { source: sources.readingData, says: "ordered by `_creationTime` by default, ascending" },
    async (app) => {
      await fill(
        app,
        [3, 1, 2].map((a) => ({ label: `${a}`, a })),
      );
      expect(await labels(app, {})).toEqual(["3", "1", "2"]);
      expect(await labels(app, { order: "desc" })).toEqual(["2", "1", "3"]);
      expect(await labels(app, { index: "by_creation_time" })).toEqual(["3", "1", "2"]);
    },
  );

  check("by_id finds a document by its id", indexes("the `by_id` index is reserved"), async (app) => {
    const ids = await fill(
      app,
      ["x", "y", "z"].map((label) => ({ label })),
    );
    expect((await labels(app, { index: "by_id" })).toSorted()).toEqual(["x", "y", "z"]);
    expect(await labels(app, { index: "by_id", bounds: [["eq", "_id", ids[1]!]] })).toEqual(["y"]);
  });

  const ranges: readonly (readonly [title: string, bounds: readonly Bound[], found: (a: number, b: unknown) => boolean])[] =
    [
      ["the first field alone", [["eq", "a", 2]], (a) => a === 2],
      ["both fields", [["eq", "a", 2], ["eq", "b", 3]], (a, b) => a === 2 && b === 3],
      ["a field that is missing", [["eq", "a", 2], ["eq", "b"]], (a, b) => a === 2 && b === undefined],
      ["null, which is not missing", [["eq", "a", 2], ["eq", "b", null]], (a, b) => a === 2 && b === null],
      ["what has the second field", [["eq", "a", 2], ["gt", "b"]], (a, b) => a === 2 && b !== undefined],
      ["gt and lt", [["eq", "a", 1], ["gt", "b", 1], ["lt", "b", 3]], (a, b) => a === 1 && b === 2],
      ["gte and lte", [["gte", "a", 2], ["lte", "a", 3]], (a) => a >= 2],
      ["gt alone", [["gt", "a", 2]], (a) => a === 3],
      ["lt alone, with all that is smaller in any type", [["eq", "a", 1], ["lt", "b", 2]], (a, b) => a === 1 && (b === undefined || b === null || b === 1)],
      ["nothing, if the bounds cross", [["gt", "a", 2], ["lt", "a", 2]], () => false],
      ["nothing, if an exclusive bound meets its value", [["gt", "a", 3]], () => false],
    ]; // prettier-ignore
  for (const [title, bounds, isFound] of ranges)
    check(
      `a range finds ${title}`,
      indexes("0 or more eq, then a lower bound, then an upper bound"),
      async (app) => {
        await fill(app, grid.toReversed());
        const expected = grid.filter(({ a, b }) => isFound(a as number, b)).map(({ label }) => label);
        expect(await labels(app, { index: "by_a_b", bounds })).toEqual(expected);
        expect(await labels(app, { index: "by_a_b", bounds, order: "desc" })).toEqual(expected.toReversed());
      },
    );

  check(
    "a range may go on to the creation time",
    indexes('`q.eq("channel", channel).gt("_creationTime", …)` over an index of `channel`'),
    async (app) => {
      const ids = await fill(
        app,
        ["x", "y", "z"].map((label) => ({ label, a: 1 })),
      );
      const middle = await app.query<{ _creationTime: number }>("documents:get", { id: ids[1]! });
      const bounds: Bound[] = [["eq", "a", 1], ["gt", "_creationTime", middle._creationTime]]; // prettier-ignore
      expect(await labels(app, { index: "by_a", bounds })).toEqual(["z"]);
    },
  );

  check(
    "a nested field is indexed by its path",
    indexes("to specify a field on a nested document, use a dot-separated path"),
    async (app) => {
      await fill(app, [
        { label: "two", inner: { x: 2 } },
        { label: "none", inner: { y: 1 } },
        { label: "no object", inner: 3 },
        { label: "one", inner: { x: 1 } },
        { label: "no inner" },
      ]);
      const missing = ["none", "no object", "no inner"];
      expect(await labels(app, { index: "by_inner_x" })).toEqual([...missing, "one", "two"]);
      expect(await labels(app, { index: "by_inner_x", bounds: [["eq", "inner.x"]] })).toEqual(missing);
      expect(await labels(app, { index: "by_inner_x", bounds: [["gte", "inner.x", 2]] })).toEqual(["two"]);
    },
  );

  check(
    "an index follows patches and deletes",
    { source: sources.writingData, says: "documents can be updated and deleted" },
    async (app) => {
      const [one, two] = await fill(
        app,
        [1, 2, 3].map((a) => ({ label: `${a}`, a })),
      );
      await app.mutation("documents:patch", { id: one!, fields: { a: 4 } });
      await app.mutation("documents:remove", { id: two! });
      expect(await labels(app, { index: "by_a" })).toEqual(["3", "1"]);
      expect(await labels(app, { index: "by_a", bounds: [["lte", "a", 2]] })).toEqual([]);
    },
  );

  check(
    "a mutation finds its own writes in an index",
    { source: sources.mutations, says: "a mutation is one transaction with a consistent view" },
    async (app) => {
      await fill(
        app,
        [1, 2, 6].map((a) => ({ label: `${a}`, a })),
      );
      const after = (what: Asked) =>
        app.mutation("reading:labelsAfterWrites", { what: what as unknown as Value });
      expect(await after({ index: "by_a" })).toEqual(["new", "6", "1"]);
      expect(await labels(app, { index: "by_a" })).toEqual(["new", "6", "1"]);
    },
  );

  check(
    "own writes are in a bounded range too, in both directions",
    { source: sources.mutations, says: "a mutation is one transaction with a consistent view" },
    async (app) => {
      await fill(
        app,
        [1, 2, 6, 12].map((a) => ({ label: `${a}`, a })),
      );
      const bounds: Bound[] = [["gt", "a", 1], ["lt", "a", 10]]; // prettier-ignore
      const what: Asked = { index: "by_a", bounds, order: "desc" };
      const found = await app.mutation("reading:labelsAfterWrites", { what: what as unknown as Value });
      expect(found).toEqual(["1", "6", "new"]);
    },
  );

  const misuses: readonly (readonly [title: string, what: Asked])[] = [
    ["an index that is not declared", { index: "by_nothing" }],
    ["a field out of turn", { index: "by_a_b", bounds: [["eq", "b", 1]] }],
    ["a field that the index lacks", { index: "by_a_b", bounds: [["lt", "c", 1]] }],
    ["two lower bounds", { index: "by_a_b", bounds: [["gt", "a", 2], ["gte", "a", 1]] }],
    ["the same field twice", { index: "by_a_b", bounds: [["eq", "a", 2], ["eq", "a", 1]] }],
    ["a bound on a field that is bound to be equal", { index: "by_a_b", bounds: [["eq", "a", 2], ["gt", "a", 1]] }],
    ["bounds on two fields", { index: "by_a_b", bounds: [["gt", "a", 2], ["lt", "b", 1]] }],
  ]; // prettier-ignore
  for (const [title, what] of misuses)
    check(
      `withIndex refuses ${title}`,
      { source: sources.backendQuery, says: "test_index_range_errors: each of these throws" },
      async (app) => {
        const { reason } = await app.refusal("query", "reading:labels", { what: what as unknown as Value });
        expect(reason).toMatch(/index/i);
      },
    );

  check(
    "equalities may come in any order at run time",
    {
      source: sources.backendQuery,
      says: "test_index_ranges: `twoFieldEqualityOutOfOrder` finds its document",
    },
    async (app) => {
      await fill(app, grid);
      const bounds: Bound[] = [["eq", "b", 2], ["eq", "a", 1]]; // prettier-ignore
      expect(await labels(app, { index: "by_a_b", bounds })).toEqual(["1:2"]);
    },
  );

  check(
    "bounds may come in any order at run time",
    { source: sources.backendQuery, says: "test_index_ranges: `rangeOnSecondFieldOutOfOrder`" },
    async (app) => {
      await fill(app, grid);
      const bounds: Bound[] = [["lte", "a", 2], ["gt", "a", 1]]; // prettier-ignore
      expect(await labels(app, { index: "by_a_b", bounds })).toEqual(["2", "2:null", "2:1", "2:2", "2:3"]);
    },
  );
});
