// `npm run simulate -- [--engine convex-test|local] --from SEED --seeds N [--steps M] [--seconds S] [--verbose]
// [--first | --brief]`, or
// `npm run simulate -- [--engine convex-test|local] --script FILE`: see docs/simulation.md. The component's files are found as tests find them, so
// everything is loaded through Vite.
import fs from "node:fs";
import { parseArgs } from "node:util";
import { createServer } from "vite";
import type * as Command from "../src/testing/simulation/sites/command.js";
import type * as OnLocalEngine from "../local/simulation/localBackend.js";
import type { BackendDriver } from "../src/testing/simulation/sites/backend.js";
import type * as OnConvexTest from "../src/testing/simulation/sites/convexTestBackend.js";
import type { Script } from "../src/testing/simulation/sites/steps.js";

process.env["REPLICATE_LOG_LEVEL"] ??= "ERROR";
const { values } = parseArgs({
  options: {
    engine: { type: "string", default: "convex-test" },
    from: { type: "string" },
    seeds: { type: "string" },
    steps: { type: "string" },
    seconds: { type: "string" },
    script: { type: "string" },
    first: { type: "boolean", default: false },
    brief: { type: "boolean", default: false },
    verbose: { type: "boolean", default: false },
  },
});
const vite = await createServer({
  configFile: false,
  appType: "custom",
  logLevel: "warn",
  server: { middlewareMode: true, hmr: false, ws: false, watch: null },
  optimizeDeps: { noDiscovery: true },
  ssr: { noExternal: [/^@convex-dev\//, "convex-test"] },
});
const load = <Module>(file: string) => vite.ssrLoadModule(file) as Promise<Module>;
const engines: Readonly<Record<string, () => Promise<BackendDriver>>> = {
  "convex-test": async () =>
    (await load<typeof OnConvexTest>("/src/testing/simulation/sites/convexTestBackend.ts")).convexTestDriver,
  local: async () =>
    (await load<typeof OnLocalEngine>("/local/simulation/localBackend.ts")).loadLocalDriver(),
};
const chosen = engines[values.engine] ?? fail(`--engine is ${Object.keys(engines).join(" or ")}`);
const driver = await chosen();
const command = await load<typeof Command>("/src/testing/simulation/sites/command.ts");
const print = (line: string) => console.log(line);

if (values.script !== undefined) {
  const script = JSON.parse(fs.readFileSync(values.script, "utf8")) as Script;
  process.exit((await command.replay(script, driver, print)) ? 0 : 1);
}
const seconds = values.seconds === undefined ? {} : { seconds: toNumber("seconds", values.seconds) };
const summary = await command.simulate({
  driver,
  // Fresh ones, if none are asked for: they are printed, so that they can be.
  from: values.from === undefined ? Date.now() % 2 ** 31 : toNumber("from", values.from),
  seeds: values.seeds === undefined ? ("seconds" in seconds ? Infinity : 1) : toNumber("seeds", values.seeds),
  ...(values.steps === undefined ? {} : { steps: toNumber("steps", values.steps) }),
  ...seconds,
  isVerbose: values.verbose,
  ...(values.first ? { only: "first" } : values.brief ? { only: "brief" } : {}),
  print,
});
process.exit(summary.violations > 0 ? 1 : 0);

function toNumber(option: string, text: string): number {
  const number = Number(text);
  return Number.isInteger(number) && number >= 0
    ? number
    : fail(`--${option} is a whole number, not ${text}`);
}

function fail(message: string): never {
  console.error(message);
  process.exit(2);
}
