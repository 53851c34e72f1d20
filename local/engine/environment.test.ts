import { AsyncLocalStorage } from "node:async_hooks";
import { convexTest } from "convex-test";
import {
  actionGeneric,
  defineSchema,
  makeFunctionReference,
  mutationGeneric,
  queryGeneric,
} from "convex/server";
import { v, type Value } from "convex/values";
import { beforeEach, expect, test } from "vitest";
import { JumpClock } from "../jumpClock.js";
import { startEngine } from "./engineUnderTest.js";
import { LocalEngine } from "./localEngine.js";

const DateBefore = Date;
const bornBefore = new Date(5);
const day = Date.UTC(2026, 0, 1);

/** What code keeps that is loaded while there is an engine. */
function load() {
  class Birthday extends Date {
    year(): number {
      return this.getUTCFullYear();
    }
  }
  const [{ now }, { random }, { randomUUID }] = [Date, Math, crypto];
  return { Birthday, now, random, randomUUID: randomUUID.bind(crypto) };
}
let loaded = load();

const outside = new AsyncLocalStorage<string>();
/** Resolved by the test, not by the engine. */
let foreign = Promise.resolve("nothing");
/** What a function leaves behind for others to call. */
let leaked = () => 0;

const look = async () => {
  const bytes = crypto.getRandomValues(new Uint8Array(4));
  const words = crypto.getRandomValues(new Uint32Array(2)).map((word) => word >>> 8);
  return [Date.now(), new Date().getTime(), Math.random(), crypto.randomUUID(), [...bytes], [...words]];
};
const functions = {
  look: queryGeneric(look as () => Promise<Value>),
  lookTwice: queryGeneric(async (ctx) => {
    const before = Date.now();
    await ctx.db.query("rows").first();
    return Date.now() - before;
  }),
  kept: queryGeneric(() => {
    const numbers = [loaded.random(), loaded.randomUUID()];
    return [loaded.now(), new loaded.Birthday().getTime(), ...numbers];
  }),
  dates: queryGeneric(() => {
    const { Birthday } = loaded;
    const birthday = new Birthday(Date.UTC(2000, 0, 1));
    return {
      given: new Date(7).getTime(),
      parts: new Date(2020, 1, 3, 4).getHours(),
      text: new Date("2020-01-01T00:00:00Z").getTime(),
      called: Date() === new Date().toString(),
      static: Date.UTC(1970, 0, 2),
      parsed: Date.parse("1970-01-02T00:00:00Z"),
      name: Date.name,
      length: Date.length,
      instance: new Date() instanceof Date,
      before: bornBefore instanceof Date,
      cloned: structuredClone(new Date(9)) instanceof Date,
      constructed: new Date().constructor === Date,
      prototype: Object.getPrototypeOf(new Date()) === Date.prototype,
      type: Object.prototype.toString.call(new Date()),
      subclass: [birthday instanceof Birthday, birthday instanceof Date, birthday.year()],
      subclassNow: new Birthday().getTime() - Date.now(),
      json: JSON.stringify(new Date(0)),
      invalid: Number.isNaN(new Date(NaN).getTime()),
      undefined: Number.isNaN(new Date(undefined as never).getTime()),
    };
  }),
  wait: queryGeneric(() => new Promise<null>((resolve) => void setTimeout(() => resolve(null), 1))),
  forbidden: queryGeneric(() =>
    [() => setInterval(() => {}), () => setImmediate(() => {}), () => fetch("http://127.0.0.1")].map(
      (call) => {
        try {
          return void call() as never;
        } catch (error) {
          return (error as Error).message.slice(0, 40);
        }
      },
    ),
  ),
  afterForeign: mutationGeneric(async (ctx) => {
    const said = await foreign;
    return [said, Date.now(), await ctx.db.insert("rows", {})];
  }),
  leak: queryGeneric(() => {
    leaked = AsyncLocalStorage.snapshot().bind(null, () => Date.now()) as () => number;
    return null;
  }),
  hashes: queryGeneric(async () => {
    const digests = [1, 50_000, 3].map((size) => crypto.subtle.digest("SHA-256", new Uint8Array(size)));
    const order: number[] = [];
    await Promise.all(digests.map(async (digest, n) => void (await digest, order.push(n))));
    return order;
  }),
  badHash: queryGeneric(() => crypto.subtle.digest("none", new Uint8Array(1)).catch(() => "refused")),
  act: actionGeneric(async () => {
    const before = Date.now();
    await new Promise((resolve) => setTimeout(resolve, 5));
    return [Date.now() - before > 0, Math.abs(before - DateBefore.now()) < 60_000];
  }),
  log: mutationGeneric({
    args: { count: v.number() },
    handler: async (ctx, { count }) => {
      await ctx.db.query("rows").collect();
      for (let n = 0; n < count; n++) console.log(n, "text", { a: [1] });
      await ctx.db.insert("rows", {});
    },
  }),
  logWithin: mutationGeneric(async (ctx) => {
    console.info("before");
    await ctx.runMutation(makeFunctionReference<"mutation">("tests:log"), { count: 1 });
    console.warn("after", undefined, null, 5n);
  }),
  global: queryGeneric(() => typeof (globalThis as { Convex?: unknown }).Convex),
};
const clock = () => new JumpClock(day);
const start = (seed = 1) => startEngine({ functions }, { seed, clock: clock() });
beforeEach(() => {
  new LocalEngine();
  loaded = load();
});

// The first test: from the first execution on, everything is in place anyway.
test("code that was loaded once there was an engine has kept that engine's time and randomness", async () => {
  const see = async () => (await start(3)).value("query", "kept") as Promise<Value[]>;
  const first = await see();
  expect(first.slice(0, 2)).toEqual([day, day]);
  expect(await see()).toEqual(first);
});

test("I-20: time and randomness of a function are those of its engine's clock and seed", async () => {
  const see = async (seed: number) => (await (await start(seed)).value("query", "look")) as Value[];
  const first = await see(3);
  expect(first.slice(0, 2)).toEqual([day, day]);
  expect(first[3]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(await see(3)).toEqual(first);
  expect(await see(4)).not.toEqual(first);
});

test("time stands still while a function waits, also where the engine's does not", async () => {
  const { value } = await startEngine({ functions }, { clock: clock(), readLatencyMs: [50, 90] });
  expect(await value("query", "lookTwice")).toBe(0);
});

test("each function draws numbers of its own", async () => {
  const { value } = await start();
  const all = await Promise.all(Array.from({ length: 20 }, () => value("query", "look")));
  expect(new Set(all.map((each) => JSON.stringify((each as Value[])[2]))).size).toBe(20);
});

test("a Date is a Date, whoever made it", async () => {
  expect(await (await start()).value("query", "dates")).toEqual({
    ...{ given: 7, parts: 4, text: 1_577_836_800_000, called: true, static: 86_400_000, parsed: 86_400_000 },
    ...{ name: "Date", length: 7, instance: true, before: true, cloned: true, constructed: true },
    ...{ prototype: true, type: "[object Date]", subclass: [true, true, 2000], subclassNow: 0 },
    ...{ json: '"1970-01-01T00:00:00.000Z"', invalid: true, undefined: true },
  });
});

test("outside of functions the globals are what they were", async () => {
  const { value, engine } = await start();
  const timer = new Promise<number>((resolve) => void setTimeout(() => resolve(Date.now()), 1));
  const during = value("query", "look").then(() => Date.now());
  engine.onCommit(() => expect(Date.now()).toBeGreaterThan(day + 1));
  await engine.importDocuments("rows", [{}]);
  for (const now of [Date.now(), new Date().getTime(), await timer, await during])
    expect(Math.abs(now - (performance.timeOrigin + performance.now()))).toBeLessThan(2_000);
  expect(Math.random()).not.toBe(Math.random());
  expect(crypto.randomUUID()).not.toBe(crypto.randomUUID());
  expect([typeof Date(), new Date(3).getTime(), new Date() instanceof DateBefore]).toEqual([
    "string",
    3,
    true,
  ]);
  expect(typeof (globalThis as { Convex?: unknown }).Convex).toBe("undefined");
  const { promisify } = await import("node:util");
  expect(await promisify(setTimeout)(1, "slept")).toBe("slept");
});

test("queries and mutations may not wait for the world, actions may", async () => {
  const { value } = await start();
  await expect(value("query", "wait")).rejects.toThrow(/Can't use setTimeout\(\) in queries and mutations/);
  expect(await value("query", "forbidden")).toEqual(
    ["setInterval", "setImmediate", "fetch"].map((name) =>
      `Can't use ${name}() in queries and mutations. Please`.slice(0, 40),
    ),
  );
  expect(await value("action", "act")).toEqual([true, true]);
});

test("a function is itself again after it waited for what another context resolved", async () => {
  const { value } = await start();
  let resolve = (_: string) => {};
  foreign = new Promise((settle) => (resolve = settle));
  outside.run("another", () => resolve("foreign"));
  expect(await value("mutation", "afterForeign")).toEqual(["foreign", day, expect.any(String)]);
});

test("what a function leaves behind still has its time", async () => {
  const { value } = await start();
  await value("query", "leak");
  expect(leaked()).toBe(day);
});

test("I-20: cryptography that takes its time answers in the order in which it was asked", async () => {
  const { value } = await start();
  for (let round = 0; round < 5; round++) expect(await value("query", "hashes")).toEqual([0, 1, 2]);
  expect(await value("query", "badHash")).toBe("refused");
});

test("what a function logs is its last attempt's, with what it calls, up to 256 lines", async () => {
  const { run } = await start();
  expect((await run("mutation", "logWithin")).logLines).toEqual([
    "[INFO] 'before'",
    "[LOG] 0 'text' { a: [ 1 ] }",
    "[WARN] 'after' undefined null 5n",
  ]);
  const conflicting = await Promise.all([
    run("mutation", "log", { count: 2 }),
    run("mutation", "log", { count: 2 }),
  ]);
  expect(conflicting.map(({ conflicts }) => conflicts).sort()).toEqual([0, 1]);
  for (const { logLines } of conflicting) expect(logLines).toHaveLength(2);
  const { logLines } = await run("mutation", "log", { count: 1_000 });
  expect(logLines).toHaveLength(256);
  expect(logLines.at(-2)).toMatch(/^\[LOG\] 254 /);
  expect(logLines.at(-1)).toMatch(/^\[ERROR\] 'Log overflow \(maximum 256\)/);
});

test.each(["before", "after"])(
  "convex-test may be set up %s an engine in the same process",
  async (order) => {
    const modules = { "./tests.ts": async () => functions, "./_generated/api.ts": async () => ({}) };
    const setUp = () => convexTest(defineSchema({}), modules);
    const early = order === "before" ? setUp() : null;
    const { value } = await start();
    expect(await value("query", "global")).toBe("object");
    const other = early ?? setUp();
    const counted = () => other.run(async (ctx) => (await ctx.db.query("rows" as never).collect()).length);
    await other.run((ctx) => ctx.db.insert("rows" as never, {} as never));
    await value("mutation", "log", { count: 0 });
    await value("mutation", "log", { count: 0 });
    expect(await counted()).toBe(1);
    const both = await Promise.all([value("query", "lookTwice"), counted(), value("query", "global")]);
    expect(both).toEqual([0, 1, "object"]);
  },
);
