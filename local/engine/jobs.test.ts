import fc from "fast-check";
import {
  actionGeneric,
  componentsGeneric,
  createFunctionHandle,
  httpActionGeneric,
  internalMutationGeneric,
  makeFunctionReference,
  mutationGeneric,
  queryGeneric,
  type FunctionHandle,
  type GenericDataModel,
  type GenericQueryCtx,
  type PublicHttpAction,
} from "convex/server";
import { v, type GenericId } from "convex/values";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ManualClock } from "../crons/cronsUnderTest.js";
import { DataDirectory } from "../durable/dataDirectory.js";
import { SimulatedDisk } from "../durable/simulatedDisk.js";
import { JumpClock } from "../jumpClock.js";
import type { BackgroundCall } from "./engine.js";
import { messageOf, startEngine, type EngineUnderTest } from "./engineUnderTest.js";
import type { EngineOptions } from "./localEngine.js";

type Jobs = { _id: string; name: string; state: { kind: string; error?: string }; completedTime?: number }[];
const mutation = (name: string) => makeFunctionReference<"mutation">(`tests:${name}`);
const job = (id: string) => id as GenericId<"_scheduled_functions">;
/** What actions wait for. */
let held = { promise: Promise.resolve(), release: () => {} };
const hold = () => {
  let release = () => {};
  held = { promise: new Promise((resolve) => (release = resolve)), release: () => release() };
};
beforeEach(() => void (held = { promise: Promise.resolve(), release: () => {} }));

const allOf = async (ctx: GenericQueryCtx<GenericDataModel>, table: string) =>
  (await ctx.db.query(table).collect()).map((row) => row["text"] as string);
/** Reads all there is, so that each conflicts with each. */
const note = mutationGeneric({
  args: { text: v.string() },
  handler: async (ctx, { text }) => {
    await allOf(ctx, "notes");
    await ctx.db.insert("notes", { text });
  },
});
/** Conflicts with nobody. */
const jot = mutationGeneric({
  args: { text: v.string() },
  handler: async (ctx, { text }) => void (await ctx.db.insert("notes", { text })),
});
const notes = queryGeneric((ctx) => allOf(ctx, "notes"));
const jobs = queryGeneric((ctx) => ctx.db.system.query("_scheduled_functions").collect());
const child = componentsGeneric()["child"] as unknown as {
  tests: { note: ReturnType<typeof makeFunctionReference<"mutation">> };
};

const functions = {
  ...{ note, jot, notes, jobs },
  schedule: mutationGeneric({
    args: { name: v.string(), delayMs: v.number(), args: v.any() },
    handler: (ctx, { name, delayMs, args }) => ctx.scheduler.runAfter(delayMs, mutation(name), args),
  }),
  cancel: mutationGeneric({
    args: { id: v.string() },
    handler: (ctx, { id }) => ctx.scheduler.cancel(job(id)),
  }),
  failing: internalMutationGeneric({
    handler: async (ctx) => {
      await ctx.db.insert("notes", { text: "never" });
      throw new Error("fails");
    },
  }),
  waiting: actionGeneric({
    args: { text: v.string() },
    handler: async (ctx, args) => {
      await ctx.runMutation(mutation("jot"), { text: `${args.text} begins` });
      await held.promise;
      await ctx.runMutation(mutation("jot"), { text: `${args.text} ends` });
      await ctx.scheduler.runAfter(0, mutation("jot"), { text: `${args.text} has scheduled` });
    },
  }),
  inChild: mutationGeneric(async (ctx) => {
    await ctx.scheduler.runAfter(0, child.tests.note, { text: "by reference" });
    const handle = await createFunctionHandle(child.tests.note);
    await ctx.scheduler.runAfter(0, handle, { text: "by handle" });
    await ctx.runMutation(makeChild("scheduleOwn"), {
      handle: (await createFunctionHandle(mutation("note"))) as never,
    });
  }),
  childNotes: queryGeneric((ctx) => ctx.runQuery(makeChild("notes") as never, {})),
};
function makeChild(name: string) {
  return (componentsGeneric()["child"] as unknown as Record<string, Record<string, never>>)["tests"]![name]!;
}
const components = {
  child: {
    functions: {
      ...{ note, jot, notes },
      scheduleOwn: mutationGeneric({
        args: { handle: v.string() },
        handler: async (ctx, { handle }) => {
          await ctx.scheduler.runAfter(0, mutation("note"), { text: "its own" });
          await ctx.scheduler.runAfter(0, handle as FunctionHandle<"mutation">, { text: "the app's" });
        },
      }),
    },
  },
};

const start = (options: EngineOptions = {}) => startEngine({ functions, components }, options);
const schedule = ({ value }: EngineUnderTest, name: string, delayMs: number, args: object = {}) =>
  value("mutation", "schedule", { name, delayMs, args }) as Promise<string>;
const written = async ({ value }: EngineUnderTest) => (await value("query", "notes")) as string[];
const states = async ({ value }: EngineUnderTest) =>
  ((await value("query", "jobs")) as unknown as Jobs).map(({ state: { kind } }) => kind);

const unhandled: unknown[] = [];
const note_ = (error: unknown) => void unhandled.push(error);
beforeAll(() => void process.prependListener("unhandledRejection", note_));
afterAll(() => void process.off("unhandledRejection", note_));

test("I-20: scheduled mutations run exactly once each, or not at all if they are canceled, however they conflict", async () => {
  const delay = fc.nat({ max: 300 });
  const given = fc.array(fc.record({ delay, cancelAfter: fc.option(delay, { nil: null }) }), {
    maxLength: 25,
  });
  let canceled = 0;
  await fc.assert(
    fc.asyncProperty(given, fc.nat(), async (all, seed) => {
      const clock = new JumpClock();
      const app = await start({ clock, seed, readLatencyMs: [0, 40] });
      const resumed: string[] = [];
      const kindOf = (job: unknown) => (job as Jobs[0] | null)?.state?.kind;
      app.engine.onCommit(({ writes }) => {
        for (const { id, before, after } of writes)
          if (kindOf(before) === "canceled" && kindOf(after) !== "canceled") resumed.push(id);
      });
      const wait = (ms: number) => new Promise<void>((resolve) => void clock.at(clock.now() + ms, resolve));
      await Promise.all(
        all.map(async ({ delay: ms, cancelAfter }, n) => {
          const id = await schedule(app, "note", ms, { text: `${n}` });
          if (cancelAfter === null) return;
          await wait(cancelAfter);
          // A cancellation may lose against writers of the job for good; then it is the job that goes on.
          await app.run("mutation", "cancel", { id });
        }),
      );
      await wait(1_000);
      await app.engine.settled();
      const found = (await app.value("query", "jobs")) as unknown as (Jobs[0] & {
        args: [{ text: string }];
      })[];
      expect(found).toHaveLength(all.length);
      expect(resumed).toEqual([]);
      const ran = found.filter(({ state }) => state.kind === "success").map(({ args }) => args[0].text);
      canceled += found.filter(({ state }) => state.kind === "canceled").length;
      expect(found.every(({ state }) => ["success", "canceled"].includes(state.kind))).toBe(true);
      expect((await written(app)).sort()).toEqual(ran.sort());
    }),
    { seed: 6, numRuns: 30 },
  );
  expect(canceled).toBeGreaterThan(10);
});

test("jobs begin in the order of their times, not of their making", async () => {
  const clock = new ManualClock();
  const app = await start({ clock });
  const delays = [50, 10, 40, 20, 30, 1.5, 2.25];
  for (const ms of delays) await schedule(app, "jot", ms, { text: `${ms}` });
  for (let ms = 0; ms <= 60; ms++) {
    clock.set(ms);
    await app.engine.settled();
  }
  expect((await written(app)).map(Number)).toEqual([...delays].sort((a, b) => a - b));
});

test("a delay of parts of a millisecond is one", async () => {
  const app = await start();
  await schedule(app, "jot", 0.3, { text: "soon" });
  await app.engine.settled();
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  await app.engine.settled();
  expect(messageOf(await app.run("mutation", "note", { text: "then" }))).toBeNull();
  expect(await written(app)).toEqual(["soon", "then"]);
});

test("ten run at once, the others when one has ended", async () => {
  const app = await start();
  hold();
  for (let n = 0; n < 25; n++) await schedule(app, "waiting", 0, { text: `${n}` });
  await until(async () => (await written(app)).length >= 10);
  expect(await states(app)).toEqual([...Array(10).fill("inProgress"), ...Array(15).fill("pending")]);
  held.release();
  await app.engine.settled();
  expect(new Set(await states(app))).toEqual(new Set(["success"]));
  expect(await written(app)).toHaveLength(75);
});

/** Waits in turns of the event loop. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (let turns = 0; turns < 1_000; turns++) {
    if (await isSo()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error("It did not come to that.");
}

test("an action that is canceled while it runs goes on, stays canceled, and what it schedules does not run", async () => {
  const app = await start();
  hold();
  const id = await schedule(app, "waiting", 0, { text: "action" });
  await until(async () => (await written(app)).length === 1);
  await app.value("mutation", "cancel", { id });
  held.release();
  await app.engine.settled();
  expect(await written(app)).toEqual(["action begins", "action ends"]);
  expect(await states(app)).toEqual(["canceled", "canceled"]);
});

test("a job that fails says why, writes nothing, and is not run again", async () => {
  const app = await start();
  const background: BackgroundCall[] = [];
  app.engine.onBackgroundCall((call) => background.push(call));
  await schedule(app, "failing", 0);
  await app.engine.settled();
  const [failed] = (await app.value("query", "jobs")) as unknown as Jobs;
  expect(failed).toMatchObject({
    name: "tests.js:failing",
    state: { kind: "failed", error: "Uncaught Error: fails" },
  });
  expect(await written(app)).toEqual([]);
  expect(background).toMatchObject([
    { path: "tests:failing", cause: "schedule", error: "Uncaught Error: fails" },
  ]);
});

test("jobs run in the component that they are of, by reference and by handle, whoever schedules them", async () => {
  const app = await start();
  await app.value("mutation", "inChild");
  await app.engine.settled();
  expect(((await app.value("query", "childNotes")) as string[]).sort()).toEqual([
    "by handle",
    "by reference",
    "its own",
  ]);
  expect(await written(app)).toEqual(["the app's"]);
});

describe("when the clock jumps", () => {
  test("forward, what is overdue runs once", async () => {
    const clock = new ManualClock();
    const app = await start({ clock });
    const year = 365 * 24 * 3_600_000;
    for (const ms of [year, 2 * year, 50]) await schedule(app, "jot", ms, { text: `${ms / year >= 1}` });
    clock.wakeEarly();
    await app.engine.settled();
    expect(await written(app)).toEqual([]);
    clock.set(4 * year);
    await app.engine.settled();
    expect((await written(app)).sort()).toEqual(["false", "true", "true"]);
  });

  test("back, jobs wait for their time, and commits still get later", async () => {
    const clock = new ManualClock();
    clock.set(10_000);
    const app = await start({ clock });
    await schedule(app, "jot", 5, { text: "a" });
    const before = app.engine.currentTs();
    clock.set(0);
    await schedule(app, "jot", 5, { text: "b" });
    expect(app.engine.currentTs()).toBeGreaterThan(before);
    clock.set(5);
    await app.engine.settled();
    expect(await written(app)).toEqual(["b"]);
    clock.set(10_005);
    await app.engine.settled();
    expect(await written(app)).toEqual(["b", "a"]);
  });
});

describe("over a restart", () => {
  const open = (disk: SimulatedDisk) => DataDirectory.open("/data", { disk, fsync: "always" });

  test("pending jobs run once, actions that were running have failed, and what ended a week ago is gone", async () => {
    const clock = new ManualClock();
    const disk = new SimulatedDisk();
    const before = await start({ clock, data: await open(disk) });
    await schedule(before, "jot", 0, { text: "done" });
    await before.engine.settled();
    clock.set(6 * 24 * 3_600_000);
    await schedule(before, "failing", 0);
    await before.engine.settled();
    hold();
    await schedule(before, "waiting", 0, { text: "action" });
    await until(async () => (await written(before)).length === 2);
    await schedule(before, "jot", 2 * 24 * 3_600_000, { text: "later" });
    const id = await schedule(before, "jot", 10, { text: "canceled" });
    await before.value("mutation", "cancel", { id });
    const left = disk.afterKill();

    clock.set(7.5 * 24 * 3_600_000);
    const after = await start({ clock, data: await open(left) });
    await after.engine.settled();
    const kept = (await after.value("query", "jobs")) as unknown as Jobs;
    expect(kept.map(({ state }) => state)).toEqual([
      { kind: "failed", error: "Uncaught Error: fails" },
      { kind: "failed", error: "Transient error while executing action" },
      { kind: "pending" },
      { kind: "canceled" },
    ]);
    clock.set(9 * 24 * 3_600_000);
    await after.engine.settled();
    expect(await written(after)).toEqual(["done", "action begins", "later"]);
    await after.engine.close();

    const again = await start({ clock, data: await open(left) });
    await again.engine.settled();
    expect(await written(again)).toEqual(["done", "action begins", "later"]);
    held.release();
  });

  test("an engine that is closed while jobs run leaves them to the next one, and nothing rejects", async () => {
    const clock = new ManualClock();
    const disk = new SimulatedDisk();
    const told: string[] = [];
    const before = await start({
      clock,
      data: await open(disk),
      readLatencyMs: [5, 5],
      onError: (what) => told.push(what),
    });
    await schedule(before, "note", 1, { text: "kept" });
    clock.set(clock.now() + 1);
    await before.engine.close();
    for (let turn = 0; turn < 50; turn++) {
      clock.set(clock.now() + 5);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(told).toEqual(["A scheduled function could not be run"]);
    const after = await start({ clock, data: await open(disk) });
    await after.engine.settled();
    expect(await written(after)).toEqual(["kept"]);
    expect(unhandled).toEqual([]);
  });

  test("a disk that fails stops jobs, and nothing rejects", async () => {
    const clock = new ManualClock();
    const disk = new SimulatedDisk();
    const told: unknown[] = [];
    const app = await start({ clock, data: await open(disk), onError: (_, error) => told.push(error) });
    await schedule(app, "jot", 10, { text: "lost" });
    await schedule(app, "waiting", 10, { text: "lost" });
    disk.capacityBytes = 0;
    clock.set(10);
    await app.engine.settled();
    await new Promise((resolve) => setImmediate(resolve));
    clock.set(11);
    await app.engine.settled();
    expect(told.length).toBeLessThanOrEqual(2);
    expect((await app.run("mutation", "note", { text: "x" })).ok).toBe(false);
    expect(unhandled).toEqual([]);
    await app.engine.close().catch(() => {});
    const after = await start({ clock, data: await open(disk.afterKill()) }).catch(() => null);
    await after?.engine.settled();
    if (after !== null) expect((await written(after)).filter((text) => text === "lost")).toHaveLength(1);
  });
});

test("an HTTP action answers once what it scheduled is on disk", async () => {
  const disk = new SimulatedDisk();
  const app = await start({ data: await DataDirectory.open("/data", { disk, fsync: "always" }) });
  const handler = httpActionGeneric(async (ctx) => {
    await ctx.scheduler.runAfter(1_000, mutation("note"), { text: "later" });
    return new Response("done");
  }) as unknown as PublicHttpAction;
  let release = () => {};
  const released = new Promise<void>((resolve) => (release = resolve));
  disk.onStep = () => released;
  let isAnswered = false;
  const answer = app.engine.runHttpAction(handler, "", new Request("http://127.0.0.1/x"), null);
  void answer.then(() => (isAnswered = true));
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(isAnswered).toBe(false);
  release();
  expect(await (await answer).text()).toBe("done");
});
