import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { simulate, shrinkScript } from "./command.js";
import { convexTestDriver } from "./convexTestBackend.js";
import { found } from "./found.js";
import { generateScript } from "./generate.js";
import { runScript } from "./sitesApp.js";
import type { BackendDriver } from "./backend.js";

/** SEED and NUM_RUNS: others than the fixed ones. */
const from = Number(process.env["SEED"] ?? 1);
const seeds = Number(process.env["NUM_RUNS"] ?? 30);

test(
  "I-1 to I-12, I-15, I-19: whatever befalls tabs, disks, network and server, everybody comes to rest and is equal",
  async () => {
    const lines: string[] = [];
    const print = (line: string) => void lines.push(line);
    const { violations } = await simulate({ driver: convexTestDriver, from, seeds, print });
    expect(violations, lines.join("\n")).toBe(0);
  },
  120_000 + seeds * 5000,
);

test.each(found.map((each) => [each.fault, each] as const))("found: %s", async (_fault, { script }) => {
  const { violation } = await runScript(script, convexTestDriver);
  expect(violation?.message ?? null).toBeNull();
});

test("I-20: the same seed gives the same trace", async () => {
  for (const seed of [3, 14, 31]) {
    const [first, second] = [
      await runScript(generateScript(seed), convexTestDriver),
      await runScript(generateScript(seed), convexTestDriver),
    ];
    expect(second.trace).toEqual(first.trace);
    expect(second.hash).toBe(first.hash);
    expect(first.trace.length).toBeGreaterThan(50);
  }
});

test("I-20: what has run before it in its process is nothing to a seed", async () => {
  const seed = 10;
  const { hash } = await runScript(generateScript(seed), convexTestDriver);
  const { stdout } = await promisify(execFile)("npx", [
    ...["tsx", "scripts/simulate.ts", "--from", `${seed}`, "--seeds", "1", "--verbose"],
  ]);
  expect(stdout).toContain(`${seed} ${hash} `);
}, 60_000);

test("another seed gives another trace", async () => {
  const script = generateScript(3);
  const [first, second] = [
    await runScript(script, convexTestDriver),
    await runScript({ ...script, seed: 4 }, convexTestDriver),
  ];
  expect(second.hash).not.toBe(first.hash);
});

test("what a failure does not need is left out, and what is left still fails", async () => {
  /** A server that loses what it compacts alone. */
  const start: BackendDriver["start"] = async (world) => {
    let isCompacting = false;
    const onCommit: typeof world.onCommit = (left) =>
      world.onCommit(isCompacting ? { ...left, mayChange: false } : left);
    const backend = await convexTestDriver.start({ ...world, onCommit });
    const lose = async ([document = ""]: readonly string[]) => {
      isCompacting = true;
      await backend.purge(document);
      isCompacting = false;
    };
    const compact = (all: readonly string[]) => (all.length === 1 ? lose(all) : backend.compact(all));
    return { ...backend, compact };
  };
  const broken = { ...convexTestDriver, start };
  const compact = { do: "compact", documents: ["s1"] } as const;
  const script = generateScript(2);
  const others = script.steps.filter((step) => step.do !== "compact").slice(0, 8);
  const failing = { ...script, steps: [...others, compact, ...others] };
  expect((await runScript(failing, broken)).violation?.invariant).toBe("I-10");
  expect((await shrinkScript(failing, "I-10", broken)).steps).toEqual([compact]);
});
