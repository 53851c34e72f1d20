import fc from "fast-check";
import { expect, test } from "vitest";
import type { Document } from "../engine/engine.js";
import { defineIndex, intervalOf, type Range } from "./indexKey.js";
import { ReadSet } from "./readSet.js";
import { ConflictError, VersionedStore, type DocumentAfter } from "./versionedStore.js";

const byNumber = defineIndex("by_number", ["n"]);
const createStore = () => {
  const store = new VersionedStore(() => 0n);
  store.defineIndexes("rows", [byNumber]);
  return store;
};
const row = (id: string, n: number): Document => ({ _id: id, _creationTime: 1, n });
const reading = (range: Range): ReadSet => {
  const reads = new ReadSet();
  reads.addInterval("rows", byNumber, intervalOf(range));
  return reads;
};
const commit = (store: VersionedStore, ts: bigint, reads: ReadSet, writes: DocumentAfter[]) =>
  store.commit(ts, reads, "", () => writes).ts;
const blind = new ReadSet();

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
          commit(
            store,
            store.lastTs,
            blind,
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
            ...store.table("rows").scan(byNumber, intervalOf(each.range), each.order, snapshot.ts),
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

test("a scan that is read step by step gives what its snapshot holds, whatever is committed between two steps", () => {
  const busy = fc.array(
    fc.array(fc.record({ id: fc.nat({ max: 60 }), n: fc.option(fc.nat({ max: 60 }), { nil: null }) })),
    {
      minLength: 40,
      maxLength: 80,
    },
  );
  fc.assert(
    fc.property(busy, fc.constantFrom("asc" as const, "desc" as const), (commits, order) => {
      const store = createStore();
      const write = (rows: { id: number; n: number | null }[]) => {
        const last = new Map(rows.map(({ id: key, n }) => [`${key}`, n]));
        commit(
          store,
          store.lastTs,
          blind,
          [...last].map(([key, n]) => ({ table: "rows", id: key, after: n === null ? null : row(key, n) })),
        );
      };
      write(Array.from({ length: 60 }, (_, n) => ({ id: n, n })));
      const ts = store.begin();
      const found: unknown[] = [];
      const table = store.table("rows");
      for (const [, document] of table.scan(byNumber, intervalOf({ equal: [] }), order, ts)) {
        found.push(document["n"]);
        write(commits[found.length % commits.length]!);
      }
      const expected = Array.from({ length: 60 }, (_, n) => n);
      expect(found).toEqual(order === "asc" ? expected : expected.reverse());
    }),
    { seed: 3, numRuns: 100 },
  );
});

test("a commit conflicts exactly if a write since its snapshot lies, before or after it, in an interval that was read", () => {
  fc.assert(
    fc.property(fc.array(write, { maxLength: 6 }), write, range, (initial, change, wanted) => {
      const store = createStore();
      const before = new Map(initial.map(({ id: key, n }) => [key, n]));
      commit(
        store,
        0n,
        blind,
        [...before].map(([key, n]) => ({ table: "rows", id: key, after: n === null ? null : row(key, n) })),
      );
      const ts = store.begin();
      const after = change.n === null ? null : row(change.id, change.n);
      commit(store, store.lastTs, blind, [{ table: "rows", id: change.id, after }]);
      const touched = [before.get(change.id) ?? null, change.n].some((n) => n !== null && isIn(n, wanted));
      const validate = () => commit(store, ts, reading(wanted), []);
      if (touched) expect(validate).toThrow(ConflictError);
      else expect(validate()).toBe(store.lastTs);
    }),
    { seed: 2, numRuns: 500 },
  );
});

test("two transactions that read the highest number and insert the next conflict; two that insert blindly do not", () => {
  const store = createStore();
  commit(store, 0n, blind, [{ table: "rows", id: "a", after: row("a", 1) }]);
  const counters = [store.begin(), store.begin()];
  const insert = (name: string) => [{ table: "rows", id: name, after: row(name, 2) }];
  const highest = reading({ equal: [], lower: { value: 1, isInclusive: true } });
  commit(store, counters[0]!, highest, insert("b"));
  expect(() => commit(store, counters[1]!, highest, insert("c"))).toThrow(ConflictError);
  const others = [store.begin(), store.begin()];
  for (const [index, ts] of others.entries()) commit(store, ts, blind, insert(`blind ${index}`));
});

test("an index that is declared later holds what is there, as it was at each snapshot", () => {
  const store = new VersionedStore(() => 0n);
  commit(store, 0n, blind, [{ table: "rows", id: "a", after: row("a", 1) }]);
  const before = store.begin();
  commit(store, store.lastTs, blind, [{ table: "rows", id: "a", after: row("a", 2) }]);
  store.defineIndexes("rows", [byNumber]);
  const one = intervalOf({ equal: [1] });
  const scan = (ts: bigint) => [...store.table("rows").scan(byNumber, one, "asc", ts)];
  expect([scan(before).length, scan(store.lastTs).length]).toEqual([1, 0]);
});
