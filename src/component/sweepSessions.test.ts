/// <reference types="vite/client" />
import { convexTest, type TestConvex } from "convex-test";
import {
  componentsGeneric,
  defineSchema,
  mutationGeneric,
  queryGeneric,
  type FunctionReference,
} from "convex/server";
import { v, type GenericId } from "convex/values";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { limits } from "../shared/limits.js";
import { registerChildren } from "../test.js";
import type { ComponentApi } from "./_generated/component.js";
import componentSchema from "./schema.js";

type Job = { id: string; name: string; from: number; isPending: boolean };
type Inside<
  Type extends "query" | "mutation",
  Args extends Record<string, unknown>,
  Result,
> = FunctionReference<Type, "internal", Args, Result>;

const modules = import.meta.glob(["./**/*.ts", "!./**/*.test.ts"]);
const component = componentsGeneric()["replicate"] as unknown as ComponentApi & {
  inside: {
    rows: Inside<"query", { table: string }, Record<string, unknown>[]>;
    jobs: Inside<"query", Record<string, never>, Job[]>;
    cancel: Inside<"mutation", { name: string }, null>;
    replaceSleeper: Inside<"mutation", Record<string, never>, null>;
  };
};

/** What tests see and do inside the component. */
const inside = {
  rows: queryGeneric({
    args: { table: v.string() },
    handler: (ctx, { table }) => ctx.db.query(table).take(1000),
  }),
  jobs: queryGeneric({
    args: {},
    handler: async (ctx) =>
      (await ctx.db.system.query("_scheduled_functions").take(2000)).map(({ _id, name, args, state }) => ({
        id: _id,
        name,
        from: (args[0] as { from?: number }).from ?? NaN,
        isPending: state.kind === "pending",
      })),
  }),
  cancel: mutationGeneric({
    args: { name: v.string() },
    handler: async (ctx, args) => {
      const jobs = await ctx.db.system.query("_scheduled_functions").take(2000);
      for (const { _id, name, state } of jobs)
        if (state.kind === "pending" && name.includes(args.name)) await ctx.scheduler.cancel(_id);
      return null;
    },
  }),
  replaceSleeper: mutationGeneric({
    args: {},
    handler: async (ctx) => {
      const { _id, _creationTime, ...sleeper } = (await ctx.db.query("sleepers").first())!;
      await ctx.db.delete("sleepers", _id as GenericId<"sleepers">);
      await ctx.db.insert("sleepers", sleeper);
      return null;
    },
  }),
};

const { heartbeatMs, sessionDeadlineMs, sweepPauseMs, sleeperLateMs } = limits;
const none = defineSchema({});
let t: TestConvex<typeof none>;
/** Time passes where a test says so. */
beforeEach(() => {
  vi.useFakeTimers();
  t = convexTest({
    schema: none,
    modules: { "./_generated/api.js": async () => ({}) },
    transactionLimits: true,
  });
  t.registerComponent("replicate", componentSchema, { ...modules, "./inside.ts": async () => inside });
  registerChildren(t as unknown as Parameters<typeof registerChildren>[0], "replicate");
});
afterEach(() => vi.useRealTimers());

async function joined(tab: string) {
  const { session } = await t.mutation((ctx) =>
    ctx.runMutation(component.sessions.join, { client: `client of ${tab}`, tab, user: null, cursors: [] }),
  );
  return {
    beat: () => t.mutation((ctx) => ctx.runMutation(component.sessions.heartbeat, { session, user: null })),
    leave: () => t.mutation((ctx) => ctx.runMutation(component.sessions.leave, { session, user: null })),
    show: (document: string, state: number) =>
      t.mutation((ctx) =>
        ctx.runMutation(component.presence.set, {
          ...{ session, user: null, collection: "sites", scope: "DE" },
          document,
          state,
        }),
      ),
  };
}

/** Lets time pass, with all that is due in it. */
async function pass(ms: number): Promise<void> {
  const until = Date.now() + ms;
  await t.finishInProgressScheduledFunctions();
  while (Date.now() < until) {
    vi.advanceTimersByTime(Math.min(500, until - Date.now()));
    await t.finishInProgressScheduledFunctions();
  }
  // What is due at once.
  for (let more = 0; more < 10; more++) {
    vi.advanceTimersByTime(0);
    await t.finishInProgressScheduledFunctions();
  }
}

const rows = (table: string) => t.query((ctx) => ctx.runQuery(component.inside.rows, { table }));
const tabs = async () => (await rows("sessions")).map(({ tab }) => tab);
const presence = async () => (await rows("presence")).map(({ state }) => state);
const sleepers = async () => (await rows("sleepers")).map(({ _id }) => _id);
const jobs = () => t.query((ctx) => ctx.runQuery(component.inside.jobs, {}));
const wakeUps = async () => (await jobs()).filter(({ name }) => name.includes("wake"));
const pending = async () => (await wakeUps()).filter(({ isPending }) => isPending).length;
const cancel = (name: string) => t.mutation((ctx) => ctx.runMutation(component.inside.cancel, { name }));

test("a session that stops beating is removed with its presence soon after its deadline, and no other", async () => {
  const [dead, live] = [await joined("dead"), await joined("live")];
  await dead.show("x", 1);
  await live.show("x", 2);
  for (let beat = 1; beat <= 2; beat++) {
    await pass(heartbeatMs);
    await live.beat();
  }
  await pass(sessionDeadlineMs - 2 * heartbeatMs - 600);
  expect(await tabs()).toEqual(["dead", "live"]);
  await pass(600 + sweepPauseMs);
  expect(await tabs()).toEqual(["live"]);
  expect(await presence()).toEqual([2]);
  expect(await dead.beat()).toBe("gone");
});

test("a live session is never removed, in an hour of beats", async () => {
  const tab = await joined("t");
  for (let beat = 0; beat < 180; beat++) {
    await pass(heartbeatMs);
    expect(await tab.beat()).toBe("alive");
  }
  expect(await tabs()).toEqual(["t"]);
});

test("a heartbeat late but before the sweep wins; one after it is told that the session is gone", async () => {
  const tab = await joined("t");
  vi.setSystemTime(Date.now() + sessionDeadlineMs + 1000);
  expect(await tab.beat()).toBe("alive");
  await pass(sweepPauseMs);
  expect(await tabs()).toEqual(["t"]);
  await pass(sessionDeadlineMs + sweepPauseMs);
  expect(await tab.beat()).toBe("gone");
});

test("however many join, one sleeper wakes, and no more often than deadlines pass", async () => {
  const many = [];
  for (let n = 0; n < 20; n++) many.push(await joined(`t${n}`));
  expect(await wakeUps()).toHaveLength(1);
  const minutes = 10;
  for (let beat = 0; beat < minutes * 3; beat++) {
    await pass(heartbeatMs);
    for (const tab of many) await tab.beat();
  }
  expect(await sleepers()).toHaveLength(1);
  // A live session's deadline lies 30 s ahead at least when the one before has passed.
  expect((await wakeUps()).length).toBeLessThanOrEqual(1 + minutes * 2);
  expect(await pending()).toBe(1);
});

test("the sleeper stops when there is no session, and the next join starts another", async () => {
  const tab = await joined("t");
  const [first] = await sleepers();
  await tab.leave();
  await pass(sessionDeadlineMs + sweepPauseMs);
  expect(await sleepers()).toEqual([]);
  expect(await pending()).toBe(0);
  const wakes = await wakeUps();
  await pass(10 * sessionDeadlineMs);
  expect(await wakeUps()).toEqual(wakes);
  const again = await joined("t");
  expect(await sleepers()).not.toEqual([first]);
  await pass(sessionDeadlineMs + sweepPauseMs);
  expect(await tabs()).toEqual([]);
  expect(await again.beat()).toBe("gone");
});

test("I-14: sessions that end together are removed a bounded number at a time", async () => {
  const count = 2 * limits.sweptSessions + 30;
  for (let n = 0; n < count; n++) await (await joined(`t${n}`)).show("x", n);
  await pass(sessionDeadlineMs - 1000);
  expect(await tabs()).toHaveLength(count);
  const left = [];
  for (let wakeUp = 0; wakeUp < 3; wakeUp++) {
    await pass(wakeUp === 0 ? 1000 : sweepPauseMs);
    left.push((await tabs()).length);
  }
  expect(left).toEqual([count - limits.sweptSessions, 30, 0]);
  expect(await presence()).toEqual([]);
  await pass(sessionDeadlineMs + sweepPauseMs);
  expect(await sleepers()).toEqual([]);
});

test("a sleeper whose place another has taken ends, without a word and without a successor", async () => {
  const tab = await joined("t");
  const before = await sleepers();
  await t.mutation((ctx) => ctx.runMutation(component.inside.replaceSleeper, {}));
  await pass(sessionDeadlineMs + sweepPauseMs);
  expect(await sleepers()).not.toEqual(before);
  expect(await pending()).toBe(0);
  expect(await tabs()).toEqual(["t"]);
  expect(await tab.beat()).toBe("alive");
});

test("where sessions stand long after their deadline, the next join puts another sleeper in place of the dead one", async () => {
  await joined("restored");
  // As after a backup was restored: the rows are there, and what was scheduled is not.
  await cancel("");
  await pass(sleeperLateMs);
  await joined("too early");
  expect(await tabs()).toEqual(["restored", "too early"]);
  const dead = await sleepers();
  await pass(sessionDeadlineMs + 1000);
  const late = await joined("late");
  expect(await sleepers()).toHaveLength(1);
  expect(await sleepers()).not.toEqual(dead);
  const replaced = await sleepers();
  await joined("at once after"); // Does not take it for dead, though it has removed nothing yet.
  expect(await sleepers()).toEqual(replaced);
  await pass(1000);
  expect(await tabs()).toEqual(["late", "at once after"]);
  expect(await pending()).toBe(1);
  await late.leave();
});

test("a wake-up begins near where the last one ended, and meets a session again that was not removed", async () => {
  await joined("first");
  await pass(500);
  await joined("t");
  await pass(sessionDeadlineMs - 10_000);
  const other = await joined("other");
  await pass(9_500);
  expect(await tabs()).toEqual(["t", "other"]);
  // The next wake-up hands on what was due since then; and that is lost.
  vi.advanceTimersByTime(sweepPauseMs);
  for (let tick = 0; tick < 1000; tick++) await Promise.resolve();
  await cancel("expire");
  await pass(1000);
  expect(await tabs()).toEqual(["t", "other"]);
  await other.beat();
  await pass(sessionDeadlineMs - 10_000);
  expect(await tabs()).toEqual(["other"]);
  const started = (await wakeUps()).map(({ from }) => from);
  expect(started[0]).toBe(0);
  expect(started.slice(1).every((from) => from > Date.now() - 4 * sessionDeadlineMs)).toBe(true);
});
