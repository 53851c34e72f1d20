import fc from "fast-check";
import { expect, test } from "vitest";
import * as Y from "yjs";
import type { Operation } from "../../shared/operations.js";
import { authorUpdate, encodeSnapshot, openDocument } from "../../shared/document.js";
import { sites } from "../../testing/fieldApp.js";
import { openBase } from "./base.js";
import { mergeDocument } from "./merge.js";
import { setting } from "../../testing/setUp/arbitraryOperations.js";

const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.constant<Operation>({ type: "insert", fields: { name: "n", country: "DE" } }),
  fc.constant<Operation>({ type: "delete" }),
  setting("note", fc.string()),
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

test("I-8: whatever a document's pages bring, and however often, its base, row and clocks are those that Yjs gives it", () => {
  const page = fc.array(fc.tuple(fc.nat(), fc.boolean()), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(history, fc.array(page, { minLength: 1, maxLength: 12 }), (steps, pages) => {
      const doc = openDocument([]);
      const updates = steps.flatMap(({ author, operations }) => authorUpdate(doc, author, operations) ?? []);
      if (updates.length === 0) return;
      const upTo = (count: number) => openDocument(updates.slice(0, count).map(({ bytes }) => bytes));
      const all: Uint8Array[] = [];
      let base: Uint8Array | undefined;
      let next = 0;
      for (const entries of pages) {
        // Mostly what comes next; sometimes a snapshot, which contains it, or what has come before.
        const blobs = entries.map(([choice, isNext]) => {
          if (isNext || next === 0) return updates[next++ % updates.length]!.bytes;
          return choice % 2 === 0
            ? updates[(choice % next) % updates.length]!.bytes
            : encodeSnapshot(upTo(next));
        });
        all.push(...blobs);
        const merged = mergeDocument(sites, "x", base, blobs, updates);
        const whole = openDocument(all);
        const expected = mergeDocument(sites, "x", undefined, [encodeSnapshot(whole)], updates);
        expect(merged.row).toEqual(expected.row);
        expect(merged.covered).toEqual(expected.covered);
        base = merged.base;
        expect(encodeSnapshot(openBase([base]))).toEqual(encodeSnapshot(whole));
      }
    }),
    { seed: 2, numRuns: Number(process.env["NUM_RUNS"] ?? 200) },
  );
});

test("I-8: however often a document changes, its base is what Yjs makes of all of it, and stays small", () => {
  const doc = openDocument([]);
  let base: Uint8Array | undefined;
  for (let n = 0; n < 300; n++) {
    const operations: Operation[] =
      n === 0
        ? [{ type: "insert", fields: { name: "n", country: "DE" } }]
        : [
            { type: "set", field: "note", value: `visit ${n}` },
            { type: "increment", field: "visits", by: 1 },
          ];
    const { bytes } = authorUpdate(doc, 1 + (n % 2), operations)!;
    const merged = mergeDocument(sites, "x", base, [bytes], []);
    base = merged.base;
    expect(merged.row).toEqual(mergeDocument(sites, "x", undefined, [encodeSnapshot(doc)], []).row);
    expect(Y.encodeStateVector(openBase([base]))).toEqual(Y.encodeStateVector(doc));
    expect(base.length).toBeLessThan(encodeSnapshot(doc).length + 1_024);
  }
});
