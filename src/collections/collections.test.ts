import { v } from "convex/values";
import { describe, expect, test } from "vitest";
import {
  defineCollection,
  field,
  insertOperations,
  recordDraft,
  scopeOf,
  validateFields,
  type AnyCollection,
  type Fields,
} from "./index.js";

const sites = defineCollection("sites", {
  fields: {
    name: v.string(),
    country: v.string(),
    status: v.union(v.literal("open"), v.literal("surveyed")),
    assignee: v.string().optional(),
    deletedAt: v.nullable(v.number()),
    address: v.object({ city: v.string(), zip: v.optional(v.string()) }),
    list: v.optional(v.array(v.object({ n: v.number() }))),
    shape: v.optional(v.union(v.null(), v.object({ kind: v.literal("circle"), r: v.number() }))),
    rec: v.optional(v.record(v.string(), v.int64())),
    blob: v.optional(v.bytes()),
    owner: v.optional(v.id("users")),
    any: v.optional(v.any()),
    visits: field.counter(),
    tags: field.set(v.string()),
  },
  defaults: { status: "open", deletedAt: null },
  scope: (row) => row.country,
  schemaVersion: 2,
  migrate: { 2: (old) => ({ name: old.name ?? old.title }) },
});
const row = {
  id: "x",
  name: "n",
  country: "FR",
  status: "open" as const,
  deletedAt: null,
  address: { city: "Lyon" },
  visits: 3,
  tags: ["a", "b"],
};

describe("defineCollection", () => {
  test("makes the validator of the row", () => {
    expect(sites.row.kind).toBe("object");
    expect(Object.keys(sites.row.fields)).toEqual(["id", ...Object.keys(sites.fields)]);
    expect(sites.row.fields.visits.kind).toBe("float64");
    expect(sites.row.fields.tags.kind).toBe("array");
  });

  test("has version 1, no scope and no defaults unless told otherwise", () => {
    const plain = defineCollection("settings", { fields: { theme: v.string() } });
    expect(plain).toMatchObject({ schemaVersion: 1, scope: undefined, defaults: {}, migrate: {} });
  });

  test.each(["id", "_x", "$x", "", "a\0b", "a\nb", "é", "__proto__"])("refuses a field named %j", (name) => {
    const fields = Object.fromEntries([[name, v.string()]]) as Fields;
    expect(() => defineCollection("a", { fields })).toThrow(/Collection "a": .*name/);
  });

  test.each(["", "_a", "$a", "a\0b"])("refuses a collection named %j", (name) => {
    expect(() => defineCollection(name, { fields: { s: v.string() } })).toThrow(/the name /);
  });

  test.each<[string, object, RegExp]>([
    ["a default of a counter", { fields: { n: field.counter() }, defaults: { n: 3 } }, /counter "n" cannot/],
    ["a default of no field", { fields: {}, defaults: { x: 3 } }, /default "x" names no field/],
    ["a wrong default", { fields: { s: v.string() }, defaults: { s: 3 } }, /expected string, got number 3/],
    ["a version below 1", { fields: {}, schemaVersion: 0 }, /schemaVersion .* got number 0/],
    ["a step beyond the version", { fields: {}, migrate: { 2: () => ({}) } }, /step to version 2/],
    ["members that are objects", { fields: { s: field.set(v.object({}) as never) } }, /members of set "s"/],
    ["a field that is none", { fields: { s: "string" } }, /field "s" is no validator/],
    ["a commit timestamp", { fields: { s: v.array(v.commitTs()) } }, /v\.commitTs\(\)/],
    ["a scope that is no function", { fields: {}, scope: "FR" }, /scope must be a function/],
  ])("refuses %s", (_, options, message) => {
    expect(() => defineCollection("a", options as never)).toThrow(message);
  });
});

describe("validateFields", () => {
  test("accepts a row, with or without counters, sets and defaulted registers", () => {
    expect(validateFields(sites, row)).toBeNull();
    expect(validateFields(sites, { id: "x", name: "n", country: "FR", address: { city: "L" } })).toBeNull();
    const full = {
      list: [{ n: 1 }],
      shape: { kind: "circle", r: 1 },
      rec: { a: 1n },
      blob: new ArrayBuffer(1),
    };
    expect(validateFields(sites, { ...row, ...full, any: { a: [null, { b: 1n }] }, owner: "u" })).toBeNull();
  });

  const cycle: Record<string, unknown> = {};
  cycle["self"] = cycle;
  test.each<[object, string, RegExp]>([
    [{ name: 3 }, "name", /expected string, got number 3/],
    [{ name: undefined }, "name", /expected string, got undefined/],
    [{ id: 3 }, "id", /expected string/],
    [{ nope: 1 }, "nope", /no such field/],
    [{ toString: "x" }, "toString", /no such field/],
    [{ status: "gone" }, "status", /expected "open" \| "surveyed", got string "gone"/],
    [{ address: { city: 1 } }, "address.city", /expected string, got number 1/],
    [{ address: { city: "L", nope: 1 } }, "address.nope", /no such field/],
    [{ address: [] }, "address", /expected object \{city, zip\}, got array/],
    [{ list: [{ n: 1 }, { n: "2" }] }, "list[1].n", /expected number, got string "2"/],
    [{ shape: { kind: "circle", r: "1" } }, "shape.r", /expected number/],
    [{ shape: 3 }, "shape", /expected null \| object \{kind, r\}/],
    [{ rec: { a: 1 } }, "rec.a", /expected bigint/],
    [{ rec: { a: 2n ** 64n } }, "rec.a", /does not fit into 64 bits/],
    [{ blob: new Uint8Array(1) }, "blob", /got Uint8Array \(pass an ArrayBuffer/],
    [{ any: new Date(0) }, "any", /expected a Convex value, got Date/],
    [{ any: { a: new Map() } }, "any.a", /got Map/],
    [{ any: [undefined] }, "any[0]", /got undefined/],
    [{ any: { $a: 1 } }, "any", /starts with "\$"/],
    [{ any: new (class Point {})() }, "any", /got Point/],
    [{ any: () => 1 }, "any", /got function/],
    [{ any: cycle }, "any.self", /contains itself/],
    [{ visits: Number.NaN }, "visits", /a finite number, got number NaN/],
    [{ tags: new Set(["a"]) }, "tags", /array of members, got Set/],
    [{ tags: ["a", 3] }, "tags[1]", /expected string, got number 3/],
  ])("refuses %o", (patch, path, message) => {
    const fault = validateFields(sites, { ...row, ...patch });
    expect(fault?.message).toMatch(message);
    expect(fault?.field.startsWith(path)).toBe(true);
    expect(fault?.message).toContain(`"${fault?.field}"`);
  });
});

describe("recordDraft", () => {
  test("records assignments, removals, nested changes, increments and members, and leaves the row alone", () => {
    const before = Object.freeze({ ...row, assignee: "me", address: Object.freeze({ city: "Lyon" }) });
    const operations = recordDraft(sites, before, (draft) => {
      draft.status = "surveyed";
      delete draft.assignee;
      draft.address.city = "Paris";
      draft.visits.increment(4);
      draft.visits.decrement();
      expect(draft.visits.value).toBe(6);
      draft.tags.add("c");
      expect(draft.tags.delete("a")).toBe(true);
      expect([...draft.tags]).toEqual(["b", "c"]);
      expect([draft.tags.size, draft.tags.has("a")]).toEqual([2, false]);
    });
    expect(operations).toEqual([
      { type: "set", field: "status", value: "surveyed" },
      { type: "set", field: "assignee", value: undefined },
      { type: "set", field: "address", value: { city: "Paris" } },
      { type: "increment", field: "visits", by: 3 },
      { type: "remove", field: "tags", member: "a" },
      { type: "add", field: "tags", member: "c" },
    ]);
    expect(before.address.city).toBe("Lyon");
  });

  test("records nothing for what comes out even", () => {
    const operations = recordDraft(sites, row, (draft) => {
      draft.name = "other";
      draft.name = "n";
      draft.address = { city: "Lyon" };
      draft.assignee = "me";
      draft.assignee = undefined;
      draft.visits.increment();
      draft.visits.decrement();
      draft.tags.clear();
      draft.tags.add("b");
      draft.tags.add("a");
    });
    expect(operations).toEqual([]);
  });

  test("gives operations that do not share values with the draft", () => {
    const mine = { city: "Paris" };
    const operations = recordDraft(sites, row, (draft) => {
      draft.address = mine;
    });
    mine.city = "Nice";
    expect(operations).toEqual([{ type: "set", field: "address", value: { city: "Paris" } }]);
  });

  type Loose = Record<string, never>;
  test.each<[string, (draft: Loose) => unknown, RegExp]>([
    ["to a counter", (d) => Object.assign(d, { visits: 3 }), /"visits": it is a counter; call its increment/],
    ["to a set", (d) => Object.assign(d, { tags: [] }), /"tags": it is a set; call its add/],
    ["to the id", (d) => Object.assign(d, { id: "y" }), /id of a document never changes/],
    ["to no field", (d) => Object.assign(d, { nope: 1 }), /"sites" has no such field/],
    ["by removing a counter", (d) => delete d["visits"], /it is a counter/],
    ["by definition", (d) => Object.defineProperty(d, "name", { value: 1 }), /assign to it/],
    ["of a Date", (d) => Object.assign(d, { any: new Date(0) }), /got Date/],
    ["after an await", async () => {}, /must not be async/],
    ["after an await that fails", () => Promise.reject(new Error("x")), /must not be async/],
  ])("refuses changes %s", (_, change, message) => {
    expect(() => recordDraft(sites as AnyCollection, row, change as never)).toThrow(TypeError);
    expect(() => recordDraft(sites as AnyCollection, row, change as never)).toThrow(message);
  });

  test("refuses increments and members of a wrong type, and a draft used too late", () => {
    let late: (() => void) | undefined;
    recordDraft(sites, row, (draft) => {
      expect(() => draft.visits.increment(Number.NaN)).toThrow(/finite numbers, got number NaN/);
      expect(() => draft.visits.decrement("1" as never)).toThrow(/got string "1"/);
      expect(() => draft.tags.add({} as never)).toThrow(/set members are strings/);
      late = () => (draft.name = "late");
    });
    expect(late).toThrow(/the draft is closed/i);
  });
});

describe("insertOperations", () => {
  const insert = { id: "x", name: "n", country: "FR", address: { city: "L" } };

  test("fills in defaults, then starts counters and sets", () => {
    const operations = insertOperations(sites, { ...insert, visits: 2, tags: new Set(["a", "b"]) });
    expect(operations).toEqual([
      {
        type: "insert",
        fields: { name: "n", country: "FR", address: { city: "L" }, status: "open", deletedAt: null },
      },
      { type: "increment", field: "visits", by: 2 },
      { type: "add", field: "tags", member: "a" },
      { type: "add", field: "tags", member: "b" },
    ]);
  });

  test("takes null and repeated members as they are meant", () => {
    const [first, ...rest] = insertOperations(sites, { ...insert, shape: null, visits: 0, tags: ["a", "a"] });
    expect(first).toMatchObject({ fields: { shape: null } });
    expect(rest).toEqual([{ type: "add", field: "tags", member: "a" }]);
  });

  test.each<[object, RegExp]>([
    [{ nope: 1 }, /"nope": collection "sites" has no such field/],
    [{ visits: "3" }, /a finite number, got string "3"/],
    [{ tags: 3 }, /an iterable of members/],
    [{ tags: [{}] }, /set members are strings/],
    [{ any: new Date(0) }, /got Date/],
  ])("refuses %o", (patch, message) => {
    expect(() => insertOperations(sites, { ...insert, ...patch })).toThrow(message);
  });
});

describe("scopeOf", () => {
  test("answers the scope, or the empty one", () => {
    expect(scopeOf(sites, row)).toBe("FR");
    expect(scopeOf(defineCollection("a", { fields: {} }), { id: "x" })).toBe("");
  });

  test("shows the scope function registers only", () => {
    const keys = defineCollection("a", {
      fields: { s: v.string(), n: field.counter() },
      scope: (seen) => Object.keys(seen).join(),
    });
    expect(scopeOf(keys, { id: "x", s: "s", n: 3, other: 1 })).toBe("id,s");
  });

  test("refuses a scope that is no string", () => {
    expect(() => scopeOf(sites, { id: "x" })).toThrow(/"sites" must return a string; .*"x" .* undefined/);
  });
});
