import fc from "fast-check";
import {
  defineSchema,
  defineTable,
  makeFunctionReference,
  mutationGeneric,
  queryGeneric,
  type GenericDataModel,
  type GenericMutationCtx,
} from "convex/server";
import { ConvexError, jsonToConvex, v, type GenericId, type Value } from "convex/values";
import { expect, test } from "vitest";
import type { CallResult } from "./engine.js";
import { startEngine } from "./engineUnderTest.js";

// A transaction is a script, run by the engine beside others, and once more by itself, over a plain list, where its
// commit stands. Whatever it read must be the same.

interface Row {
  readonly _id: string;
  readonly _creationTime: number;
  readonly k: number;
  readonly n: number;
}

/** `which` picks from the documents that the script has seen, and those that were there at the start. */
type Step =
  | { readonly type: "get" | "remove"; readonly which: number }
  | {
      readonly type: "scan";
      readonly from: number;
      readonly to: number;
      readonly isDescending: boolean;
      readonly take: number;
      readonly breaks: boolean;
    }
  | { readonly type: "newest"; readonly take: number }
  | { readonly type: "insert"; readonly k: number; readonly n: number }
  | { readonly type: "patch"; readonly which: number; readonly k: number }
  | { readonly type: "nested"; readonly steps: readonly Step[]; readonly fails: boolean };

interface Database {
  get(id: string): Promise<Row | null>;
  scan(step: Extract<Step, { type: "scan" }>): Promise<Row[]>;
  newest(take: number): Promise<Row[]>;
  insert(k: number, n: number): Promise<Row>;
  patch(id: string, k: number): Promise<void>;
  remove(id: string): Promise<void>;
  nested(steps: readonly Step[], fails: boolean): Promise<unknown[]>;
}

async function runScript(
  db: Database,
  steps: readonly Step[],
  initial: readonly string[],
): Promise<unknown[]> {
  const seen = [...initial];
  const read: unknown[] = [];
  const see = (rows: readonly Row[]) => {
    read.push(rows.map(({ _id, _creationTime, k, n }) => [_id, _creationTime, k, n]));
    seen.push(...rows.map(({ _id }) => _id));
  };
  for (const step of steps) {
    if (step.type === "scan") see(await db.scan(step));
    else if (step.type === "newest") see(await db.newest(step.take));
    else if (step.type === "insert") see([await db.insert(step.k, step.n)]);
    else if (step.type === "nested") read.push(await db.nested(step.steps, step.fails));
    else {
      const row = await db.get(seen[step.which % seen.length]!);
      see(row === null ? [] : [row]);
      if (row !== null && step.type === "patch") await db.patch(row._id, step.k);
      if (row !== null && step.type === "remove") await db.remove(row._id);
    }
  }
  return read;
}

const script = { steps: v.any(), initial: v.array(v.string()), fails: v.boolean() };
type Script = { steps: readonly Step[]; initial: string[]; fails: boolean };
const reference = makeFunctionReference<"mutation", Script, unknown[]>("tests:run");

function databaseOf(ctx: GenericMutationCtx<GenericDataModel>, initial: string[]): Database {
  const id = (text: string) => text as GenericId<"rows">;
  return {
    get: (row) => ctx.db.get(id(row)) as Promise<Row | null>,
    scan: async ({ from, to, isDescending, take, breaks }) => {
      const query = ctx.db
        .query("rows")
        .withIndex("by_k", (q) => q.gte("k", from).lt("k", to))
        .order(isDescending ? "desc" : "asc");
      if (!breaks) return (await query.take(take)) as unknown as Row[];
      const rows: Row[] = [];
      for await (const row of query) if (rows.push(row as unknown as Row) >= take) break;
      return rows;
    },
    newest: (take) => ctx.db.query("rows").order("desc").take(take) as unknown as Promise<Row[]>,
    insert: async (k, n) => (await ctx.db.get(await ctx.db.insert("rows", { k, n }))) as unknown as Row,
    patch: (row, k) => ctx.db.patch(id(row), { k }),
    remove: (row) => ctx.db.delete(id(row)),
    nested: async (steps, fails) => {
      try {
        return await ctx.runMutation(reference, { steps, initial, fails });
      } catch (error) {
        return (error as ConvexError<Value[]>).data;
      }
    },
  };
}

const run = mutationGeneric({
  args: script,
  handler: async (ctx, { steps, initial, fails }) => {
    const read = await runScript(databaseOf(ctx, initial), steps as Step[], initial);
    if (fails) throw new ConvexError(read as never);
    return read;
  },
});
const look = queryGeneric({
  args: script,
  handler: (ctx, { steps, initial }) =>
    runScript(databaseOf(ctx as GenericMutationCtx<GenericDataModel>, initial), steps as Step[], initial),
});
const all = queryGeneric({ args: {}, handler: (ctx) => ctx.db.query("rows").collect() });
const schema = defineSchema({ rows: defineTable({ k: v.number(), n: v.number() }).index("by_k", ["k"]) });

/** The same over a list. @param inserted - what the script inserted in the engine: ids and times are as they were there */
class Model implements Database {
  readonly #inserted: Row[];
  readonly #initial: readonly string[];
  rows: readonly Row[];

  constructor(rows: readonly Row[], inserted: Row[], initial: readonly string[]) {
    [this.rows, this.#inserted, this.#initial] = [rows, inserted, initial];
  }

  async get(id: string): Promise<Row | null> {
    return this.rows.find(({ _id }) => _id === id) ?? null;
  }

  async scan({ from, to, isDescending, take }: Extract<Step, { type: "scan" }>): Promise<Row[]> {
    const rows = this.rows.filter(({ k }) => k >= from && k < to);
    rows.sort((a, b) => a.k - b.k || a._creationTime - b._creationTime);
    return (isDescending ? rows.reverse() : rows).slice(0, take);
  }

  async newest(take: number): Promise<Row[]> {
    return [...this.rows].sort((a, b) => b._creationTime - a._creationTime).slice(0, take);
  }

  async insert(k: number, n: number): Promise<Row> {
    const row = { ...this.#inserted.shift()!, k, n };
    this.rows = [...this.rows, row];
    return row;
  }

  async patch(id: string, k: number): Promise<void> {
    this.rows = this.rows.map((row) => (row._id === id ? { ...row, k } : row));
  }

  async remove(id: string): Promise<void> {
    this.rows = this.rows.filter(({ _id }) => _id !== id);
  }

  async nested(steps: readonly Step[], fails: boolean): Promise<unknown[]> {
    const before = this.rows;
    const read = await runScript(this, steps, this.#initial);
    if (fails) this.rows = before;
    return read;
  }
}

/** What a script inserted, with the ids and times that it got. */
function insertedBy(read: readonly unknown[], steps: readonly Step[]): Row[] {
  return steps.flatMap((step, place) => {
    if (step.type === "nested") return insertedBy(read[place] as unknown[], step.steps);
    if (step.type !== "insert") return [];
    const [[_id, _creationTime, k, n]] = read[place] as [[string, number, number, number]];
    return [{ _id, _creationTime, k, n }];
  });
}

const key = fc.nat({ max: 9 });
const which = fc.nat();
const take = fc.integer({ min: 1, max: 4 });
const leaf: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ type: fc.constantFrom("get" as const, "remove" as const), which }),
  fc.record({ type: fc.constant("patch" as const), which, k: key }),
  fc.record({ type: fc.constant("insert" as const), k: key, n: key }),
  fc.record({ type: fc.constant("newest" as const), take }),
  fc
    .record({ a: key, b: key, isDescending: fc.boolean(), take, breaks: fc.boolean() })
    .map(({ a, b, ...rest }) => ({
      ...{ type: "scan" as const, from: Math.min(a, b), to: Math.max(a, b) + 1 },
      ...rest,
    })),
);
const nested: fc.Arbitrary<Step> = fc.record({
  type: fc.constant("nested" as const),
  steps: fc.array(leaf, { maxLength: 4 }),
  fails: fc.boolean(),
});
const steps = fc.array(fc.oneof({ weight: 5, arbitrary: leaf }, nested), { minLength: 1, maxLength: 5 });
const transactions = fc.array(
  fc.record({ kind: fc.constantFrom("mutation" as const, "mutation" as const, "query" as const), steps }),
  { minLength: 2, maxLength: 12 },
);

const onlyReads = (given: readonly Step[]): Step[] =>
  given.filter((step) => ["get", "scan", "newest"].includes(step.type));

/** In the order in which they say that they stand: who only read, behind who wrote what it saw. */
function inCommitOrder<T extends { result: CallResult; wrote: boolean }>(ended: readonly T[]): T[] {
  const ts = ({ result }: T) => (result.ok ? result.ts : 0n);
  return [...ended].sort((a, b) => Number(ts(a) - ts(b)) || Number(b.wrote) - Number(a.wrote));
}

const numRuns = Number(process.env["NUM_RUNS"] ?? 150);

test("I-20: transactions that run beside each other read, and leave, what they would one after the other as they were committed", async () => {
  let conflicts = 0;
  await fc.assert(
    fc.asyncProperty(transactions, fc.nat(), fc.boolean(), async (given, seed, isSlow) => {
      const latency = isSlow ? { readLatencyMs: [0, 30] as const } : {};
      const {
        engine,
        run: call,
        value,
      } = await startEngine({ functions: { run, look, all }, schema }, { seed, ...latency });
      await engine.importDocuments(
        "rows",
        Array.from({ length: 6 }, (_, n) => ({ k: n, n: 100 + n })),
      );
      const before = (await value("query", "all")) as unknown as Row[];
      const initial = before.map(({ _id }) => _id);
      const ended = await Promise.all(
        given.map(async ({ kind, steps: all }) => {
          const own = kind === "query" ? onlyReads(all) : all;
          const name = kind === "query" ? "look" : "run";
          const result = await call(kind, name, { steps: own, initial, fails: false });
          return { steps: own, result, wrote: result.written.rows > 0 };
        }),
      );
      let rows: readonly Row[] = before;
      for (const { steps: own, result } of inCommitOrder(ended.filter(({ result: { ok } }) => ok))) {
        conflicts += result.conflicts;
        const value = result.ok ? (jsonToConvex(result.value) as unknown[]) : [];
        const model = new Model(rows, insertedBy(value, own), initial);
        expect(await runScript(model, own, initial)).toEqual(value);
        rows = model.rows;
      }
      const places = (found: readonly Row[]) => found.map(({ _id, k, n }) => `${_id} ${k} ${n}`).sort();
      expect(places((await value("query", "all")) as unknown as Row[])).toEqual(places(rows));
    }),
    { seed: 20, numRuns },
  );
  expect(conflicts).toBeGreaterThan(numRuns / 10);
});
