import type { Value } from "convex/values";
import { expect } from "vitest";
import { sources } from "./sources.js";
import { conformance } from "./suite.js";

const bytes = new Uint8Array([1, 2]).buffer;
const validators: readonly (readonly [name: string, fitting: readonly Value[], others: readonly Value[]])[] =
  [
    ["ofString", ["", "ä"], [1, null, ["a"]]],
    ["ofNumber", [0, -1.5, Number.POSITIVE_INFINITY], [1n, "1", null]],
    ["ofInt64", [0n, -5n], [1, "1"]],
    ["ofBoolean", [true, false], [0, "true", null]],
    ["ofBytes", [bytes], ["AQI=", [1, 2]]],
    ["ofNull", [null], [0, "", false]],
    ["ofLiteral", ["this"], ["that", 1]],
    ["ofUnion", ["a", null], [1, { a: null }]],
    ["ofArray", [[], [1, 2]], [[1, "2"], { 0: 1 } as Value, 1]],
    ["ofObject", [{ x: 1 }, { x: 1, y: "a" }], [{}, { x: "1" }, { x: 1, y: null }, { x: 1, z: 1 }, [1]]],
    ["ofRecord", [{}, { a: 1, b: 2 }], [{ a: "1" }, [1], "a"]],
    ["ofAny", [null, 1n, { a: [bytes] }], []],
  ];

conformance("validation", (check) => {
  const validation = (says: string) => ({ source: sources.validation, says });
  const schemas = (says: string) => ({ source: sources.schemas, says });
  const visibility = (says: string) => ({ source: sources.internalFunctions, says });

  for (const [name, fitting, others] of validators)
    check(`arguments: ${name}`, validation("arguments that do not match throw"), async (app) => {
      for (const value of fitting) expect(await app.query(`validated:${name}`, { value })).toEqual(value);
      for (const value of others) {
        const { reason } = await app.refusal("query", `validated:${name}`, { value });
        expect(reason).toMatch(/validat/i);
      }
      if (name !== "ofAny") await app.refusal("query", `validated:${name}`, {});
    });

  check("an argument may be left out, if it is optional", validation("v.optional"), async (app) => {
    expect(await app.query("validated:ofOptional")).toBe("nothing");
    expect(await app.query("validated:ofOptional", { value: undefined })).toBe("nothing");
    expect(await app.query("validated:ofOptional", { value: "a" })).toBe("a");
    await app.refusal("query", "validated:ofOptional", { value: null });
  });

  check(
    "arguments that are not declared are refused",
    validation("throws if there are properties not declared"),
    async (app) => {
      await app.refusal("query", "validated:ofNothing", { value: 1 });
      await app.refusal("query", "validated:ofString", { value: "a", more: 1 });
    },
  );

  check("without validators any arguments are taken", validation("validators are optional"), async (app) => {
    expect(await app.query("validated:unvalidated", { a: 1, b: undefined, c: null })).toEqual(["a", "c"]);
  });

  check(
    "a return value that does not match is refused",
    validation("throws if the function returns another value"),
    async (app) => {
      const { reason } = await app.refusal("query", "validated:returnMore");
      expect(reason).toMatch(/validat/i);
      await app.refusal("mutation", "validated:returnWrong");
    },
  );

  check(
    "a mutation whose return value is refused writes nothing",
    {
      source: sources.mutations,
      says: "if it throws an error, no data is written; validation is part of the call",
    },
    async (app) => {
      await app.refusal("mutation", "validated:returnWrong");
      expect(await app.query("documents:list", { table: "rows" })).toEqual([]);
    },
  );

  check(
    "a nested mutation whose return value is refused is undone, if its caller goes on",
    { source: sources.usingComponents, says: "only the writes of the call that throws are rolled back" },
    async (app) => {
      expect(await app.mutation("validated:catchWrongReturn")).toBe("refused");
      expect(await app.query("documents:list", { table: "rows" })).toEqual([]);
    },
  );

  check(
    "to return nothing is to return null",
    { source: sources.types, says: "void is treated as null" },
    async (app) => {
      expect(await app.mutation("validated:returnVoid")).toBeNull();
      expect(await app.query("validated:returnNothing")).toBeNull();
      expect(await app.query("validated:returnUndefinedField")).toEqual({ a: 1 });
    },
  );

  check(
    "what is no Convex value cannot be returned",
    { source: sources.types, says: "plain old JavaScript objects only" },
    async (app) => {
      const { reason } = await app.refusal("query", "validated:returnDate");
      expect(reason).toMatch(/not a supported Convex type/);
    },
  );

  const ann = { name: "Ann", role: "admin" };
  const wrong: readonly (readonly [title: string, fields: Record<string, Value>])[] = [
    ["a field of another type", { ...ann, age: "5" }],
    ["a field that is not declared", { ...ann, more: 1 }],
    ["a literal outside of the union", { ...ann, role: "owner" }],
    ["an item of another type", { ...ann, tags: ["a", 1] }],
    ["null for what is optional", { ...ann, age: null }],
    ["an id that is none", { ...ann, boss: "nobody" }],
    ["a record with a value of another type", { ...ann, scores: { a: "1" } }],
  ];
  for (const [title, fields] of wrong)
    check(
      `the schema refuses ${title}`,
      schemas("validated on every insert, replace and patch"),
      async (app) => {
        const id = await app.mutation<string>("documents:insert", { table: "people", fields: ann });
        await app.refusal("mutation", "documents:insert", { table: "people", fields });
        await app.refusal("mutation", "documents:replace", { id, fields });
        await app.refusal("mutation", "documents:patch", { id, fields });
        expect(await app.query("documents:list", { table: "people" })).toMatchObject([{ _id: id, ...ann }]);
      },
    );

  check(
    "the schema refuses to lose a field",
    schemas("validated on every insert, replace and patch"),
    async (app) => {
      const id = await app.mutation<string>("documents:insert", { table: "people", fields: ann });
      await app.refusal("mutation", "documents:insert", { table: "people", fields: { name: "Bob" } });
      await app.refusal("mutation", "documents:replace", { id, fields: { name: "Bob" } });
      await app.refusal("mutation", "documents:unset", { id, field: "role" });
      await app.mutation("documents:unset", { id, field: "age" });
    },
  );

  check("the schema takes ids of the table it names alone", schemas("v.id(table)"), async (app) => {
    const boss = await app.mutation<string>("documents:insert", { table: "people", fields: ann });
    const row = await app.mutation<string>("documents:insert", { table: "rows", fields: {} });
    await app.mutation("documents:insert", { table: "people", fields: { ...ann, boss } });
    await app.refusal("mutation", "documents:insert", { table: "people", fields: { ...ann, boss: row } });
  });

  check(
    "a table that the schema lacks takes anything",
    schemas("schemas only validate tables listed in them"),
    async (app) => {
      const id = await app.mutation("documents:insert", { table: "unlisted", fields: { anything: [1n] } });
      expect(await app.query("documents:list", { table: "unlisted" })).toMatchObject([
        { _id: id, anything: [1n] },
      ]);
      expect(await app.query("documents:list", { table: "empty" })).toEqual([]);
    },
  );

  for (const kind of ["query", "mutation", "action"] as const)
    check(
      `an internal ${kind} is not for clients`,
      visibility("internal functions can only be called by other functions"),
      async (app) => {
        const path = `validated:hidden${kind[0]!.toUpperCase()}${kind.slice(1)}`;
        await app.refusal(kind, path, {}, { isTrusted: false });
        expect(await app.outcome({ kind, path, args: {}, isTrusted: true })).toMatchObject({
          ok: true,
          value: "hidden",
        });
      },
    );

  check(
    "functions call internal functions",
    visibility("called from within other functions"),
    async (app) => {
      expect(await app.action("validated:callHidden", {}, { isTrusted: false })).toEqual([
        "hidden",
        "hidden",
        "hidden",
      ]);
    },
  );

  check(
    "a function that does not exist is refused by its name",
    { source: sources.backendUserError, says: "test_not_found" },
    async (app) => {
      expect((await app.refusal("query", "validated:missing")).reason).toMatch(/missing/);
      expect((await app.refusal("query", "nowhere:missing")).reason).toMatch(/nowhere/);
      await app.refusal("query", "validated:noFunction");
    },
  );

  check(
    "a function is called as what it is",
    { source: sources.functionErrors, says: "queries, mutations and actions differ" },
    async (app) => {
      await app.refusal("query", "validated:openMutation");
      await app.refusal("mutation", "validated:ofNothing");
      await app.refusal("action", "validated:openMutation");
    },
  );
});
