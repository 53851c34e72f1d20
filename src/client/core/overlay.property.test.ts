import { v } from "convex/values";
import fc from "fast-check";
import { expect, test } from "vitest";
import { defineCollection, field, projectRow, type PlainRow } from "../../collections/index.js";
import { canonicalJson } from "../../shared/canonicalJson.js";
import { authorUpdate, openDocument } from "../../shared/document.js";
import { readMain } from "../../shared/mainDocument.js";
import type { Operation } from "../../shared/operations.js";
import { collapse } from "./collapse.js";
import { applyToRow } from "./overlay.js";
import { addingOrRemoving, incrementing, setting } from "../../testing/setUp/arbitraryOperations.js";

const things = defineCollection("things", {
  fields: {
    a: v.string(),
    b: v.optional(v.any()),
    visits: field.counter(),
    tags: field.set(v.union(v.string(), v.number(), v.boolean())),
  },
  defaults: { a: "default" },
});

const primitive = fc.oneof(fc.string(), fc.integer(), fc.boolean());
const register = fc.constantFrom("a", "b");
const change: fc.Arbitrary<Operation> = fc.oneof(
  setting(register, fc.option(primitive, { nil: undefined })),
  incrementing("visits"),
  addingOrRemoving("tags", primitive),
);
const insert: fc.Arbitrary<Operation> = fc.record({
  type: fc.constant("insert" as const),
  fields: fc.dictionary(register, primitive),
});
/** What a replica lets through: an insert first, a delete and what comes after it begin anew. */
const life = fc
  .array(fc.tuple(insert, fc.array(change, { maxLength: 8 })), { minLength: 1, maxLength: 4 })
  .map((lives) =>
    lives.flatMap(([first, rest], index) => [
      ...(index === 0 ? [] : [{ type: "delete" } as const]),
      first,
      ...rest,
    ]),
  );

/** The row as the document has it after each list of operations was authored as one update. */
function authoredRow(updates: readonly (readonly Operation[])[]): PlainRow | null {
  const doc = openDocument([]);
  for (const operations of updates) authorUpdate(doc, 7, operations);
  return projectRow(things, "x", readMain(doc));
}

const text = (row: PlainRow | null) => canonicalJson(row);

test("I-7: an overlay shows the row that authoring the same operations leads to", () => {
  fc.assert(
    fc.property(life, fc.nat(), (operations, cut) => {
      const confirmed = operations.slice(0, cut % operations.length);
      const pending = operations.slice(confirmed.length);
      const shown = applyToRow(things, "x", authoredRow([confirmed]), pending);
      expect(text(shown)).toBe(text(authoredRow([confirmed, pending])));
    }),
    { seed: 1, numRuns: 500 },
  );
});

test("collapsed operations author the same row as all of them, one update each", () => {
  fc.assert(
    fc.property(life, fc.nat(), fc.boolean(), (operations, cut, endsDeleted) => {
      const all = endsDeleted ? [...operations, { type: "delete" } as const] : operations;
      const confirmed = all.slice(0, cut % all.length);
      const pending = all.slice(confirmed.length);
      const one = authoredRow([confirmed, collapse(pending)]);
      const each = authoredRow([confirmed, ...pending.map((operation) => [operation])]);
      expect(text(one)).toBe(text(each));
    }),
    { seed: 2, numRuns: 500 },
  );
});

test("20 edits of one field collapse into one operation", () => {
  const edits = Array.from({ length: 20 }, (_, n): Operation => ({
    type: "set",
    field: "a",
    value: `v${n}`,
  }));
  expect(collapse(edits)).toEqual([{ type: "set", field: "a", value: "v19" }]);
});

test("an insert that a delete follows collapses into nothing", () => {
  expect(collapse([{ type: "insert", fields: { a: "x" } }, { type: "delete" }])).toEqual([]);
});
