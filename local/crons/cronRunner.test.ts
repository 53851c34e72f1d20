import { expect, test } from "vitest";
import type { CronSpec } from "./cronSpecs.js";
import { CronRunner, type CronState } from "./cronRunner.js";
import { CronsUnderTest, every, settle } from "./cronsUnderTest.js";

const minute = 60_000;

test("an interval runs at once and then every period, however long its runs take", async () => {
  const crons = new CronsUnderTest();
  crons.runner.replace([every("a", 60)]);
  crons.runner.start();
  expect(crons.begun).toEqual(["a at 0"]);
  await crons.end("a", 20_000);
  await crons.advanceTo(5 * minute, { isQuick: true });
  expect(crons.begun).toEqual(["a at 0", "a at 60", "a at 120", "a at 180", "a at 240", "a at 300"]);
});

test("nothing runs before the start, nor after the stop", async () => {
  const crons = new CronsUnderTest();
  crons.runner.replace([every("a", 60)]);
  await crons.advanceTo(30_000);
  expect(crons.begun).toEqual([]);
  crons.runner.start();
  await crons.end("a");
  crons.runner.stop();
  expect(crons.clock.timers).toBe(0);
  await crons.advanceTo(9 * minute);
  expect(crons.begun).toEqual(["a at 30"]);
});

test("runs that are due while one still goes are left out, and said to be", async () => {
  const crons = new CronsUnderTest();
  crons.runner.replace([every("slow", 60)]);
  crons.runner.start();
  await crons.advanceTo(150_000);
  expect(crons.begun).toEqual(["slow at 0"]);
  await crons.end("slow");
  expect(crons.skipped).toEqual(["slow from 60"]);
  await crons.advanceTo(180_000);
  expect(crons.begun).toEqual(["slow at 0", "slow at 180"]);
});

test("one timer waits for the earliest of all crons", () => {
  const crons = new CronsUnderTest();
  crons.runner.replace([every("a", 60), every("b", 30), calendar("c", "* * * * *")]);
  crons.runner.start();
  expect(crons.begun).toEqual(["a at 0", "b at 0"]);
  expect(crons.clock.timers).toBe(1);
});

test("a wake that comes too early runs nothing, and waits again", async () => {
  const crons = new CronsUnderTest();
  crons.runner.replace([calendar("c", "* * * * *")]);
  crons.runner.start();
  crons.clock.wakeEarly();
  await settle();
  expect(crons.begun).toEqual([]);
  await crons.advanceTo(minute);
  expect(crons.begun).toEqual(["c at 60"]);
});

test("a run that fails is reported, and the next one comes", async () => {
  const crons = new CronsUnderTest();
  crons.runner.replace([every("a", 60)]);
  crons.runner.start();
  await crons.fail("a", new Error("no such table"));
  expect(crons.errors).toEqual(["a: no such table"]);
  await crons.advanceTo(minute);
  expect(crons.begun).toEqual(["a at 0", "a at 60"]);
});

test("of equal times the earlier due begins first", async () => {
  const crons = new CronsUnderTest();
  crons.runner.restore([kept("late", 50), kept("early", 10)]);
  crons.runner.replace([every("late", 60), every("early", 60)]);
  crons.clock.set(minute);
  crons.runner.start();
  expect(crons.begun).toEqual(["early at 60", "late at 60"]);
});

const calendar = (name: string, cron: string): CronSpec => ({
  ...every(name, 1),
  schedule: { type: "cron", cron },
});
const kept = (name: string, nextRunS: number, more: Partial<CronState> = {}): CronState => ({
  component: "",
  name,
  schedule: { type: "interval", seconds: 60 },
  lastRun: null,
  nextRun: nextRunS * 1000,
  isRunning: false,
  ...more,
});

test.each<[string, CronSpec[], string[], object]>([
  ["a cron that is unchanged keeps its next run", [every("a", 60)], ["a at 60"], {}],
  [
    "a cron with another function or other arguments keeps its next run",
    [{ ...every("a", 60), functionPath: "m:other", args: { n: 1 } }],
    ["a at 60"],
    { updated: ["a"] },
  ],
  [
    "a cron with another interval counts it from its last run",
    [every("a", 40)],
    ["a at 40"],
    { updated: ["a"] },
  ],
  [
    "a cron with an interval that is over already runs at the next multiple",
    [every("a", 7)],
    ["a at 35", "a at 42"],
    { updated: ["a"] },
  ],
  ["a cron on another calendar follows that", [calendar("a", "*/2 * * * *")], [], { updated: ["a"] }],
  ["a cron that is removed stops", [], [], { deleted: ["a"] }],
  [
    "a cron of the same name in a component is another",
    [{ ...every("a", 60), component: "pool" }],
    ["pool/a at 30"],
    { added: ["pool/a"], deleted: ["a"] },
  ],
  ["a new cron runs at once", [every("a", 60), every("b", 60)], ["b at 30", "a at 60"], { added: ["b"] }],
])("a push: %s", async (_, specs, begun, changes) => {
  const crons = new CronsUnderTest();
  crons.runner.replace([every("a", 60)]);
  crons.runner.start();
  await crons.end("a");
  await crons.advanceTo(30_000);
  crons.begun.length = 0;
  expect(crons.runner.replace(specs)).toEqual({ added: [], updated: [], deleted: [], ...changes });
  await crons.advanceTo(minute, { isQuick: true, stepMs: 1000, until: begun.length });
  expect(crons.begun).toEqual(begun);
});

test("a push while a cron runs: it ends, and follows its new schedule; no second run begins before", async () => {
  const crons = new CronsUnderTest();
  crons.runner.replace([every("a", 60)]);
  crons.runner.start();
  await crons.advanceTo(5_000);
  crons.runner.replace([]);
  crons.runner.replace([every("a", 10)]);
  await crons.advanceTo(15_000);
  expect(crons.begun).toEqual(["a at 0"]);
  await crons.end("a");
  await crons.advanceTo(20_000);
  expect(crons.begun).toEqual(["a at 0", "a at 20"]);
});

test("a cron that is removed while it runs does not come back when it ends", async () => {
  const crons = new CronsUnderTest();
  crons.runner.replace([every("a", 60)]);
  crons.runner.start();
  crons.runner.replace([]);
  await crons.end("a");
  await crons.advanceTo(9 * minute);
  expect(crons.begun).toEqual(["a at 0"]);
  expect(crons.runner.state()).toEqual([]);
});

test("the state is plain data, and a runner that takes it over goes on where it was", async () => {
  const first = new CronsUnderTest();
  first.runner.replace([every("a", 60), every("b", 60)]);
  first.runner.start();
  await first.end("a");
  const saved = JSON.parse(JSON.stringify(first.runner.state())) as CronState[];
  expect(saved).toEqual([kept("a", 60, { lastRun: 0 }), kept("b", 0, { isRunning: true })]);
  const second = new CronsUnderTest();
  second.clock.set(30_000);
  second.runner.restore(saved.filter(({ name }) => name === "a"));
  second.runner.replace([every("a", 60)]);
  second.runner.start();
  await second.advanceTo(minute);
  expect(second.begun).toEqual(["a at 60"]);
});

test.each([
  ["a run that is overdue comes once, late", kept("a", 60), "mutation", ["a at 150", "a at 180"]],
  [
    "a mutation that was broken off is repeated",
    kept("a", 120, { isRunning: true }),
    "mutation",
    ["a at 150", "a at 180"],
  ],
  [
    "a mutation whose end is on record is not",
    kept("a", 120, { isRunning: true, lastRun: 120_000 }),
    "mutation",
    ["a at 180"],
  ],
  ["an action that was broken off is not", kept("a", 120, { isRunning: true }), "action", ["a at 180"]],
  [
    "one whose schedule was changed meanwhile follows the new one",
    kept("a", 600, { lastRun: 0, schedule: { type: "interval", hours: 1 } }),
    "mutation",
    ["a at 180"],
  ],
] as const)("after a restart: %s", async (_, saved, kind, begun) => {
  const crons = new CronsUnderTest();
  crons.clock.set(150_000);
  crons.runner.restore([saved]);
  crons.runner.replace([{ ...every("a", 60), kind }]);
  crons.runner.start();
  await crons.advanceTo(180_000, { isQuick: true });
  expect(crons.begun).toEqual(begun);
});

test("what was kept serves the first push after it only: a cron that comes back later is new", async () => {
  const crons = new CronsUnderTest();
  crons.runner.restore([kept("a", 600)]);
  crons.runner.replace([]);
  crons.runner.replace([every("a", 60)]);
  crons.runner.start();
  expect(crons.begun).toEqual(["a at 0"]);
});

test("each change of the state is announced", async () => {
  const states: string[] = [];
  const crons = new CronsUnderTest();
  const runner: CronRunner = new CronRunner({
    ...crons.options,
    onChange: () =>
      states.push(runner.state().map(({ isRunning, nextRun }) => `${isRunning} ${nextRun}`)[0]!),
  });
  runner.replace([every("a", 60)]);
  runner.start();
  await crons.end("a");
  expect(states).toEqual(["false 0", "true 0", "false 60000"]);
});
