import fc from "fast-check";
import { expect, test } from "vitest";
import type { Document } from "./engine.js";
import { OrderedIndex, type IndexQuery } from "./orderedIndex.js";
import { ReadSet, type Bound } from "./readSet.js";

const value = fc.constantFrom(undefined, null, -0, 0, 1, 2, "1", "a", true, 5n);
const documents = fc
  .array(fc.record({ a: value, b: value, at: fc.record({ x: value }) }), { maxLength: 20 })
  .map((rows) =>
    rows.map((row, n) => ({ ...row, _id: `${n}rows`, _creationTime: n }) as unknown as Document),
  );
const bound = (type: Bound["type"], fieldPath: string) =>
  fc.constantFrom<Bound["value"]>(null, 0, 1, "1", "a", true, { $undefined: null }).map((bounded) => ({
    type,
    fieldPath,
    value: bounded,
  }));
const bounds = fc.oneof(
  fc.constant([]),
  fc.tuple(bound("Eq", "a")),
  fc.tuple(bound("Eq", "a"), bound("Gt", "at.x")),
  fc.tuple(bound("Eq", "a"), bound("Gte", "at.x"), bound("Lt", "at.x")),
  fc.tuple(bound("Eq", "a"), bound("Eq", "at.x"), bound("Lte", "b")),
  fc.tuple(bound("Lt", "a")),
);

/** What a scan of all documents would find. */
function scan(rows: readonly Document[], range: readonly Bound[]): Set<unknown> {
  const reads = new ReadSet();
  reads.addRange("", "rows", range);
  const isIn = (after: Document) =>
    reads.isTouchedBy({ component: "", table: "rows", id: "", before: null, after });
  return new Set(rows.filter(isIn).map(({ _id }) => _id));
}
const idsOf = (rows: readonly Document[]) => rows.map(({ _id }) => _id);
const all = (range: readonly Bound[]): IndexQuery => ({ bounds: range, order: "asc", most: null });

test("an index finds what a scan finds, whatever was added and removed", () => {
  fc.assert(
    fc.property(documents, bounds, fc.nat(20), fc.nat(20), (rows, range, added, removed) => {
      const index = new OrderedIndex(["a", "at.x", "b"], rows.slice(added));
      for (const row of rows.slice(0, added)) index.add(row);
      for (const row of rows.slice(0, removed)) index.remove(row);
      const found = index.find(all(range));
      expect(new Set(idsOf(found))).toEqual(scan(rows.slice(removed), range));
      expect(new Set(idsOf(found)).size).toBe(found.length);
    }),
    { seed: 1, numRuns: 500 },
  );
});

test("of a range it finds the first, or the last, in its order", () => {
  fc.assert(
    fc.property(documents, bounds, fc.nat(5), (rows, range, most) => {
      const index = new OrderedIndex(["a", "at.x", "b"], rows);
      const found = idsOf(index.find(all(range)));
      expect(idsOf(index.find({ bounds: range, order: "asc", most }))).toEqual(found.slice(0, most));
      const last = most === 0 ? [] : found.slice(-most);
      expect(idsOf(index.find({ bounds: range, order: "desc", most }))).toEqual(last);
    }),
    { seed: 1, numRuns: 500 },
  );
});

test("it is in the order of its fields, then of creation", () => {
  const rows = [2, 1, 2].map((a, n) => ({ a, _id: `${n}rows`, _creationTime: n }));
  expect(idsOf(new OrderedIndex(["a"], rows).find(all([])))).toEqual(["1rows", "0rows", "2rows"]);
});
