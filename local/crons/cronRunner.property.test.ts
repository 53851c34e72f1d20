import fc from "fast-check";
import { expect, test } from "vitest";
import { CronRunner, type CronState } from "./cronRunner.js";
import type { CronSpec } from "./cronSpecs.js";
import { every, ManualClock, settle } from "./cronsUnderTest.js";

const names = ["a", "b", "c"];
const specs = fc.uniqueArray(
  fc.record({
    name: fc.constantFrom(...names),
    seconds: fc.integer({ min: 1, max: 20 }),
    isCalendar: fc.boolean(),
  }),
  { selector: ({ name }) => name },
);
const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ wait: fc.integer({ min: 1, max: 40_000 }) }) },
    { weight: 4, arbitrary: fc.record({ end: fc.constantFrom(...names), fails: fc.boolean() }) },
    { weight: 1, arbitrary: fc.record({ push: specs }) },
    { weight: 1, arbitrary: fc.record({ restart: fc.constant(true) }) },
  ),
  { maxLength: 60 },
);

const toSpec = ({
  name,
  seconds,
  isCalendar,
}: {
  name: string;
  seconds: number;
  isCalendar: boolean;
}): CronSpec =>
  isCalendar
    ? { ...every(name, 1), schedule: { type: "cron", cron: `*/${seconds} * * * *` } }
    : every(name, seconds);

/** Runs a sequence of waits, ends, pushes and restarts, and checks each run as it begins. */
async function simulate(first: CronSpec[], plan: readonly Record<string, unknown>[]): Promise<number> {
  const clock = new ManualClock();
  let current = first;
  let runner: CronRunner;
  let begun = 0;
  const wrong: string[] = [];
  let running = new Map<string, { resolve: () => void; reject: (error: Error) => void }>();
  const create = (state: CronState[]) => {
    const mine = (running = new Map());
    const run = (spec: CronSpec) => {
      const planned = runner.state().find(({ name }) => name === spec.name);
      if (mine.has(spec.name)) wrong.push(`${spec.name} runs twice`);
      if (planned === undefined || planned.nextRun > clock.now()) wrong.push(`${spec.name} is early`);
      if (!current.some(({ name }) => name === spec.name)) wrong.push(`${spec.name} was removed`);
      begun++;
      return new Promise<void>((resolve, reject) => mine.set(spec.name, { resolve, reject }));
    };
    runner = new CronRunner({ clock, run });
    runner.restore(state);
    runner.replace(current);
    runner.start();
  };
  create([]);
  for (const step of plan) {
    if ("wait" in step) clock.set(clock.now() + (step["wait"] as number));
    const ended = running.get(step["end"] as string);
    if (ended !== undefined) {
      running.delete(step["end"] as string);
      if (step["fails"]) ended.reject(new Error("on purpose"));
      else ended.resolve();
    }
    if ("push" in step) runner!.replace((current = (step["push"] as never[]).map(toSpec)));
    if ("restart" in step) {
      runner!.stop();
      create(JSON.parse(JSON.stringify(runner!.state())) as CronState[]);
    }
    await settle();
    expect(wrong).toEqual([]);
    const waiting = runner!.state().filter(({ isRunning }) => !isRunning);
    expect(waiting.every(({ nextRun }) => nextRun > clock.now())).toBe(true);
    expect(clock.timers).toBe(waiting.length > 0 ? 1 : 0);
  }
  return begun;
}

test("a cron never runs twice at once, never early, never when it was removed, and none is forgotten", async () => {
  let begun = 0;
  await fc.assert(
    fc.asyncProperty(specs, steps, async (first, plan) => {
      begun += await simulate(first.map(toSpec), plan);
    }),
    { seed: 1, numRuns: Number(process.env["NUM_RUNS"] ?? 150) },
  );
  expect(begun).toBeGreaterThan(100);
});
