import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { breaks, rulesOf } from "./breaks.js";
import { describeFailure } from "./describeFailure.js";
import { runSteps, type Run } from "./oracle.js";
import { SeededRandom } from "../random.js";
import { createServerSubject } from "./serverSubject.js";
import { shrinkSteps } from "../shrink.js";
import { generateSteps, type Step } from "./steps.js";

// Small, so that schedules of some dozen steps meet all of it: pages that end within a commit, states that a push
// compacts before it appends.
vi.mock("../../shared/limits.js", async (original) => {
  const { limits } = await original<typeof import("../../shared/limits.js")>();
  return { limits: { ...limits, pageEntries: 3, compactInPlaceDeltas: 5 } };
});

/** NUM_RUNS seeds, from SEED on: a failure says its seed, which is run alone with SEED=… NUM_RUNS=1. */
const numRuns = Number(process.env["NUM_RUNS"] ?? 15);
const firstSeed = Number(process.env["SEED"] ?? 1);
/** How many seeds are tried until a broken rule shows. With COUNT_BREAKS=n: it is told in how many of n it does. */
const countsAll = process.env["COUNT_BREAKS"] !== undefined;
const breakSeeds = Array.from({ length: Number(process.env["COUNT_BREAKS"] ?? 15) }, (_, n) => n + 1);

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1), toFake: ["Date"] });
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

function createSubject(seed: number) {
  const random = new SeededRandom(seed);
  vi.spyOn(Math, "random").mockImplementation(() => random.next());
  vi.setSystemTime(Date.UTC(2026, 0, 1));
  return createServerSubject({
    now: () => Date.now(),
    pass: (ms) => void vi.setSystemTime(Date.now() + ms),
  });
}

/** What of a seed goes wrong, told by as few of its steps as are needed; null: nothing. */
async function failureOf(seed: number, count: (run: Run) => void): Promise<string | null> {
  const run = (steps: readonly Step[]) => runSteps(steps, createSubject(seed));
  const steps = generateSteps(seed);
  const first = await run(steps);
  count(first);
  if (first.violation === null) return null;
  const shortest = await shrinkSteps(steps, first.violation.invariant, run);
  return describeFailure(seed, shortest, await run(shortest));
}

test(
  "I-3 … I-6, I-9 … I-12, I-14, I-18: after each step of any schedule the component is what the model says",
  async () => {
    const counts = new Map<string, number>();
    for (let seed = firstSeed; seed < firstSeed + numRuns; seed++) {
      const failure = await failureOf(seed, (run) => {
        for (const [what, count] of run.counts) counts.set(what, (counts.get(what) ?? 0) + count);
      });
      expect(failure, failure ?? "").toBeNull();
    }
    // The schedules do reach what they are for.
    const common = ["applied", "typed", "exists", "gap", "duplicate", "server write", "more", "done"];
    if (numRuns >= 15) expect([...counts.keys()]).toEqual(expect.arrayContaining(common));
  },
  120_000 + numRuns * 10_000,
);

test("I-20: the same seed gives the same trace", async () => {
  const trace = async () => (await runSteps(generateSteps(3), createSubject(3))).trace;
  expect(await trace()).toEqual(await trace());
});

test("a failing schedule is told by the steps that it needs", async () => {
  const broken = (some: readonly Step[]) =>
    runSteps(some, { ...createSubject(2), purge: async () => 2n ** 62n });
  const insert = { document: "a", kind: "insert", country: "DE", value: 1 } as const;
  const needed: Step[] = [
    { do: "write", changes: [insert] },
    { do: "purge", document: "a" },
  ];
  const others = generateSteps(2).filter((step) => step.do !== "write" && step.do !== "purge");
  const all = [...others.slice(0, 9), ...needed, ...others.slice(9)];
  const shortest = await shrinkSteps(all, "I-9", broken);
  expect(shortest).toEqual(needed);
  expect(describeFailure(2, shortest, await broken(shortest))).toContain('{"do":"purge","document":"a"}');
});

test.each(breaks.map((each) => [each.name, each] as const))(
  "it notices: %s",
  async (_name, each) => {
    const caught: string[] = [];
    const schedules = each.steps !== undefined && !countsAll ? [each.steps] : breakSeeds.map(generateSteps);
    for (const [index, steps] of schedules.entries()) {
      const subject = createSubject(index);
      const broken = { ...subject, ...each.subject?.(subject) };
      const { violation } = await runSteps(steps, broken, rulesOf(each));
      if (violation !== null) caught.push(violation.message.slice(0, 100));
      if (violation !== null && !countsAll) break;
    }
    if (countsAll) console.log(`${each.name}: ${caught.length} of ${breakSeeds.length} seeds, ${caught[0]}`);
    else expect(caught.length).toBeGreaterThan(0);
    for (const message of caught) expect(each.caughtBy).toContain(message.split(":")[0]);
  },
  600_000,
);
