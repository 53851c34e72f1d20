// The model of src/testing/model held against the component on the local engine: time passes in the background too, and
// what followers and compactions do there must change nothing that the model would not.
import { mutationGeneric } from "convex/server";
import { expect, test, vi } from "vitest";
import { breaks, rulesOf } from "../../src/testing/model/breaks.js";
import { describeFailure } from "../../src/testing/model/describeFailure.js";
import { runSteps } from "../../src/testing/model/oracle.js";
import { generateSteps, type Step } from "../../src/testing/model/steps.js";
import { shrinkSteps } from "../../src/testing/shrink.js";
import { loadServerComponents } from "../serverApp/serverEngine.js";
import { createLocalSubject } from "./localSubject.js";

// As small as on convex-test, and the background compacts what a push does not yet.
vi.mock("../../src/shared/limits.js", async (original) => {
  const { limits } = await original<typeof import("../../src/shared/limits.js")>();
  return { limits: { ...limits, pageEntries: 3, compactInPlaceDeltas: 5, compactDeltas: 2 } };
});

/** NUM_RUNS seeds, from SEED on: a failure says its seed, which is run alone with SEED=… NUM_RUNS=1. */
const numRuns = Number(process.env["NUM_RUNS"] ?? 4);
const firstSeed = Number(process.env["SEED"] ?? 4);
const components = await loadServerComponents({ hasCrons: false });

test(
  "I-3 … I-6, I-9 … I-12, I-14, I-18: after each step of any schedule the component is what the model says",
  async () => {
    const background = new Set<string>();
    const run = async (seed: number, steps: readonly Step[]) =>
      runSteps(steps, await createLocalSubject(seed, components, (path) => void background.add(path)));
    for (let seed = firstSeed; seed < firstSeed + numRuns; seed++) {
      const steps = generateSteps(seed);
      const { violation } = await run(seed, steps);
      if (violation === null) continue;
      const shortest = await shrinkSteps(steps, violation.invariant, (some) => run(seed, some));
      expect.fail(describeFailure(seed, shortest, await run(seed, shortest)));
    }
    // The schedules do reach what they are for.
    const common = ["replicate/follower:wake", "replicate/compact:finish", "replicate/resync:clearHeads"];
    if (numRuns >= 4) expect([...background]).toEqual(expect.arrayContaining(common));
  },
  120_000 + numRuns * 10_000,
);

test("I-20: the same seed gives the same trace", async () => {
  const trace = async () => (await runSteps(generateSteps(3), await createLocalSubject(3, components))).trace;
  expect(await trace()).toEqual(await trace());
});

const told = breaks.flatMap(({ steps, ...each }) => (steps === undefined ? [] : [{ ...each, steps }]));

test.each(told.map((each) => [each.name, each] as const))("it notices: %s", async (_name, each) => {
  const subject = await createLocalSubject(1, components);
  const { violation } = await runSteps(each.steps, { ...subject, ...each.subject?.(subject) }, rulesOf(each));
  expect(each.caughtBy).toContain(violation?.invariant);
});

test("it notices: a compaction in the background loses what it was to compact", async () => {
  const compactIfDue = mutationGeneric(async (ctx) => {
    const [, ...later] = await ctx.db.query("deltas").take(1000);
    for (const { _id } of later) await ctx.db.delete("deltas", _id);
  });
  const losing = components.map((each) => {
    const { compact, ...others } = each.modules;
    if (each.path !== "replicate") return each;
    return { ...each, modules: { ...others, compact: { ...compact, compactIfDue } } };
  });
  const write = (kind: "insert" | "name"): Step => ({
    do: "write",
    changes: [{ document: "a", kind, country: "DE", value: 1 }],
  });
  const steps: Step[] = [write("insert"), write("name"), write("name"), { do: "pass", days: 1 }];
  const look: Step = { do: "tidy" };
  const violationOf = async (on: typeof components) =>
    (await runSteps([...steps, look], await createLocalSubject(1, on))).violation;
  expect((await violationOf(losing))?.invariant).toBe("I-10");
  expect(await violationOf(components)).toBeNull();
});
