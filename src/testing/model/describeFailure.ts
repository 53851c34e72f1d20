import type { Run } from "./oracle.js";
import type { Step } from "./steps.js";

/** A failure as a script that can be run again: `runSteps([…], subject)`. */
export function describeFailure(seed: number, steps: readonly Step[], { trace, violation }: Run): string {
  return [
    `seed ${seed}: ${violation?.message}`,
    "steps:",
    ...steps.map((step) => `  ${JSON.stringify(step)},`),
    "what came of them:",
    ...trace.map((line) => `  ${line}`),
  ].join("\n");
}
