// `npm run simulate`: runs seeds, or one script, and tells what went wrong by as few steps as are needed.
import { shrinkSteps } from "../../shrink.js";
import type { Run } from "../run.js";
import type { BackendDriver } from "./backend.js";
import { generateScript } from "./generate.js";
import { runScript } from "./sitesApp.js";
import type { Script, Step } from "./steps.js";

/** To shrink one failure: it is not to take longer than it took to find it. */
const mostRuns = 150;

export interface SimulateOptions {
  readonly driver: BackendDriver;
  /** The first seed, and how many; the rest of the options decide if fewer are run. */
  readonly from: number;
  readonly seeds: number;
  /** Steps of each script; default: as the seed has it. */
  readonly steps?: number;
  /** What fails is not shrunk: `first` ends there, `brief` goes on. */
  readonly only?: "first" | "brief";
  /** No seed begins after so many seconds of real time. */
  readonly seconds?: number;
  /** Prints a line for each seed. */
  readonly isVerbose?: boolean;
  print(line: string): void;
}

export interface Summary {
  readonly seeds: number;
  readonly steps: number;
  readonly violations: number;
}

/** Runs seeds one after the other; each that fails is shrunk and printed. */
export async function simulate(options: SimulateOptions): Promise<Summary> {
  const { driver, from, print, steps: length, seconds = Infinity } = options;
  const end = performance.now() + seconds * 1000;
  const summary = { seeds: 0, steps: 0, violations: 0 };
  for (let seed = from; seed < from + options.seeds && performance.now() < end; seed++) {
    const script = generateScript(seed, length === undefined ? {} : { steps: length });
    const run = await runScript(script, driver);
    summary.seeds += 1;
    summary.steps += run.steps;
    if (options.isVerbose === true) print(`${seed} ${run.hash} ${run.steps} steps`);
    if (run.violation === null) continue;
    summary.violations += 1;
    if (options.only !== undefined) print(`seed ${seed} on ${driver.engine}: ${run.violation.message}`);
    if (options.only === "first") break;
    if (options.only === "brief") continue;
    print(await describe(script, run, driver));
  }
  print(
    `on ${driver.engine}: ${summary.seeds} seeds, ${summary.steps} steps, ${summary.violations} violations`,
  );
  return summary;
}

/** Runs one script and prints all that came of it. @returns whether nothing went wrong */
export async function replay(
  script: Script,
  driver: BackendDriver,
  print: (line: string) => void,
): Promise<boolean> {
  const run = await runScript(script, driver);
  for (const line of run.trace) print(line);
  print(
    `on ${driver.engine}: hash ${run.hash}, ${run.violation === null ? "no violation" : run.violation.message}`,
  );
  return run.violation === null;
}

/** The same failure by fewer steps. */
export async function shrinkScript(
  script: Script,
  invariant: string,
  driver: BackendDriver,
): Promise<Script> {
  const run = (some: readonly Step[]) => runScript({ ...script, steps: some }, driver);
  const steps = await shrinkSteps(script.steps, invariant, run, mostRuns);
  return { ...script, steps };
}

async function describe(script: Script, { violation }: Run, driver: BackendDriver): Promise<string> {
  const shortest = await shrinkScript(script, violation?.invariant ?? "", driver);
  const { steps, ...setup } = shortest;
  const again = await runScript(shortest, driver);
  return [
    `seed ${setup.seed} on ${driver.engine}: ${violation?.message}`,
    `with fewer steps: ${again.violation?.message}`,
    `as a script, for npm run simulate -- --engine ${driver.engine} --script FILE:`,
    `${JSON.stringify(setup).slice(0, -1)},"steps":[`,
    steps.map((step) => `  ${JSON.stringify(step)}`).join(",\n"),
    "]}",
  ].join("\n");
}
