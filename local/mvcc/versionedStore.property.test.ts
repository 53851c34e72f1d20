import fc from "fast-check";
import { expect, test } from "vitest";
import type { Document } from "../engine.js";
import { defineIndex, intervalOf, type Range } from "./indexKey.js";
import { ConflictError, VersionedStore, type ReadInterval } from "./versionedStore.js";

const byNumber = defineIndex("by_number", ["n"]);
const byId = defineIndex("by_id", ["_id"]);
const createStore = () => new VersionedStore({ rows: [byNumber, byId] }, () => 0n);
const row = (id: string, n: number): Document => ({ _id: id, _creationTime: 1, n });
const read = (range: Range, index = "by_number"): ReadInterval => ({
  table: "rows",
  index,
  ...intervalOf(range),
});

const id = fc.constantFrom("a", "b", "c", "d");
const write = fc.record({ id, n: fc.option(fc.nat({ max: 5 }), { nil: null }) });
const bound = fc.option(fc.record({ value: fc.nat({ max: 5 }), isInclusive: fc.boolean() }), {
  nil: undefined,
});
const range = fc.record({ lower: bound, upper: bound }).map(({ lower, upper }) => ({
  equal: [],
  ...(lower === undefined ? {} : { lower }),
  ...(upper === undefined ? {} : { upper }),
}));
const step = fc.oneof(
  fc.record({ type: fc.constant("commit" as const), writes: fc.array(write, { maxLength: 3 }) }),
  fc.record({ type: fc.constant("begin" as const) }),
  fc.record({ type: fc.constant("end" as const), which: fc.nat() }),
  fc.record({
    type: fc.constant("scan" as const),
    which: fc.nat(),
    range,
    order: fc.constantFrom("asc" as const, "desc" as const),
  }),
);

const isIn = (n: number, { lower, upper }: Range) =>
  (lower === undefined || (lower.isInclusive ? n >= (lower.value as number) : n > (lower.value as number))) &&
  (upper === undefined || (upper.isInclusive ? n <= (upper.value as number) : n < (upper.value as number)));

test("a snapshot reads what was there when it began, in index order, whatever is committed and forgotten since", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const store = createStore();
      let now = new Map<string, number>();
      const snapshots: { ts: bigint; rows: Map<string, number> }[] = [];
      for (const each of steps) {
        const snapshot = "which" in each ? snapshots[each.which % Math.max(1, snapshots.length)] : undefined;
        if (each.type === "begin") snapshots.push({ ts: store.begin(), rows: now });
        if (each.type === "commit") {
          const last = new Map(each.writes.map(({ id: key, n }) => [key, n]));
          store.commit(
            store.lastTs,
            [],
            [...last].map(([key, n]) => ({ table: "rows", id: key, after: n === null ? null : row(key, n) })),
          );
          now = new Map(now);
          for (const [key, n] of last)
            if (n === null) now.delete(key);
            else now.set(key, n);
        }
        if (each.type === "end" && snapshot !== undefined) {
          store.end(snapshot.ts);
          snapshots.splice(snapshots.indexOf(snapshot), 1);
        }
        if (each.type === "scan" && snapshot !== undefined) {
          const found = [
            ...store.table("rows").scan("by_number", intervalOf(each.range), each.order, snapshot.ts),
          ];
          const expected = [...snapshot.rows]
            .filter(([, n]) => isIn(n, each.range))
            .sort(([x, m], [y, n]) => m - n || (x < y ? -1 : 1))
            .map(([key]) => key);
          if (each.order === "desc") expected.reverse();
          expect(found.map(([, document]) => document["_id"])).toEqual(expected);
        }
      }
      for (const { ts } of snapshots) store.end(ts);
      expect(store.versions).toBe(now.size);
    }),
    { seed: 1, numRuns: 500 },
  );
});

test("a commit conflicts exactly if a write since its snapshot lies, before or after it, in an interval that was read", () => {
  fc.assert(
    fc.property(fc.array(write, { maxLength: 6 }), write, range, (initial, change, reading) => {
      const store = createStore();
      const before = new Map(initial.map(({ id: key, n }) => [key, n]));
      store.commit(
        0n,
        [],
        [...before].map(([key, n]) => ({ table: "rows", id: key, after: n === null ? null : row(key, n) })),
      );
      const ts = store.begin();
      const after = change.n === null ? null : row(change.id, change.n);
      store.commit(store.lastTs, [], [{ table: "rows", id: change.id, after }]);
      const touched = [before.get(change.id) ?? null, change.n].some((n) => n !== null && isIn(n, reading));
      const commit = () => store.commit(ts, [read(reading)], []);
      if (touched) expect(commit).toThrow(ConflictError);
      else expect(commit()).toBe(store.lastTs);
    }),
    { seed: 2, numRuns: 500 },
  );
});

test("two transactions that read the highest number and insert the next conflict; two that insert blindly do not", () => {
  const store = createStore();
  store.commit(0n, [], [{ table: "rows", id: "a", after: row("a", 1) }]);
  const counters = [store.begin(), store.begin()];
  const insert = (name: string) => [{ table: "rows", id: name, after: row(name, 2) }];
  const highest = read({ equal: [], lower: { value: 1, isInclusive: true } });
  store.commit(counters[0]!, [highest], insert("b"));
  expect(() => store.commit(counters[1]!, [highest], insert("c"))).toThrow(/table "rows" changed/);
  const blind = [store.begin(), store.begin()];
  for (const [index, ts] of blind.entries()) store.commit(ts, [], insert(`blind ${index}`));
});
