// `npm run planted-bugs [-- --count N --from SEED] [NAME…]`: plants each bug of src/testing/simulation/sites/breaks.ts in a
// copy of the sources and runs the simulation there, which must turn red. By default from the seed that is stored with the
// bug, and a few after it; with --count: how many of so many seeds show it.
import { execFile } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs, promisify } from "node:util";
import { plantedBugs, type PlantedBug } from "../src/testing/simulation/sites/breaks.js";

/** Tried from the stored seed on: what a seed means changes with the generator. */
const mostSeeds = 15;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { count: { type: "string" }, from: { type: "string" } },
});
const chosen = plantedBugs.filter(
  ({ name }) => positionals.length === 0 || positionals.some((part) => name.includes(part)),
);
const project = process.cwd();
let failures = 0;

interface Outcome {
  readonly seeds: number;
  readonly violations: number;
  readonly first: string;
  readonly ms: number;
}

const rest = [...chosen];
await Promise.all(Array.from({ length: os.availableParallelism() }, work));
console.log(`${chosen.length} planted bugs, ${failures} not noticed as they must`);
process.exit(failures > 0 ? 1 : 0);

async function work(): Promise<void> {
  for (let bug = rest.shift(); bug !== undefined; bug = rest.shift()) report(bug, await tryBug(bug));
}

function report(bug: PlantedBug, outcome: Outcome): void {
  const isRight = bug.caughtBy.some((invariant) => outcome.first.includes(`: ${invariant}: `));
  const verdict =
    outcome.violations === 0 ? "NOT NOTICED" : isRight ? "noticed" : "NOTICED BY ANOTHER INVARIANT";
  if (verdict !== "noticed") failures += 1;
  const seconds = (outcome.ms / 1000).toFixed(1);
  console.log(
    `${verdict}: ${bug.name} (${outcome.violations} of ${outcome.seeds} seeds, ${seconds} s): ${outcome.first}`,
  );
}
async function tryBug(bug: PlantedBug): Promise<Outcome> {
  const copy = fs.mkdtempSync(path.join(os.tmpdir(), "planted-bug-"));
  try {
    for (const name of ["src", "local", "scripts", "package.json", "tsconfig.json"])
      fs.cpSync(path.join(project, name), path.join(copy, name), { recursive: true });
    fs.symlinkSync(path.join(project, "node_modules"), path.join(copy, "node_modules"));
    plant(bug, copy);
    return await simulate(bug, copy);
  } finally {
    fs.rmSync(copy, { recursive: true, force: true });
  }
}

function plant({ name, file, search, replace }: PlantedBug, copy: string): void {
  const target = path.join(copy, file);
  const text = fs.readFileSync(target, "utf8");
  if (text.split(search).length !== 2)
    throw new Error(
      `The bug "${name}" no longer fits ${file}: what it replaces must stand there exactly once.`,
    );
  fs.writeFileSync(
    target,
    text.replace(search, () => replace),
  );
}

async function simulate({ seed, engine }: PlantedBug, cwd: string): Promise<Outcome> {
  const from = values.from ?? String(seed);
  const range = ["--from", from, "--seeds", values.count ?? String(mostSeeds)];
  const args = [
    "tsx",
    "scripts/simulate.ts",
    "--engine",
    engine ?? "convex-test",
    ...range,
    values.count === undefined ? "--first" : "--brief",
  ];
  const start = performance.now();
  const { stdout } = await promisify(execFile)("npx", args, { cwd, maxBuffer: 2 ** 26 }).catch(
    (error: { code?: number; stdout?: string; stderr?: string }) => {
      if (error.code !== 1) throw new Error(`The simulation did not run: ${error.stderr ?? String(error)}`);
      return { stdout: error.stdout ?? "" };
    },
  );
  const summary = /(\d+) seeds, \d+ steps, (\d+) violations/.exec(stdout);
  return {
    seeds: Number(summary?.[1] ?? 0),
    violations: Number(summary?.[2] ?? 0),
    first: (/^seed .*/m.exec(stdout)?.[0] ?? "").slice(0, 160),
    ms: performance.now() - start,
  };
}
