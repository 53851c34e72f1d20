import fc from "fast-check";
import { expect, test } from "vitest";
import type { Operation } from "../../shared/operations.js";
import { authorUpdate, encodeSnapshot, openDocument } from "../../shared/document.js";
import { sites } from "../../testing/fieldApp.js";
import { mergeDocument } from "./merge.js";

const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.constant<Operation>({ type: "insert", fields: { name: "n", country: "DE" } }),
  fc.constant<Operation>({ type: "delete" }),
  fc.record({ type: fc.constant("set" as const), field: fc.constant("note"), value: fc.string() }),
  fc.record({ type: fc.constant("increment" as const), field: fc.constant("visits"), by: fc.integer() }),
  fc.record({ type: fc.constant("add" as const), field: fc.constant("tags"), member: fc.string() }),
);
const history = fc.array(
  fc.record({
    author: fc.constantFrom(1, 2),
    operations: fc.array(operation, { minLength: 1, maxLength: 4 }),
  }),
  { minLength: 1, maxLength: 10 },
);

test("I-8: a document that comes as one blob has the row, and covers the updates, that Yjs gives it", () => {
  fc.assert(
    fc.property(history, fc.nat(), (steps, cut) => {
      const doc = openDocument([]);
      const updates = steps.flatMap(({ author, operations }) => authorUpdate(doc, author, operations) ?? []);
      const [first, ...more] = updates.slice(0, (cut % 10) + 1).map(({ bytes }) => bytes);
      if (first === undefined) return;
      for (const blob of [first, encodeSnapshot(openDocument([first, ...more]))]) {
        const read = mergeDocument(sites, "x", undefined, [blob], updates);
        const merged = mergeDocument(sites, "x", blob, [blob], updates); // twice the same: Yjs merges it
        expect(read.base).toBe(blob);
        expect(read.row).toEqual(merged.row);
        expect(read.covered).toEqual(merged.covered);
      }
    }),
    { seed: 1 },
  );
});

test("a document whose one blob is malformed is an error, and no document without a row", () => {
  const { bytes } = authorUpdate(openDocument([]), 1, [{ type: "insert", fields: { name: "n" } }])!;
  expect(() => mergeDocument(sites, "x", undefined, [bytes.subarray(0, -3)], [])).toThrow();
});
