// What a test says that would simulate nothing, or something else, and pass.
import { isEnvironment } from "../simulation/script.js";
import type { Repertoire } from "./generate.js";
import type { AnyOptions } from "./appInWorld.js";
import type { AppStep, SimulationScript, SimulationStep } from "./steps.js";

/** @throws Error if one of them is no whole number, or none is to be run */
export function assertCounts({ from = 1, seeds = 20, steps = 1 }: AnyOptions): void {
  const counts = { from: [from, 0], seeds: [seeds, 1], steps: [steps, 1] } as const;
  for (const [name, [value, least]] of Object.entries(counts))
    if (!Number.isSafeInteger(value) || value < least)
      throw new Error(`${name}: ${value} is no whole number of at least ${least}.`);
}

/**
 * A script that was kept is of the app as it was then.
 *
 * @throws Error if there is something in it that the test does not know
 */
export function assertScript(script: SimulationScript, repertoire: Repertoire): void {
  const { seed, devices, steps } = script;
  if (!Number.isSafeInteger(seed) || !Array.isArray(devices) || devices.length === 0 || !Array.isArray(steps))
    throw new Error("script: it has to be one that a failure has printed, with its seed, devices and steps.");
  for (const { user, wants } of devices) {
    if (user !== null) assertKnown("a device", "users", user, repertoire);
    for (const { collection } of wants) assertKnown("a device", "collections", collection, repertoire);
  }
  for (const [at, step] of steps.entries()) assertStep(`step ${at + 1}`, step, repertoire);
}

const appSteps: Readonly<Record<AppStep["do"], true>> = {
  write: true,
  serverWrite: true,
  compact: true,
  newEpoch: true,
};

function assertStep(name: string, step: SimulationStep, repertoire: Repertoire): void {
  if (!isEnvironment(step) && !Object.hasOwn(appSteps, step.do))
    throw new Error(`script: ${name} is ${JSON.stringify(step)}, which nothing here knows how to do.`);
  if (step.do === "write") assertKnown(name, "writes", step.write, repertoire);
  if (step.do === "serverWrite") assertKnown(name, "serverWrites", step.write, repertoire);
  if ("collection" in step && step.collection !== undefined)
    assertKnown(name, "collections", step.collection, repertoire);
}

function assertKnown(
  where: string,
  list: "users" | "writes" | "serverWrites" | "collections",
  name: string,
  repertoire: Repertoire,
): void {
  if (!repertoire[list].includes(name))
    throw new Error(`script: ${where}: there is no "${name}" in the test's ${list}.`);
}
