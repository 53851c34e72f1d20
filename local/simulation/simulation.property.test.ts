// The simulation of src/testing/simulation, on the local engine.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { simulate } from "../../src/testing/simulation/sites/command.js";
import { found } from "../../src/testing/simulation/sites/found.js";
import { generateScript } from "../../src/testing/simulation/sites/generate.js";
import { runScript } from "../../src/testing/simulation/sites/sitesApp.js";
import { loadLocalDriver } from "./localBackend.js";

/** SEED and NUM_RUNS: others than the fixed ones. */
const from = Number(process.env["SEED"] ?? 1);
const seeds = Number(process.env["NUM_RUNS"] ?? 12);
const driver = await loadLocalDriver();

test(
  "I-1 to I-13, I-15, I-19: whatever befalls tabs, disks, network and server, beside all that it does in the background",
  async () => {
    const lines: string[] = [];
    const print = (line: string) => void lines.push(line);
    const { violations } = await simulate({ driver, from, seeds, print });
    expect(violations, lines.join("\n")).toBe(0);
  },
  120_000 + seeds * 10_000,
);

test.each(found.map((each) => [each.fault, each] as const))("found: %s", async (_fault, { script }) => {
  const { violation } = await runScript(script, driver);
  expect(violation?.message ?? null).toBeNull();
});

/** What the engine is there for: functions that meet, background work, something that is done every hour. */
const wanted = [/ conflict replicate:push /, / schedule .*compact:finish/, / cron replicate\//];

test("I-20: the same seed gives the same trace, of the background too, in another process as well", async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const first = await runScript(generateScript(seed), driver);
    if (!wanted.every((what) => first.trace.some((line) => what.test(line)))) continue;
    const second = await runScript(generateScript(seed), driver);
    expect(second.trace).toEqual(first.trace);
    const { stdout } = await promisify(execFile)("npx", [
      ...[
        "tsx",
        "scripts/simulate.ts",
        "--engine",
        "local",
        "--from",
        `${seed}`,
        "--seeds",
        "1",
        "--verbose",
      ],
    ]);
    expect(stdout).toContain(`${seed} ${first.hash} `);
    return;
  }
  throw new Error("No seed shows all that the engine is there for.");
}, 60_000);
