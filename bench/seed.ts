// 100,000 real places, imported into a backend that keeps them on disk: how long it takes, and whether what it takes
// beside the places themselves grows with how many there are already. And the same by `insertMany`, a quarter of them.
import { fork } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import type { ImportJob } from "convex-replicate";
import type { Site } from "../example/convex/collections.js";
import { deploy } from "../local/push/deploy.js";
import { largestSites } from "../scripts/demoSites.js";
import type { CollectionHealth } from "../src/shared/wire.js";
import type { Request, Usage } from "./backendProcess.js";
import { median, timed, type Row } from "./row.js";

const total = 100_000;
/** What one call hands over: to an import, and to `insertMany`, which writes them in one transaction. */
const stagedAtOnce = 2_500;
const insertedAtOnce = 100;
/** Of the backend's V8, in MB: what it needs beside the sites has to fit in what they leave of it. */
const heapLimit = 512;
const stages = 4;
const queries = 21;
const lookEveryMs = 250;

export async function seed(): Promise<Row[]> {
  const sites = largestSites(total);
  const size = total / stages;
  const quarters = Array.from({ length: stages }, (_, n) => sites.slice(n * size, (n + 1) * size));
  return [
    ...(await inFolder(async (folder) => [
      ...(await seedAll(folder, "import", quarters, importAll)),
      ...(await startAgain(folder, sites)),
    ])),
    ...(await inFolder((folder) => seedAll(folder, "insertMany", quarters.slice(0, 1), insertAll))),
  ];
}

export async function inFolder(run: (folder: string) => Promise<Row[]>): Promise<Row[]> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "bench-seed-"));
  try {
    return await run(folder);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

type Backend = Awaited<ReturnType<typeof startBackendProcess>>;
type Seeder = (backend: Backend, sites: readonly Site[]) => Promise<void>;

const insertAll: Seeder = async (backend, sites) => {
  for (let at = 0; at < sites.length; at += insertedAtOnce)
    await backend.run("mutation", "seed:insert", { rows: sites.slice(at, at + insertedAtOnce) });
};

export const importAll: Seeder = async (backend, sites) => {
  let job: unknown;
  for (let at = 0; at < sites.length; at += stagedAtOnce) {
    const rows = sites.slice(at, at + stagedAtOnce);
    const open = job === undefined ? {} : { job };
    job = await backend.run("mutation", "seed:importSites", {
      rows,
      ...open,
      more: at + rows.length < sites.length,
    });
  }
  for (;;) {
    const found = (await backend.run("query", "seed:imported", { job: job as string })) as ImportJob;
    if (found.finishedAt !== undefined) {
      if (found.done !== sites.length) throw new Error(`Of ${sites.length} sites ${found.done} arrived.`);
      return;
    }
    await setTimeout(lookEveryMs);
  }
};

/** How long the oldest change has waited for the follower, which comes after the documents in its own time. */
async function followerLagMs(backend: Backend): Promise<number> {
  const health = (await backend.run("query", "inspect:health", {})) as CollectionHealth[];
  return Math.max(...health.map((each) => each.followerLagMs));
}

async function seedAll(
  folder: string,
  how: string,
  parts: readonly (readonly Site[])[],
  seedPart: Seeder,
): Promise<Row[]> {
  const backend = await startBackendProcess(folder);
  await deploy(backend.url);
  const base = await backend.usage();
  const rows: Row[] = [];
  let [before, seeded, ms] = [base, 0, 0];
  const all = parts.flat();
  for (const part of parts) {
    const start = performance.now();
    await seedPart(backend, part);
    const took = performance.now() - start;
    const lagMs = await followerLagMs(backend);
    const after = await backend.usage();
    const name = `${how}, sites ${seeded + 1} to ${seeded + part.length}`;
    seeded += part.length;
    ms += took;
    rows.push(
      { case: name, metric: "time", value: took / 1_000, unit: "s" },
      { case: name, metric: "the follower is behind by", value: lagMs / 1_000, unit: "s" },
      {
        case: name,
        metric: "CPU time of the backend",
        value: (after.cpuMs - before.cpuMs) / 1_000,
        unit: "s",
      },
      { case: name, metric: "more heap after gc", value: (after.heap - before.heap) / 1e6, unit: "MB" },
    );
    before = after;
    console.error(`${name}: ${took / 1_000} s`); // it takes minutes
  }
  await backend.close();
  const name = `${how}, ${all.length} sites`;
  return [
    ...rows,
    { case: name, metric: "in all", value: ms / 1_000, unit: "s" },
    { case: name, metric: "sites a second", value: (all.length * 1_000) / ms, unit: "/s" },
    { case: name, metric: "CPU time of the backend", value: (before.cpuMs - base.cpuMs) / 1_000, unit: "s" },
    { case: name, metric: "heap of the backend before", value: base.heap / 1e6, unit: "MB" },
    { case: name, metric: "heap per site", value: (before.heap - base.heap) / all.length, unit: "B" },
    { case: name, metric: "JSON of a site", value: JSON.stringify(all).length / all.length, unit: "B" },
    { case: name, metric: "peak RSS", value: before.peakRss / 1e6, unit: "MB" },
    ...filesIn(path.join(folder, "documents")),
  ];
}

function filesIn(folder: string): Row[] {
  return ["log", "snapshot"].map((kind) => {
    const names = fs.readdirSync(folder).filter((name) => name.startsWith(`${kind}-`));
    const bytes = names.reduce((sum, name) => sum + fs.statSync(path.join(folder, name)).size, 0);
    return { case: "on disk", metric: kind, value: bytes / 1e6, unit: "MB" };
  });
}

async function startAgain(folder: string, sites: readonly Site[]): Promise<Row[]> {
  const backend = await startBackendProcess(folder);
  const args = { country: sites[total / 2]!.country };
  const times: number[] = [];
  for (let n = 0; n < queries; n++) {
    const start = performance.now();
    if ((await backend.run("query", "seed:isSeeded", args)) !== true) throw new Error("The sites are gone.");
    times.push(performance.now() - start);
  }
  const { peakRss, cpuMs } = await backend.usage();
  await backend.close();
  const [first = NaN, ...later] = times;
  const floor = readMs(path.join(folder, "documents"));
  const name = "started again";
  return [
    timed(name, "until it answers", backend.startMs / 1_000, "s", floor / 1_000),
    { case: name, metric: "CPU time until then, and of the queries", value: cpuMs / 1_000, unit: "s" },
    timed(name, "first query", first, "ms", median(later)),
    { case: name, metric: "peak RSS", value: peakRss / 1e6, unit: "MB" },
  ];
}

/** Floor of a start: its files read, and nothing made of them. */
function readMs(folder: string): number {
  const start = performance.now();
  for (const name of fs.readdirSync(folder)) fs.readFileSync(path.join(folder, name));
  return performance.now() - start;
}

export async function startBackendProcess(folder: string) {
  const child = fork("bench/backendProcess.ts", [folder], {
    execArgv: [`--max-old-space-size=${heapLimit}`, "--import", "tsx"],
  });
  const next = <T>() =>
    new Promise<T>((resolve, reject) => {
      child.once("exit", fail);
      child.once("message", (message) => {
        child.off("exit", fail);
        resolve(message as T);
      });
      function fail(code: number | null) {
        reject(new Error(`The backend ended with ${code}.`));
      }
    });
  const ask = async (request: Request) => {
    child.send(request);
    const { value, error } = await next<{ value?: unknown; error?: string }>();
    if (error !== undefined) throw new Error(error);
    return value;
  };
  const { url, ms } = await next<{ url: string; ms: number }>();
  return {
    url,
    startMs: ms,
    run: (kind: "query" | "mutation", functionPath: string, args: object) =>
      ask({ type: "run", kind, path: functionPath, args }),
    usage: async () => (await ask({ type: "usage" })) as Usage,
    close: async () => {
      const exited = new Promise((resolve) => child.once("exit", resolve));
      child.send({ type: "close" } satisfies Request);
      await exited;
    },
  };
}
