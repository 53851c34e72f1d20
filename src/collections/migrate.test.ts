import { v, type Value } from "convex/values";
import { describe, expect, test } from "vitest";
import type { MainState } from "../shared/mainDocument.js";
import type { Operation } from "../shared/operations.js";
import { placesV1, placesV2, placesV3 } from "../testing/versionedApp.js";
import { defineCollection, field, MigrationError, migrationOf, projectRow } from "./index.js";

const state = (registers: Record<string, Value>, version = 1): MainState => ({
  existence: "present",
  incarnation: 0,
  version,
  registers: new Map(Object.entries(registers)),
  counters: new Map([["visits", 3]]),
  sets: new Map(),
});
const old = state({ name: "Bonn", people: 7, price: 2 });

describe("rows of older versions", () => {
  test("run through the steps that they lack, in order, and then get their defaults", () => {
    const common = { id: "x", visits: 3, tags: [] };
    const v2 = { ...common, name: "Bonn", population: 7, price: 200, status: "open" };
    const v3 = { ...common, title: "Bonn (7)", population: 7, price: 200, status: "open" };
    expect(projectRow(placesV1, "x", old)).toEqual({ ...common, name: "Bonn", people: 7, price: 2 });
    expect(projectRow(placesV2, "x", old)).toEqual(v2);
    expect(projectRow(placesV3, "x", old)).toEqual(v3);
    const stored = state({ name: "Bonn", people: 7, population: 7, price: 200 }, 2);
    expect(projectRow(placesV2, "x", stored)).toEqual(v2); // not once more
    expect(projectRow(placesV3, "x", stored)).toEqual(v3);
  });

  test("of a later version than the definition's are read as they are", () => {
    const later = state({ name: "Bonn", people: 7, population: 8, price: 200 }, 2);
    expect(projectRow(placesV1, "x", later)).toMatchObject({ people: 7, price: 200 });
  });

  test("a step is shown registers and the id, and cannot change them; what is absent stays so for it", () => {
    let seen: unknown;
    const definition = defineCollection("d", {
      fields: { a: v.string(), b: v.optional(v.array(v.number())), n: field.counter() },
      defaults: { a: "default" },
      schemaVersion: 2,
      migrate: { 2: (row) => ((seen = row), { b: row["b"] }) },
    });
    expect(projectRow(definition, "x", state({ gone: 1n }))).toEqual({ id: "x", a: "default", n: 0 });
    expect(seen).toEqual({ id: "x", gone: 1n });
    expect(Object.isFrozen(seen)).toBe(true);
  });
});

describe("what a write brings with it", () => {
  const set: Operation = { type: "set", field: "name", value: "Köln" };
  const insert: Operation = { type: "insert", fields: {} };
  const cases: [string, MainState, Operation[], [number, Record<string, unknown>] | undefined][] = [
    ["an update: the patch", old, [set], [3, { title: "Bonn (7)", population: 7, price: 200 }]],
    ["an update of what is of this version: nothing", state({ title: "t" }, 3), [set], undefined],
    ["an update of what is of a later one: nothing", state({ title: "t" }, 4), [set], undefined],
    ["a deletion: nothing", old, [set, { type: "delete" }], undefined],
    ["an insert: the version", { ...old, existence: "absent" }, [insert, set], [3, {}]],
    ["a deletion and an insert: the version", old, [{ type: "delete" }, insert], [3, {}]],
    [
      "an insert of what was deleted in this version: nothing",
      { ...state({}, 3), existence: "deleted" },
      [insert],
      undefined,
    ],
  ];
  test.each(cases)("%s", (_name, before, operations, expected) => {
    const migration = migrationOf(placesV3, "x", before, operations);
    expect(migration && [migration.version, Object.fromEntries(migration.registers)]).toEqual(expected);
  });
});

describe("a step that fails", () => {
  const faults: [string, () => unknown, RegExp][] = [
    ["throws", () => JSON.parse("{"), /^migrate\[2\] of "d" threw: .*document "x"/],
    [
      "throws no error",
      () => {
        throw "so";
      },
      /threw: so/,
    ],
    ["returns nothing", () => undefined, /returned no patch but undefined/],
    ["returns a promise", async () => ({ a: "a" }), /returned no patch but Promise/],
    ["returns a list", () => ["a"], /no patch but array/],
    ["patches what is no field", () => ({ b: 1 }), /patches "b", which is no field/],
    ["patches what only prototypes have", () => ({ toString: "a" }), /patches "toString", which is no field/],
    ["patches the id", () => ({ id: "y" }), /patches "id"/],
    ["patches a counter", () => ({ n: 1 }), /"n", which is a counter/],
    ["patches a set", () => ({ s: [] }), /"s", which is a set/],
    ["patches a text", () => ({ t: "" }), /"t", which is a text/],
    ["returns another type", () => ({ a: 1 }), /Field "a": expected string, got number 1/],
    ["clears what must be there", () => ({ a: undefined }), /Field "a": expected string/],
    ["returns what cannot be stored", () => ({ any: new Date(0) }), /expected a Convex value, got Date/],
  ];
  test.each(faults)("%s: is an error that names the step and the document", (_name, step, message) => {
    const definition = defineCollection("d", {
      fields: {
        ...{ a: v.string(), any: v.optional(v.any()), n: field.counter() },
        ...{ s: field.set(v.string()), t: field.text() },
      },
      schemaVersion: 2,
      migrate: { 2: step as () => { a: string } },
    });
    const project = () => projectRow(definition, "x", state({ a: "a" }));
    expect(project).toThrow(MigrationError);
    expect(project).toThrow(message);
  });
});
