import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { PlainRow } from "../../collections/index.js";
import { LiveRows } from "./liveRows.js";
import { orderOf, runQuery, type PlainQuery } from "./query.js";

/** Few values, so that many are equal; of every type, and with those that no operator compares. */
const value = fc.constantFrom<PlainRow[string] | undefined>(
  ...[undefined, null, 5n, 7n, 0, -0, 1, 2, NaN, Infinity, true, false, "", "a", "b"],
  ...[[], ["a"], { a: 1 }, { a: 2 }, new Uint8Array([1]).buffer],
);
const rowOf = (id: string, value: PlainRow[string] | undefined): PlainRow =>
  value === undefined ? { id } : { id, value };
const query: fc.Arbitrary<PlainQuery> = fc.record(
  {
    where: fc.constantFrom<(row: PlainRow) => boolean>(
      ({ value }) => typeof value === "number",
      ({ id }) => id < "3",
    ),
    orderBy: fc.constantFrom<NonNullable<PlainQuery["orderBy"]>>(
      ...["value", ["value", "asc"] as const, ["value", "desc"] as const, ["id", "desc"] as const],
    ),
    limit: fc.nat(6),
  },
  { requiredKeys: [] },
);
/** Documents that are new, others, or gone; many more of them than a small limit keeps. */
const step = fc.array(fc.tuple(fc.nat(400).map(String), fc.option(value, { nil: "gone" as const })), {
  maxLength: 120,
});

test("at every step the result is what the query makes of all rows, and the same array where that is", () => {
  fc.assert(
    fc.property(query, fc.array(step, { minLength: 1, maxLength: 8 }), (query, steps) => {
      const rows = new Map<string, PlainRow>();
      const live = new LiveRows(query, () => rows.values());
      for (const changes of steps) {
        for (const [id, value] of changes)
          if (value === "gone") rows.delete(id);
          else rows.set(id, rowOf(id, value));
        const before = live.result;
        const expected = runQuery(rows.values(), query);
        const isOther = live.change(new Set(changes.map(([id]) => id)), (id) => rows.get(id));
        expect(live.result.length).toBe(expected.length);
        expect(live.result.every((row, index) => row === expected[index])).toBe(true);
        expect(isOther).toBe(live.result !== before);
        expect(isOther).toBe(
          before.length !== expected.length || before.some((row, index) => row !== expected[index]),
        );
      }
      const { result } = live;
      expect([live.reset(), live.result === result]).toEqual([false, true]);
    }),
    { seed: 1, numRuns: 1000 },
  );
});

test("rows change one at a time where a limit is small", () => {
  const change = fc.tuple(fc.nat(120).map(String), fc.option(fc.nat(500), { nil: "gone" as const }));
  fc.assert(
    fc.property(query, fc.array(change, { minLength: 150, maxLength: 400 }), (query, changes) => {
      const rows = new Map(Array.from({ length: 200 }, (_, n) => [`${n}`, rowOf(`${n}`, n)]));
      const live = new LiveRows(query, () => rows.values());
      live.reset();
      for (const [id, value] of changes) {
        if (value === "gone") rows.delete(id);
        else rows.set(id, rowOf(id, value));
        live.change([id], (id) => rows.get(id));
        expect(live.result.map((row) => row.id)).toEqual(runQuery(rows.values(), query).map((row) => row.id));
      }
    }),
    { seed: 2, numRuns: 30 },
  );
});

test("an order tells any two rows apart, whatever they hold, and contradicts itself nowhere", () => {
  const row = fc.tuple(fc.nat(3).map(String), value).map(([id, value]) => rowOf(id, value));
  fc.assert(
    fc.property(query, row, row, row, (query, a, b, c) => {
      const order = orderOf(query);
      expect(Math.sign(order(a, b)) + Math.sign(order(b, a))).toBe(0);
      if (a.id !== b.id) expect(order(a, b)).not.toBe(0);
      if (order(a, b) <= 0 && order(b, c) <= 0) expect(order(a, c)).toBeLessThanOrEqual(0);
    }),
    { seed: 3, numRuns: 5000 },
  );
});

describe("what a change takes", () => {
  const count = 10_000;
  let reads = 0;
  /** Each comparison reads the value of two rows. */
  const counted = (id: string, value: number): PlainRow =>
    Object.defineProperty({ id } as PlainRow, "value", {
      enumerable: true,
      get: () => (reads++, value),
    });
  const setUp = (limit?: number) => {
    const rows = new Map(
      Array.from({ length: count }, (_, n) => [`${n}`, counted(`${n}`, (n * 7919) % count)]),
    );
    let scans = 0;
    const live = new LiveRows({ orderBy: "value", ...(limit === undefined ? {} : { limit }) }, () => {
      scans++;
      return rows.values();
    });
    live.reset();
    [reads, scans] = [0, 0];
    return {
      live,
      scans: () => scans,
      /** @returns comparisons */
      put(id: string, value: number): number {
        rows.set(id, counted(id, value));
        const before = reads;
        live.change([id], (id) => rows.get(id));
        return (reads - before) / 2;
      },
    };
  };

  test.each([undefined, 50])(
    "of one row among 10,000: at most 2 log n + 2 comparisons (limit %s)",
    (limit) => {
      const { put, scans } = setUp(limit);
      const most = 2 * Math.ceil(Math.log2(count + 1)) + 2;
      for (let n = 0; n < 200; n++) expect(put(`${n * 31}`, n * 47)).toBeLessThanOrEqual(most);
      expect(scans()).toBe(0);
    },
  );

  test("of a row beyond the limit: one comparison", () => {
    const { put } = setUp(50);
    expect(put("new", count)).toBe(1);
  });

  test("the rows are gone through again once after so many have left those kept, not for each", () => {
    const { live, put, scans } = setUp(50);
    for (let n = 0; n < 300; n++) put(live.result[0]!.id, count + n);
    expect(scans()).toBe(Math.floor(300 / 101));
    expect(live.result[0]?.["value"]).toBe(300);
  });

  test("of the first 50 of 10,000, all at once: at most two comparisons a row", () => {
    const { live } = setUp(50);
    live.reset();
    expect(reads / 2).toBeLessThanOrEqual(2 * count);
  });

  test("of the first 50 of 10,000, read in slices: at most two comparisons a row", () => {
    const rows = Array.from({ length: count }, (_, n) => counted(`${n}`, (n * 7919) % count));
    const byId = new Map(rows.map((row) => [row.id, row]));
    const live = new LiveRows({ orderBy: "value", limit: 50 }, () => rows);
    live.reset();
    const first = new LiveRows({ orderBy: "value", limit: 50 }, () => []);
    reads = 0;
    for (let at = 0; at < count; at += 500)
      first.change(
        rows.slice(at, at + 500).map(({ id }) => id),
        (id) => byId.get(id),
      );
    expect(reads / 2).toBeLessThanOrEqual(2 * count);
    expect(first.result).toEqual(live.result);
  });
});
