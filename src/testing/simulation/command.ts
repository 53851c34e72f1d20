import { startConvexTestBackend } from "./convexTestBackend.js";
import { generateScript } from "./generate.js";
import { runScript } from "./run.js";

export async function simulate(args: readonly string[]): Promise<number> {
  const from = Number(args[0] ?? 1);
  const n = Number(args[1] ?? 1);
  for (let seed = from; seed < from + n; seed++) {
    const t = performance.now();
    const run = await runScript(generateScript(seed), startConvexTestBackend);
    console.log(
      seed,
      run.hash,
      run.steps,
      run.trace.length,
      run.violation?.message,
      Math.round(performance.now() - t),
    );
    if (args[2]) console.log(run.trace.join("\n"));
  }
  return 0;
}
