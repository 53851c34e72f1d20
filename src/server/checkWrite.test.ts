import { v } from "convex/values";
import { expect, test } from "vitest";
import { defineCollection, field, type AnyCollection } from "../collections/index.js";
import { limits } from "../shared/limits.js";
import type { MainState, MainWrite } from "../shared/mainDocument.js";
import { checkWrite } from "./checkWrite.js";

const things = defineCollection("things", {
  fields: {
    name: v.string(),
    value: v.optional(v.any()),
    visits: field.counter(),
    tags: field.set(v.string()),
  },
  scope: (row) => row.name.split("/")[0]!,
});
const state = (existence: MainState["existence"], incarnation = 0, name = "a/1"): MainState => ({
  existence,
  incarnation,
  version: 1,
  registers: new Map(existence === "present" ? [["name", name]] : []),
  counters: new Map(),
  sets: new Map(),
});
const [absent, present, deleted] = [state("absent"), state("present"), state("deleted")];
const reborn = state("present", 1);
const existence: MainWrite = { kind: "existence" };
const name: MainWrite = { kind: "register", field: "name" };
const count = (incarnation: number): MainWrite => ({ kind: "counter", field: "visits", incarnation });

const lives: [string, MainState, MainState, MainWrite[], string][] = [
  ["an insert", absent, present, [existence, name], "insert"],
  ["an insert with a counter", absent, present, [existence, name, count(0)], "insert"],
  ["an update", present, present, [name], "update"],
  ["a delete", present, deleted, [existence], "delete"],
  ["a delete that also writes", present, deleted, [existence, name], "delete"],
  ["an insert after a deletion", deleted, reborn, [existence, name], "insert"],
  ["an insert after a deletion, with a counter", deleted, reborn, [existence, count(1)], "insert"],
  ["a deletion and an insert in one", present, reborn, [existence, name], "update"],
  ["an insert of what is there", present, present, [existence, name], "exists"],
  ["an update of what never was", absent, absent, [name], "unknown_document"],
  ["a delete of what never was", absent, deleted, [existence], "unknown_document"],
  ["an update of what is deleted", deleted, deleted, [name], "unknown_document"],
  ["a second deletion, or an insert that lost against the deletion", deleted, deleted, [existence], "gap"],
  ["an insert that does not know of the deletion", deleted, present, [existence, name], "gap"],
  ["a counter of an earlier life", reborn, reborn, [count(0)], "gap"],
  ["a member of a later life", present, present, [{ kind: "member", field: "tags", incarnation: 1 }], "gap"],
  ["an incarnation that goes back", reborn, present, [name], "gap"],
  [
    "an incarnation far ahead",
    present,
    state("present", limits.transactionOperations + 1),
    [name],
    "invalid_update",
  ],
];
test.each(lives)("%s", (_name, before, after, writes, expected) => {
  const check = checkWrite(things, "x", before, after, writes);
  const answer = check.type === "write" ? check.change.type : check.type === "gap" ? "gap" : check.code;
  expect(answer).toBe(expected);
  if (check.type === "write")
    expect(check).toMatchObject({ scope: "a", previousScope: before.existence === "present" ? "a" : null });
});

const fields: [string, MainWrite, RegExp][] = [
  ["a field that is not there", { kind: "register", field: "owner" }, /"owner".*no such field/],
  ["a field of Object.prototype", { kind: "register", field: "constructor" }, /no such field/],
  ["a counter as a register", { kind: "register", field: "visits" }, /is a counter.*as a register/],
  ["a set as a register", { kind: "register", field: "tags" }, /is a member.*as a register/],
  [
    "a register as a counter",
    { kind: "counter", field: "name", incarnation: 0 },
    /is a register.*as a counter/,
  ],
];
test.each(fields)("a write of %s is refused and named", (_name, write, message) => {
  expect(checkWrite(things, "x", present, present, [write])).toMatchObject({ code: "invalid_row", message });
});

const withValue = (value: unknown): MainState => ({
  ...present,
  registers: new Map<string, never>([
    ["name", "a/1" as never],
    ["value", value as never],
  ]),
});
const wide = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, n) => [`f${n}`, 1]));
function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < depth; level++) value = [value];
  return value;
}
const values: [string, unknown, string | null][] = [
  ["8,192 elements", Array(8192).fill(1), null],
  ["8,193 elements", Array(8193).fill(1), "too_large"],
  ["8,193 elements deep inside", { list: [Array(8193).fill(1)] }, "too_large"],
  ["1,024 fields", wide(1024), null],
  ["1,025 fields", wide(1025), "too_large"],
  ["60 levels", nested(60), null],
  ["61 levels", nested(61), "invalid_row"],
  ["768 KiB as Convex counts it", Array.from({ length: 100 }, () => Array(900).fill(1)), "too_large"],
  ["half of a surrogate pair", ["\ud800"], "invalid_row"],
  ["a whole surrogate pair", ["\u{1f600}"], null],
  ["a field name that Convex reserves", { $a: 1 }, "invalid_row"],
];
test.each(values)("I-16: a value with %s is stored, or refused before Convex does", (_name, value, code) => {
  const check = checkWrite(things, "x", present, withValue(value), [{ kind: "register", field: "value" }]);
  expect(check.type === "refused" ? check.code : null).toBe(code);
});

test("a scope is what the definition says of the merged row, before and after; it may not be too long, or fail", () => {
  const to = (value: string) => checkWrite(things, "x", present, state("present", 0, value), [name]);
  expect(to("a/2")).toMatchObject({ type: "write", scope: "a" });
  expect(to("b/1")).toMatchObject({ type: "write", scope: "b", previousScope: "a" });
  const long = checkWrite(things, "x", absent, state("present", 0, "s".repeat(257)), [existence]);
  expect(long).toMatchObject({ code: "invalid_row", message: /256 characters/ });
  const failing = { ...things, scope: () => 3 } as unknown as AnyCollection;
  expect(checkWrite(failing, "x", absent, present, [existence])).toMatchObject({ code: "invalid_row" });
});
