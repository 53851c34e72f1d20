import { expect } from "vitest";
import { sources } from "./sources.js";
import { conformance } from "./suite.js";

type Row = Record<string, unknown> & { _id: string; _creationTime: number };

conformance("documents", (check) => {
  const writing = (says: string) => ({ source: sources.writingData, says });
  const types = (says: string) => ({ source: sources.types, says });

  check(
    "an inserted document has its fields, an id and a creation time in milliseconds",
    types("every document has `_id` and `_creationTime`, milliseconds since the epoch"),
    async (app) => {
      const before = Date.now();
      const id = await app.mutation<string>("documents:insert", { table: "rows", fields: { a: 1 } });
      const row = await app.query<Row>("documents:get", { id });
      expect(row).toEqual({ _id: id, _creationTime: expect.any(Number), a: 1 });
      expect(row._creationTime).toBeGreaterThanOrEqual(before - 1_000);
      expect(row._creationTime).toBeLessThanOrEqual(Date.now() + 1_000);
    },
  );

  check(
    "documents of one mutation have creation times that differ, in the order of their insertion",
    { source: sources.commitTimestamp, says: "`_creationTime` is not shared: `db.insert` advances it" },
    async (app) => {
      await app.mutation("documents:insertAll", { table: "rows", all: [{ a: 3 }, { a: 1 }, { a: 2 }] });
      const rows = await app.query<Row[]>("documents:list", { table: "rows" });
      expect(rows.map(({ a }) => a)).toEqual([3, 1, 2]);
      const times = rows.map(({ _creationTime }) => _creationTime);
      expect(times).toEqual([...new Set(times)].sort((one, two) => one - two));
    },
  );

  check(
    "values of all types come back as they were stored",
    types("null, int64, float64, boolean, string, bytes, array and object are values"),
    async (app) => {
      const fields = {
        a: [null, 2n ** 63n - 1n, -(2n ** 63n), 1.5, true, "ä😀", new Uint8Array([0, 255]).buffer],
        b: { deep: [{ empty: {}, list: [] }] },
        inner: [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, -0],
      };
      const id = await app.mutation("documents:insert", { table: "rows", fields });
      expect(await app.query("documents:get", { id })).toMatchObject(fields);
    },
  );

  check(
    "a field that is undefined is not stored",
    types("`{a: undefined}` is transformed into `{}` when stored"),
    async (app) => {
      expect(await app.mutation("documents:insertUndefined")).toEqual(["_creationTime", "_id", "a"]);
    },
  );

  check(
    "undefined within an array is refused",
    types("arrays containing undefined throw an error when used as Convex values"),
    async (app) => {
      const { reason } = await app.refusal("mutation", "documents:insertUndefinedInArray");
      expect(reason).toMatch(/undefined is not a valid Convex value/);
      expect(await app.query("documents:list", { table: "rows" })).toEqual([]);
    },
  );

  check(
    "patch merges shallowly",
    writing("patch shallow merges; existing fields are overwritten"),
    async (app) => {
      const fields = { a: 1, b: 2, inner: { x: 1, y: 2 } };
      const id = await app.mutation("documents:insert", { table: "rows", fields });
      await app.mutation("documents:patch", { id, fields: { b: 3, label: "new", inner: { x: 9 } } });
      const row = await app.query<Row>("documents:get", { id });
      expect(row).toEqual({
        _id: id,
        _creationTime: row._creationTime,
        a: 1,
        b: 3,
        label: "new",
        inner: { x: 9 },
      });
    },
  );

  check(
    "patch with undefined removes a field",
    writing("fields set to undefined are removed"),
    async (app) => {
      const id = await app.mutation("documents:insert", { table: "rows", fields: { a: 1, b: 2 } });
      await app.mutation("documents:unset", { id, field: "b" });
      expect(Object.keys(await app.query("documents:get", { id })).sort()).toEqual([
        "_creationTime",
        "_id",
        "a",
      ]);
    },
  );

  check(
    "replace drops what it does not name, and keeps id and creation time",
    writing("replace replaces the document entirely, potentially removing existing fields"),
    async (app) => {
      const id = await app.mutation("documents:insert", { table: "rows", fields: { a: 1, b: 2 } });
      const before = await app.query<Row>("documents:get", { id });
      await app.mutation("documents:replace", { id, fields: { b: 3 } });
      expect(await app.query("documents:get", { id })).toEqual({
        _id: id,
        _creationTime: before._creationTime,
        b: 3,
      });
    },
  );

  check("a document that was deleted is not found", writing("delete removes the document"), async (app) => {
    const id = await app.mutation("documents:insert", { table: "rows", fields: { a: 1 } });
    await app.mutation("documents:remove", { id });
    expect(await app.query("documents:get", { id })).toBeNull();
    expect(await app.query("documents:list", { table: "rows" })).toEqual([]);
  });

  for (const [name, args] of [
    ["patch", { fields: { a: 2 } }],
    ["replace", { fields: { a: 2 } }],
    ["remove", {}],
  ] as const)
    check(
      `${name} of a document that is gone is refused`,
      { source: sources.backendUserError, says: "patch, replace and delete of a nonexistent ID throw" },
      async (app) => {
        const id = await app.mutation<string>("documents:insert", { table: "rows", fields: { a: 1 } });
        await app.mutation("documents:remove", { id });
        const { reason } = await app.refusal("mutation", `documents:${name}`, { id, ...args });
        expect(reason).toMatch(/non-?existent/i);
      },
    );

  check(
    "an id in the fields of an insert is refused",
    {
      source: sources.backendUserError,
      says: "`Provided document ID`, `Provided creation time`: insert with them throws",
    },
    async (app) => {
      const id = await app.mutation<string>("documents:insert", { table: "rows", fields: { a: 1 } });
      await app.refusal("mutation", "documents:insert", { table: "rows", fields: { _id: id } });
      await app.refusal("mutation", "documents:insert", { table: "rows", fields: { _creationTime: 1 } });
    },
  );

  check(
    "a patch may not change the id",
    { source: sources.types, says: "`_id` and `_creationTime` are generated by the system" },
    async (app) => {
      const [one, two] = await app.mutation<[string, string]>("documents:insertAll", {
        table: "rows",
        all: [{ a: 1 }, { a: 2 }],
      });
      await app.refusal("mutation", "documents:patch", { id: one, fields: { _id: two } });
      await app.mutation("documents:patch", { id: one, fields: { _id: one, a: 3 } });
      expect(await app.query("documents:get", { id: one })).toMatchObject({ a: 3 });
    },
  );

  check(
    "get with a table finds its documents alone",
    {
      source: sources.backendHelpers,
      says: "check_table_name: `expected to be an Id<…>, got Id<…> instead`",
    },
    async (app) => {
      const id = await app.mutation("documents:insert", { table: "rows", fields: { a: 1 } });
      expect(await app.query("documents:getFrom", { table: "rows", id })).toMatchObject({ a: 1 });
      await app.refusal("query", "documents:getFrom", { table: "people", id });
    },
  );

  check(
    "get of what is no id is refused",
    { source: sources.backendUserError, says: "`Unable to decode ID`" },
    async (app) => {
      await app.refusal("query", "documents:get", { id: "not an id" });
    },
  );

  check(
    "a mutation reads its own writes",
    { source: sources.mutations, says: "a mutation is one transaction with a consistent view" },
    async (app) => {
      expect(await app.mutation("documents:ownWrites")).toEqual([
        [1, [1]],
        [2, [2]],
        [3, [3]],
        [null, []],
      ]);
    },
  );

  check(
    "operations under Promise.all all take effect",
    { source: sources.limits, says: "a function may have up to 1000 concurrent IO operations" },
    async (app) => {
      const rows = await app.mutation("documents:inParallel", { count: 20 });
      expect(rows).toEqual(Array.from({ length: 20 }, (_, at) => [at, at * 2]));
      expect(await app.query<Row[]>("documents:list", { table: "rows" })).toHaveLength(20);
    },
  );

  check(
    "undefined within a patched object is a missing field",
    types("objects with undefined values are the same as if the field were missing"),
    async (app) => {
      expect(await app.mutation("documents:patchNestedUndefined")).toEqual(["y"]);
    },
  );

  check(
    "a table's name is alphanumeric and does not begin with an underscore",
    types(
      "table names may contain alphanumeric characters and underscores, and cannot start with an underscore",
    ),
    async (app) => {
      await app.mutation("documents:insert", { table: "Some_table1", fields: {} });
      await app.refusal("mutation", "documents:insert", { table: "_own", fields: {} });
      await app.refusal("mutation", "documents:insert", { table: "some-table", fields: {} });
    },
  );
});
