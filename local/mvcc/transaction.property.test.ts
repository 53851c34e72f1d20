import fc from "fast-check";
import { expect, test } from "vitest";
import type { Document } from "../engine/engine.js";
import { defineIndex, intervalOf } from "./indexKey.js";
import { Transaction } from "./transaction.js";
import { ConflictError, VersionedStore } from "./versionedStore.js";

// One transaction, step by step, while others commit: what it reads, and whether it conflicts, by a plain list.

const byNumber = defineIndex("by_number", ["n"]);
interface Row {
  readonly id: string;
  readonly n: number;
}
const documentOf = ({ id, n }: Row): Document => ({ _id: id, _creationTime: 1, n });
const rowOf = (document: Document): Row => ({ id: document["_id"] as string, n: document["n"] as number });

const id = fc.constantFrom("a", "b", "c", "d", "e", "f");
const n = fc.nat({ max: 7 });
const write = fc.record({ id, n: fc.option(n, { nil: null }) });
const step = fc.oneof(
  fc.record({ type: fc.constant("get" as const), id }),
  fc.record({
    type: fc.constant("scan" as const),
    from: n,
    to: n,
    order: fc.constantFrom("asc" as const, "desc" as const),
    take: fc.nat({ max: 5 }),
  }),
  fc.record({ type: fc.constant("write" as const), write }),
  fc.record({ type: fc.constantFrom("begin" as const, "keep" as const, "undo" as const) }),
  fc.record({ type: fc.constant("other" as const), writes: fc.array(write, { minLength: 1, maxLength: 2 }) }),
);

type Rows = ReadonlyMap<string, number>;

function written(rows: Rows, writes: readonly { id: string; n: number | null }[]): Rows {
  const after = new Map(rows);
  for (const each of writes)
    if (each.n === null) after.delete(each.id);
    else after.set(each.id, each.n);
  return after;
}

function commitOther(store: VersionedStore, writes: readonly { id: string; n: number | null }[]): void {
  const other = new Transaction(store);
  for (const each of writes)
    other.write("rows", each.id, each.n === null ? null : documentOf({ id: each.id, n: each.n }));
  other.commit();
}

const inOrder = (a: Row, b: Row) => a.n - b.n || (a.id < b.id ? -1 : Number(a.id > b.id));

/** A transaction, beside what a list says that it should see and depend on. */
class Checked {
  readonly #transaction: Transaction;
  #rows: Rows;
  readonly #levels: Rows[] = [];
  /** Whether a row, before or after somebody's write, is one that it depends on. */
  readonly #dependsOn: ((row: Row) => boolean)[] = [];
  isTouched = false;

  constructor(store: VersionedStore, rows: Rows) {
    this.#transaction = new Transaction(store);
    this.#rows = rows;
  }

  get(wanted: string): void {
    this.#dependsOn.push((row) => row.id === wanted);
    const found = this.#transaction.get("rows", wanted);
    expect(found === null ? undefined : found["n"]).toBe(this.#rows.get(wanted));
  }

  /** @param take - 0: all */
  scan(from: number, to: number, order: "asc" | "desc", take: number): void {
    const interval = intervalOf({
      equal: [],
      lower: { value: from, isInclusive: true },
      upper: { value: to, isInclusive: false },
    });
    const found: Row[] = [];
    let isBroken = false;
    for (const [, document] of this.#transaction.scan("rows", byNumber, interval, order)) {
      found.push(rowOf(document));
      isBroken = found.length === take;
      if (isBroken) break;
    }
    const isIn = (row: Row) => row.n >= from && row.n < to;
    const sign = order === "asc" ? 1 : -1;
    const expected = [...this.#rows].map(([key, number]) => ({ id: key, n: number })).filter(isIn);
    expected.sort((a, b) => sign * inOrder(a, b));
    expect(found).toEqual(take === 0 ? expected : expected.slice(0, take));
    const last = isBroken ? found.at(-1)! : null;
    this.#dependsOn.push((row) => isIn(row) && (last === null || sign * inOrder(row, last) <= 0));
  }

  write(each: { id: string; n: number | null }): void {
    const document = each.n === null ? null : documentOf({ id: each.id, n: each.n });
    this.#transaction.write("rows", each.id, document);
    this.#rows = written(this.#rows, [each]);
  }

  level(change: "begin" | "keep" | "undo"): void {
    if (change === "begin") {
      this.#levels.push(this.#rows);
      this.#transaction.beginNested();
    } else if (this.#levels.length > 0) {
      const before = this.#levels.pop()!;
      if (change === "keep") return this.#transaction.commitNested();
      this.#rows = before;
      this.#transaction.rollbackNested();
    }
  }

  /** Somebody wrote these. */
  noteOther(rows: readonly Row[]): void {
    this.#others.push(...rows);
  }
  readonly #others: Row[] = [];

  commit(): Rows | null {
    this.isTouched = this.#others.some((row) => this.#dependsOn.some((depends) => depends(row)));
    if (this.isTouched) {
      expect(() => this.#transaction.commit()).toThrow(ConflictError);
      return null;
    }
    this.#transaction.commit();
    return this.#rows;
  }
}

test("I-20: a transaction sees its snapshot with its own writes, and conflicts exactly with writes of what it was handed", () => {
  let [conflicts, commits] = [0, 0];
  fc.assert(
    fc.property(fc.array(write, { maxLength: 8 }), fc.array(step, { maxLength: 25 }), (initial, steps) => {
      const store = new VersionedStore(() => 0n);
      store.defineIndexes("rows", [byNumber]);
      let rows = written(new Map(), initial);
      commitOther(store, initial);
      const checked = new Checked(store, rows);
      for (const each of steps) {
        if (each.type === "get") checked.get(each.id);
        else if (each.type === "scan") checked.scan(each.from, each.to, each.order, each.take);
        else if (each.type === "write") checked.write(each.write);
        else if (each.type !== "other") checked.level(each.type);
        else {
          const after = written(rows, each.writes);
          for (const { id: key } of each.writes)
            for (const state of [rows, after])
              checked.noteOther(state.has(key) ? [{ id: key, n: state.get(key)! }] : [{ id: key, n: -1 }]);
          rows = after;
          commitOther(store, each.writes);
        }
      }
      const ended = checked.commit();
      if (ended === null) conflicts += 1;
      else commits += 1;
      const now = new Map(
        [...store.table("rows").documents(store.lastTs)].map((each) => [each["_id"], each["n"]]),
      );
      if (ended === null) expect(now).toEqual(rows);
      expect(store.versions).toBe(now.size);
    }),
    { seed: 11, numRuns: Number(process.env["NUM_RUNS"] ?? 1_500) },
  );
  expect(Math.min(conflicts, commits)).toBeGreaterThan(100);
});
