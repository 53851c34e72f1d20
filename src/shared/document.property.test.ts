import fc from "fast-check";
import { expect, test } from "vitest";
import * as Y from "yjs";
import { authorUpdate, encodeSnapshot, mergeUpdate, openDocument } from "./document.js";
import { readMain } from "./mainDocument.js";
import type { Operation } from "./operations.js";
import { addingOrRemoving, incrementing, setting } from "../testing/setUp/arbitraryOperations.js";

const fields = ["a", "b", "__proto__"];
const primitive = fc.oneof(fc.string(), fc.integer(), fc.boolean());
const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({
    type: fc.constant("insert" as const),
    fields: fc.dictionary(fc.constantFrom(...fields), primitive),
  }),
  fc.constant({ type: "delete" as const }),
  setting(fc.constantFrom(...fields), fc.option(primitive, { nil: undefined })),
  incrementing("count"),
  addingOrRemoving("tags", primitive),
);
const history = fc.array(
  fc.record({ author: fc.constantFrom(11, 22, 33), operations: fc.array(operation, { maxLength: 5 }) }),
  {
    maxLength: 25,
  },
);

test("I-8: replicas that merge concurrent updates in any order, compacted or not, read the same", () => {
  fc.assert(
    fc.property(history, fc.infiniteStream(fc.boolean()), (steps, coin) => {
      const replicas = new Map([11, 22, 33].map((author) => [author, openDocument([])]));
      const updates: Uint8Array[] = [];
      for (const { author, operations } of steps) {
        const doc = replicas.get(author)!;
        if (coin.next().value) for (const update of updates) Y.applyUpdate(doc, update.subarray(1));
        const made = authorUpdate(doc, author, operations);
        if (made) updates.push(made.bytes);
      }
      const plain = openDocument(updates);
      const half = Math.floor(updates.length / 2);
      const snapshot = encodeSnapshot(openDocument(updates.slice(0, half)));
      const compacted = openDocument([snapshot, ...updates.slice(half)]);
      expect(readMain(compacted)).toEqual(readMain(plain));
      expect(Y.encodeStateVector(compacted)).toEqual(Y.encodeStateVector(plain));
      for (const doc of replicas.values()) {
        for (const update of updates) Y.applyUpdate(doc, update.subarray(1));
        expect(readMain(doc)).toEqual(readMain(plain));
      }
    }),
    { seed: 1, numRuns: 300 },
  );
});

test("I-8: a counter reads the sum of everybody's increments, a set what was last done to each member", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom(11, 22), fc.integer({ min: -5, max: 5 }))),
      (increments) => {
        const doc = openDocument([]);
        authorUpdate(doc, 11, [{ type: "insert", fields: {} }]);
        for (const [author, by] of increments)
          authorUpdate(doc, author, [{ type: "increment", field: "count", by }]);
        const sum = increments.reduce((total, [, by]) => total + by, 0);
        expect(readMain(doc).counters.get("count") ?? 0).toBe(sum);
      },
    ),
    { seed: 2 },
  );
});

test("every authored update adds a struct, so that the state vector tells whether a state contains it", () => {
  fc.assert(
    fc.property(history, (steps) => {
      const doc = openDocument([]);
      for (const { author, operations } of steps) {
        const before = encodeSnapshot(doc);
        const made = authorUpdate(doc, author, operations);
        if (made) expect(made.to).toBeGreaterThan(made.from);
        else expect(encodeSnapshot(doc)).toEqual(before);
      }
    }),
    { seed: 3 },
  );
});

test("I-16: cut or flipped bytes are answered with an outcome, and what is merged holds only legal keys", () => {
  fc.assert(
    fc.property(history, fc.nat(), fc.nat(), fc.boolean(), (steps, position, bit, isCut) => {
      const doc = openDocument([]);
      const updates = steps.flatMap(
        ({ author, operations }) => authorUpdate(doc, author, operations)?.bytes ?? [],
      );
      const base = openDocument(updates.slice(0, -1));
      const last = updates.at(-1)?.slice() ?? new Uint8Array();
      const at = last.length === 0 ? 0 : position % last.length;
      if (!isCut && last.length > 0) last[at]! ^= 1 << (bit % 8);
      const outcome = mergeUpdate(base, isCut ? last.subarray(0, at) : last);
      if (isCut) expect(outcome.type).not.toBe("merged");
      if (outcome.type === "merged") readMain(base);
    }),
    { seed: 4, numRuns: 500 },
  );
});

test("I-16: arbitrary bytes are never merged into anything unreadable", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.boolean(), (bytes, hasFormatByte) => {
      const doc = openDocument([]);
      const outcome = mergeUpdate(doc, hasFormatByte ? new Uint8Array([1, ...bytes]) : bytes);
      if (outcome.type === "merged") readMain(doc);
    }),
    { seed: 5, numRuns: 2000 },
  );
});
