import {
  defineSchema,
  defineTable,
  makeFunctionReference,
  mutationGeneric,
  queryGeneric,
} from "convex/server";
import { v } from "convex/values";
import { expect, test } from "vitest";
import type { CallResult, FunctionKind } from "./engine.js";
import { JumpClock } from "../jumpClock.js";
import { LocalEngine, type EngineOptions } from "./localEngine.js";

const schema = defineSchema({
  counters: defineTable({ n: v.number() }).index("by_n", ["n"]),
  log: defineTable({ text: v.string() }),
});

/** Reads the highest number there is and inserts the next: what every conflict is made of. */
const next = mutationGeneric({
  args: {},
  returns: v.number(),
  handler: async (ctx) => {
    const last = await ctx.db.query("counters").withIndex("by_n").order("desc").first();
    const n = ((last?.["n"] as number | undefined) ?? 0) + 1;
    await ctx.db.insert("counters", { n });
    return n;
  },
});
const modules = {
  tests: {
    next,
    log: mutationGeneric({
      args: { text: v.string() },
      handler: async (ctx, { text }) => {
        await ctx.db.get(await ctx.db.insert("log", { text }));
      },
    }),
    later: mutationGeneric({
      args: {},
      handler: async (ctx) => {
        await ctx.scheduler.runAfter(0, makeFunctionReference<"mutation">("tests:next"), {});
      },
    }),
    numbers: queryGeneric({
      args: {},
      handler: async (ctx) => (await ctx.db.query("counters").withIndex("by_n").collect()).map(({ n }) => n),
    }),
    sum: mutationGeneric({
      args: {},
      handler: async (ctx) => {
        const numbers = await ctx.runQuery(
          makeFunctionReference<"query", Record<string, never>, number[]>("tests:numbers"),
          {},
          { useStaleSnapshot: true },
        );
        await ctx.db.insert("log", { text: `${numbers.length}` });
      },
    }),
  },
};

async function start(options: EngineOptions = {}) {
  const engine = new LocalEngine({ clock: new JumpClock(), seed: 1, ...options });
  await engine.activate({ root: { schema, modules }, components: [] });
  const run = (kind: FunctionKind, name: string, args = {}) =>
    engine.run({ kind, path: `tests:${name}`, args, identity: null });
  return { engine, run };
}

const values = (results: readonly CallResult[]) => results.map((result) => (result.ok ? result.value : null));
const conflicts = (results: readonly CallResult[]) => results.reduce((sum, each) => sum + each.conflicts, 0);

test("two mutations that read and write the same run beside each other: one conflicts, and does it again on what is there", async () => {
  const { run } = await start();
  const results = await Promise.all([run("mutation", "next"), run("mutation", "next")]);
  expect(values(results).sort()).toEqual([1, 2]);
  expect(conflicts(results)).toBe(1);
});

test("who looks on is told of each conflict: who was in whose way, and where", async () => {
  const { engine, run } = await start();
  const told: string[] = [];
  engine.onConflict(({ source, tables, write, writer }) =>
    told.push(`${source}, which writes to ${tables.join()}, met ${writer} in ${write.table}`),
  );
  await Promise.all([run("mutation", "next"), run("mutation", "next")]);
  expect(told).toEqual(["tests:next, which writes to :counters, met tests:next in :counters"]);
});

test("mutations that only insert run beside each other without a conflict", async () => {
  const { run } = await start();
  const results = await Promise.all(
    Array.from({ length: 50 }, (_, n) => run("mutation", "log", { text: `${n}` })),
  );
  expect([conflicts(results), results.every(({ ok }) => ok)]).toEqual([0, true]);
});

test("after four retries that conflict too a mutation fails, as production words it, and has written nothing", async () => {
  const { run } = await start();
  const results = await Promise.all(Array.from({ length: 60 }, () => run("mutation", "next")));
  const failed = results.filter((result) => !result.ok);
  expect(failed.length).toBeGreaterThan(0);
  for (const result of failed)
    expect(result).toMatchObject({
      isConflict: true,
      conflicts: 5,
      message: expect.stringMatching(occMessage),
    });
  const made = results.length - failed.length;
  expect(values([await run("query", "numbers")])).toEqual([Array.from({ length: made }, (_, n) => n + 1)]);
});

const occMessage =
  /^Documents read from or written to the "counters" table changed while this mutation was being run and on every subsequent retry\. Another call to this mutation changed the document with ID "[0-9a-z]{32}"\./;

test("scheduled mutations that conflict are tried until they succeed, each exactly once", async () => {
  const { engine, run } = await start();
  await Promise.all(Array.from({ length: 40 }, () => run("mutation", "later")));
  await engine.settled();
  expect(values([await run("query", "numbers")])).toEqual([Array.from({ length: 40 }, (_, n) => n + 1)]);
});

test("a stale snapshot is no dependency", async () => {
  const { run } = await start();
  const results = await Promise.all([
    run("mutation", "sum"),
    run("mutation", "next"),
    run("mutation", "sum"),
  ]);
  expect(conflicts(results)).toBe(0);
});

test("who looks on reads what a commit has left, though reads take time and others write meanwhile", async () => {
  const { engine, run } = await start({ readLatencyMs: [1, 5] });
  const numbers = { kind: "query", path: "tests:numbers", args: {}, identity: null } as const;
  const seen: Promise<CallResult>[] = [];
  engine.onCommit(() => seen.push(engine.run({ ...numbers, isInstant: true })));
  await Promise.all(Array.from({ length: 3 }, () => run("mutation", "next")));
  expect(values(await Promise.all(seen))).toEqual([[1], [1, 2], [1, 2, 3]]);
});

test("time passes for reads, but for those of who looks on", async () => {
  const clock = new JumpClock();
  const { engine, run } = await start({ clock, readLatencyMs: [1, 5] });
  const begin = clock.now();
  const sum = { kind: "mutation", path: "tests:sum", args: {}, identity: null } as const;
  await engine.run({ ...sum, isInstant: true }); // with a query within
  expect(clock.now()).toBe(begin);
  await run("mutation", "sum");
  expect(clock.now()).toBeGreaterThan(begin);
});

test("a query sees one moment, whatever is committed while it runs", async () => {
  const { run } = await start({ readLatencyMs: [1, 5] });
  const results = await Promise.all([
    ...Array.from({ length: 10 }, () => run("mutation", "next")),
    ...Array.from({ length: 10 }, () => run("query", "numbers")),
  ]);
  for (const numbers of values(results.slice(10)) as number[][])
    expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, n) => n + 1));
});

test("I-20: the same seed gives the same interleaving, the same ids and the same conflicts; another one another", async () => {
  const trace = async (seed: number) => {
    const { engine, run } = await start({ seed, readLatencyMs: [0, 20] });
    const commits: string[] = [];
    engine.onCommit(({ ts, source, writes }) =>
      commits.push(`${ts} ${source} ${writes.map(({ id }) => id).join(" ")}`),
    );
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        run("mutation", n % 3 === 0 ? "log" : "next", n % 3 === 0 ? { text: "t" } : {}),
      ),
    );
    return { commits, values: values(results), conflicts: results.map((each) => each.conflicts) };
  };
  const first = await trace(7);
  expect(await trace(7)).toEqual(first);
  expect(await trace(8)).not.toEqual(first);
  expect(first.conflicts.some((count) => count > 0)).toBe(true);
});
