import { makeFunctionReference, mutationGeneric, queryGeneric, type GenericQueryCtx } from "convex/server";
import { v } from "convex/values";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { JumpClock } from "../jumpClock.js";
import { messageOf, startEngine } from "./engineUnderTest.js";

/** What a function's JavaScript takes, in milliseconds, and what everything else does. */
let now = 0;
beforeEach(() => {
  now = 0;
  vi.spyOn(performance, "now").mockImplementation(() => now);
});
afterEach(() => void vi.restoreAllMocks());
const busy = (ms: number) => (now += ms);

const query = <R>(name: string) => makeFunctionReference<"query", { ms: number }, R>(`tests:${name}`);
const rows = (ctx: GenericQueryCtx<never>) => ctx.db.query("rows" as never);
const functions = {
  atOnce: queryGeneric({ args: { ms: v.number() }, handler: (_ctx, { ms }) => busy(ms) }),
  inSteps: queryGeneric({
    args: { ms: v.number(), steps: v.number() },
    handler: async (ctx, { ms, steps }) => {
      for (let step = 0; step < steps; step++) {
        await rows(ctx as never).first();
        busy(ms);
      }
    },
  }),
  atTheEnd: queryGeneric({
    args: { ms: v.number() },
    handler: async (ctx, { ms }) => {
      await rows(ctx as never).first();
      busy(ms);
    },
  }),
  behindACall: queryGeneric({
    args: { ms: v.number(), within: v.number() },
    handler: async (ctx, { ms, within }) => {
      await ctx.runQuery(query("atTheEnd"), { ms: within });
      busy(ms);
    },
  }),
  catching: mutationGeneric({
    args: {},
    handler: async (ctx) => {
      await ctx.runQuery(query("atOnce"), { ms: 3_000 }).catch(() => null);
      await ctx.db.insert("rows", {});
      return "got away";
    },
  }),
  hashing: queryGeneric({
    args: { ms: v.number() },
    handler: async (_ctx, { ms }) => {
      await crypto.subtle.digest("SHA-256", new Uint8Array(10));
      busy(ms);
    },
  }),
};
const timedOut = "Uncaught Error: Function execution timed out (maximum duration: 1s)";

test.each<[string, Record<string, number>]>([
  ["atOnce", { ms: 2_500 }],
  ["inSteps", { ms: 250, steps: 10 }],
  ["atTheEnd", { ms: 2_500 }],
  ["behindACall", { ms: 2_500, within: 0 }],
  ["behindACall", { ms: 0, within: 2_500 }],
  ["behindACall", { ms: 1_250, within: 1_250 }],
  ["hashing", { ms: 2_500 }],
])("%s %o is too long for a function's own JavaScript", async (name, args) => {
  for (const options of [{}, { seed: 5 }, { readLatencyMs: [1, 9] as const }]) {
    const { run } = await startEngine({ functions }, options);
    expect(messageOf(await run("query", name, args))).toBe(timedOut);
  }
});

test.each<[string, Record<string, number>]>([
  ["atOnce", { ms: 1_900 }],
  ["inSteps", { ms: 190, steps: 10 }],
  ["behindACall", { ms: 900, within: 900 }],
])("%s %o is not", async (name, args) => {
  for (const options of [{}, { readLatencyMs: [1, 9] as const }]) {
    const { run } = await startEngine({ functions }, options);
    expect(messageOf(await run("query", name, args))).toBeNull();
  }
});

test("who catches that a call took too long has no time left either", async () => {
  const { run, engine } = await startEngine({ functions });
  const before = engine.currentTs();
  expect(messageOf(await run("mutation", "catching"))).toBe(timedOut);
  expect(engine.currentTs()).toBe(before);
});

test("each function is charged for its own time, whoever runs beside it", async () => {
  const { run } = await startEngine({ functions });
  const all = await Promise.all(
    Array.from({ length: 20 }, (_, n) => run("query", "inSteps", { ms: n === 7 ? 250 : 150, steps: 10 })),
  );
  expect(all.flatMap((result, n) => (result.ok ? [] : [n]))).toEqual([7]);
});

test("waiting for reads is not its own time", async () => {
  const clock = new JumpClock();
  const at = clock.at.bind(clock);
  // Time passes for the machine too.
  clock.at = (ms, wake) =>
    at(ms, () => {
      busy(5_000);
      wake();
    });
  const { run } = await startEngine({ functions }, { clock, readLatencyMs: [10, 20] });
  expect(messageOf(await run("query", "inSteps", { ms: 1, steps: 5 }))).toBeNull();
});

test("without a limit a function may take as long as it likes", async () => {
  const { run } = await startEngine({ functions }, { limits: { userTime: false } });
  expect(messageOf(await run("query", "atOnce", { ms: 1e9 }))).toBeNull();
});
