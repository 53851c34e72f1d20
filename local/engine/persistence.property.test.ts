import {
  cronJobs,
  defineSchema,
  defineTable,
  makeFunctionReference,
  mutationGeneric,
  queryGeneric,
  type SchemaDefinition,
} from "convex/server";
import { v } from "convex/values";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Clock } from "../clock.js";
import { ManualClock } from "../crons/cronsUnderTest.js";
import { DataDirectory } from "../durable/dataDirectory.js";
import { randomFrom, SimulatedDisk } from "../durable/simulatedDisk.js";
import { JumpClock } from "../jumpClock.js";
import { messageOf, startEngine, type EngineUnderTest } from "./engineUnderTest.js";
import { tableNumberOf } from "./ids.js";
import { LocalEngine } from "./localEngine.js";

interface Row {
  readonly _id: string;
  readonly _creationTime: number;
  readonly k: string;
  readonly n: number;
}

const tables = ["a", "b", "c"] as const;
const table = v.union(...tables.map((name) => v.literal(name)));
const functions = {
  /** Writes to every table, so that a part of it would be seen. */
  put: mutationGeneric({
    args: { k: v.string(), n: v.number() },
    handler: async (ctx, row) => {
      for (const name of tables) await ctx.db.insert(name, row);
    },
  }),
  change: mutationGeneric({
    args: { table, at: v.number(), n: v.union(v.number(), v.null()) },
    handler: async (ctx, { table: name, at, n }) => {
      const rows = await ctx.db.query(name).collect();
      const row = rows[at % Math.max(1, rows.length)];
      if (row === undefined) return null;
      if (n === null) await ctx.db.delete(row._id);
      else await ctx.db.patch(row._id, { n });
      return row["k"] as string;
    },
  }),
  all: queryGeneric({ args: { table }, handler: (ctx, { table: name }) => ctx.db.query(name).collect() }),
  byIndex: queryGeneric({
    args: { index: v.string() },
    handler: (ctx, { index }) =>
      ctx.db
        .query("a")
        .withIndex(index as "by_creation_time")
        .collect(),
  }),
};
const row = () => defineTable({ k: v.string(), n: v.number() });
const schemas: SchemaDefinition<never, true>[] = [
  defineSchema({ a: row().index("by_n", ["n"]), b: row() }),
  defineSchema({ c: row(), b: row(), a: row().index("by_n", ["n", "k"]).index("by_k", ["k"]) }),
  defineSchema({ b: row() }),
] as never;

const open = (disk: SimulatedDisk) =>
  DataDirectory.open("/data", { disk, fsync: "always", compactAboveBytes: 3_000 });
const start = async (disk: SimulatedDisk, clock: Clock, schema: unknown) =>
  startEngine({ functions, schema }, { clock, data: await open(disk) });
const rowsOf = async ({ value }: EngineUnderTest, name: string) =>
  (await value("query", "all", { table: name })) as unknown as Row[];

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant("put" as const), n: fc.nat({ max: 9 }) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant("change" as const),
      table: fc.constantFrom(...tables),
      at: fc.nat(),
      n: fc.option(fc.nat({ max: 9 }), { nil: null }),
    }),
  },
  fc.record({ type: fc.constant("push" as const), schema: fc.nat({ max: 2 }) }),
  fc.record({
    type: fc.constant("restart" as const),
    isPowerLoss: fc.boolean(),
    seed: fc.nat(),
    jumpMs: fc.integer({ min: -5_000, max: 5_000 }),
  }),
);

const isIndexOf = (schema: number, index: string) =>
  index === "by_n" ? schema < 2 : index === "by_k" && schema === 1;

test("I-20: whatever happened, and wherever it was broken off, all is there that there was, and time goes on", async () => {
  let restarts = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
      const clock = new ManualClock();
      clock.set(Date.UTC(2026, 0, 1));
      let disk = new SimulatedDisk();
      let schema = 0;
      let app = await start(disk, clock, schemas[schema]);
      const expected = new Map<string, Map<string, Row>>(tables.map((name) => [name, new Map()]));
      const seen = new Set<string>();
      let [lastTs, lastCreation] = [0n, 0];
      for (const [place, each] of steps.entries()) {
        const k = `row ${place}`;
        if (each.type === "put") {
          await app.value("mutation", "put", { k, n: each.n });
          for (const name of tables) {
            const made = (await rowsOf(app, name)).find((found) => found.k === k)!;
            expect([seen.has(made._id), made._creationTime > lastCreation]).toEqual([false, true]);
            seen.add(made._id);
            lastCreation = made._creationTime;
            expected.get(name)!.set(k, made);
          }
        } else if (each.type === "change") {
          const changed = (await app.value("mutation", "change", {
            table: each.table,
            at: each.at,
            n: each.n,
          })) as string;
          const rows = expected.get(each.table)!;
          if (changed !== null && each.n === null) rows.delete(changed);
          else if (changed !== null) rows.set(changed, { ...rows.get(changed)!, n: each.n! });
        } else if (each.type === "push") {
          schema = each.schema;
          await app.activate({ functions, schema: schemas[schema] });
        } else {
          restarts += 1;
          disk = each.isPowerLoss ? disk.afterPowerLoss(randomFrom(each.seed)) : disk.afterKill();
          clock.set(clock.now() + each.jumpMs);
          app = await start(disk, clock, schemas[schema]);
        }
        expect(app.engine.currentTs()).toBeGreaterThanOrEqual(lastTs);
        lastTs = app.engine.currentTs();
        for (const name of tables) {
          const rows = await rowsOf(app, name);
          expect(rows).toEqual(
            [...expected.get(name)!.values()].sort((a, b) => a._creationTime - b._creationTime),
          );
        }
      }
      for (const index of ["by_n", "by_k"]) {
        const found = await app.run("query", "byIndex", { index });
        expect(found.ok).toBe(isIndexOf(schema, index));
        if (found.ok) expect(found.value).toHaveLength(expected.get("a")!.size);
      }
      for (const [at, name] of tables.entries()) {
        const numbers = new Set([...expected.get(name)!.values()].map(({ _id }) => tableNumberOf(_id)));
        expect(numbers.size, `${name}, the ${at}th`).toBeLessThanOrEqual(1);
      }
    }),
    { seed: 9, numRuns: Number(process.env["NUM_RUNS"] ?? 60) },
  );
  expect(restarts).toBeGreaterThan(50);
});

test("what was acknowledged when the power went is there, what was not is there whole or not at all", async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: 40 }), fc.nat(), async (steps, seed) => {
      const clock = new ManualClock();
      const disk = new SimulatedDisk();
      const app = await start(disk, clock, null);
      let left: { disk: SimulatedDisk; acknowledged: string[] } | null = null;
      const acknowledged: string[] = [];
      let done = 0;
      disk.onStep = () => {
        if (++done === steps)
          left = { disk: disk.afterPowerLoss(randomFrom(seed)), acknowledged: [...acknowledged] };
      };
      const put = async (k: string) => {
        if ((await app.run("mutation", "put", { k, n: 1 })).ok) acknowledged.push(k);
      };
      for (let round = 0; round < 6; round++)
        await Promise.all(Array.from({ length: 5 }, (_, n) => put(`${round} ${n}`)));
      left ??= { disk: disk.afterKill(), acknowledged };
      const after = await start(left.disk, clock, null);
      const [a, ...others] = await Promise.all(
        tables.map(async (name) => (await rowsOf(after, name)).map(({ k }) => k).sort()),
      );
      for (const other of others) expect(other).toEqual(a);
      expect(new Set(a).size).toBe(a!.length);
      for (const k of left.acknowledged) expect(a).toContain(k);
    }),
    { seed: 4, numRuns: 60 },
  );
});

describe("a disk that fails", () => {
  const unhandled: unknown[] = [];
  const note = (error: unknown) => void unhandled.push(error);
  beforeAll(() => void process.prependListener("unhandledRejection", note));
  afterAll(() => void process.off("unhandledRejection", note));

  test("acknowledges nothing more, tells nothing that it does not keep, and what it had told is there", async () => {
    const clock = new ManualClock();
    const disk = new SimulatedDisk();
    const app = await start(disk, clock, null);
    await app.value("mutation", "put", { k: "kept", n: 1 });
    disk.capacityBytes = 0;
    const results = await Promise.all(
      Array.from({ length: 5 }, (_, n) => app.run("mutation", "put", { k: `lost ${n}`, n: 1 })),
    );
    expect(results.map(({ ok }) => ok)).toEqual(Array(5).fill(false));
    for (const result of [
      ...results,
      await app.run("mutation", "put", { k: "later", n: 1 }),
      await app.run("query", "all", { table: "a" }),
    ]) {
      expect(messageOf(result)).toMatch(/ENOSPC|Nothing more is accepted/);
      expect(result).toMatchObject({ isConflict: false, data: undefined });
    }
    await expect(app.engine.importDocuments("a", [{ k: "imported", n: 1 }])).rejects.toMatchObject({
      code: "writeFailed",
    });
    await expect(app.engine.close()).rejects.toMatchObject({ code: "writeFailed" });
    const after = await start(disk.afterKill(), clock, null);
    const kept = (await rowsOf(after, "a")).map(({ k }) => k);
    expect(kept).toContain("kept");
    expect(kept).not.toContain("later");
    await new Promise((resolve) => setImmediate(resolve));
    expect(unhandled).toEqual([]);
  });

  test("lets crons go on, whose times it does not keep", async () => {
    const clock = new ManualClock();
    const disk = new SimulatedDisk();
    const told: string[] = [];
    const data = await open(disk);
    const engine = await LocalEngine.open({ clock, data, onError: (what) => told.push(what) });
    const crons = cronJobs();
    crons.interval("count", { seconds: 1 }, makeFunctionReference<"mutation">("tests:put"), { k: "c", n: 1 });
    const root = { schema: null, modules: { tests: functions, crons: { default: crons } } };
    await engine.activate({ root, components: [] });
    disk.capacityBytes = 0;
    for (let second = 1; second < 5; second++) {
      clock.set(second * 1_000);
      for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(told).toContain('Cron "count" failed');
    expect(told).toContain("When crons ran could not be written down");
    expect(unhandled).toEqual([]);
  });

  test("while it is compacted loses nothing, and tells who asked to be told", async () => {
    const clock = new ManualClock();
    const disk = new SimulatedDisk();
    const told: string[] = [];
    const app = await startEngine(
      { functions },
      { clock, data: await open(disk), onError: (what) => told.push(what) },
    );
    disk.onStep = (step) => {
      if (step.includes("snapshot")) throw new Error("EIO");
    };
    for (let n = 0; n < 40; n++) await app.value("mutation", "put", { k: `${n}`, n });
    expect(told.length).toBeGreaterThan(0);
    expect(new Set(told)).toEqual(new Set(["The snapshot of the data directory could not be written"]));
    const after = await start(disk.afterKill(), clock, null);
    expect(await rowsOf(after, "a")).toHaveLength(40);
  });
});

test("what is written while the data is compacted is there afterwards, once", async () => {
  const clock = new JumpClock();
  const disk = new SimulatedDisk();
  const app = await start(disk, clock, null);
  const steps: string[] = [];
  disk.onStep = (each) => void steps.push(each);
  await Promise.all(
    Array.from({ length: 10 }, async (_, writer) => {
      for (let n = 0; n < 10; n++) {
        await app.value("mutation", "put", { k: `${writer} ${n}`, n });
        await app.run("mutation", "change", { table: "b", at: n * 7, n: null });
      }
    }),
  );
  expect(steps.filter((each) => each.startsWith("rename")).length).toBeGreaterThan(3);
  const before = await Promise.all(tables.map((name) => rowsOf(app, name)));
  const after = await start(disk.afterKill(), clock, null);
  expect(await Promise.all(tables.map((name) => rowsOf(after, name)))).toEqual(before);
  expect(before[0]).toHaveLength(100);
});
