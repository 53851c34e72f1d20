import { v } from "convex/values";
import fc from "fast-check";
import { expect, test } from "vitest";
import { defineCollection, field, type PlainRow } from "../../collections/index.js";
import { canonicalJson } from "../../shared/canonicalJson.js";
import { authorAbove } from "./authorAbove.js";
import { applyToRow } from "./overlay.js";
import { operationsBetween, rebaseOperations } from "./rebase.js";

const things = defineCollection("things", {
  fields: {
    name: v.string(),
    note: v.optional(v.union(v.string(), v.array(v.number()))),
    visits: field.counter(),
    tags: field.set(v.union(v.string(), v.number())),
  },
});
const member = fc.oneof(fc.constantFrom("a", "b", "c"), fc.constantFrom(1, 2));
const row = fc
  .record(
    {
      id: fc.constant("x"),
      name: fc.string(),
      note: fc.oneof(fc.string(), fc.array(fc.integer())),
      visits: fc.integer({ min: -9, max: 9 }),
      tags: fc.uniqueArray(member, { selector: (each) => canonicalJson(each) }),
    },
    { requiredKeys: ["id", "name", "visits", "tags"] },
  )
  .map((each): PlainRow => {
    const sorted = [...each.tags].sort((a, b) => (canonicalJson(a) < canonicalJson(b) ? -1 : 1));
    return { ...each, tags: sorted } as PlainRow;
  });

test("the operations between two rows make one of the other, and none are needed between equal ones", () => {
  fc.assert(
    fc.property(row, row, (from, to) => {
      const operations = operationsBetween(things, from, to);
      expect(canonicalJson(applyToRow(things, "x", from, operations))).toBe(canonicalJson(to));
      expect(operationsBetween(things, to, to)).toEqual([]);
    }),
    { seed: 1, numRuns: 500 },
  );
});

const pending = { id: "x", operations: [], before: {}, metadata: {} };
const here: PlainRow = { id: "x", name: "n", visits: 1, tags: [] };

test("what a merge makes of the row is what is changed", () => {
  const merge = (current: PlainRow) => ({ ...current, name: `${String(current["name"])}!`, visits: 3 });
  expect(rebaseOperations(things, here, pending, merge)).toEqual([
    { type: "set", field: "name", value: "n!" },
    { type: "increment", field: "visits", by: 2 },
  ]);
});

test("a merge that returns no row of the collection is refused, and is not asked about an insert or a delete", () => {
  const wrong = () => ({ id: "x", name: 3, visits: 0, tags: [] }) as PlainRow;
  expect(() => rebaseOperations(things, here, pending, wrong)).toThrow(
    /merge\(\) returned no row of "things"/,
  );
  const remove = { ...pending, operations: [{ type: "delete" } as const] };
  expect(rebaseOperations(things, here, remove, wrong)).toBe(remove.operations);
  expect(rebaseOperations(things, null, pending, wrong)).toBe(pending.operations);
});

test("an author above others is above all of them, and a Yjs client id", () => {
  const author = fc.integer({ min: 1, max: 2 ** 32 - 1 });
  fc.assert(
    fc.property(
      fc.array(author, { minLength: 1 }),
      fc.double({ min: 0, max: 0.999999, noNaN: true }),
      (authors, fraction) => {
        const above = authorAbove(authors, fraction);
        const highest = Math.max(...authors);
        expect(above === null).toBe(highest === 2 ** 32 - 1);
        if (above === null) return;
        expect(above).toBeGreaterThan(highest);
        expect([Number.isInteger(above), above < 2 ** 32]).toEqual([true, true]);
      },
    ),
    { seed: 1, numRuns: 500 },
  );
});
