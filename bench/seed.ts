// 100,000 real places, seeded through the server writer's `insertMany` into a backend that keeps them on disk: how long
// it takes, and whether what it takes beside the places themselves grows with how many there are already.
import { fork } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import type { Site } from "../example/convex/collections.js";
import { deploy } from "../local/push/deploy.js";
import { largestSites } from "../scripts/demoSites.js";
import type { Request, Usage } from "./backendProcess.js";
import { median, timed, type Row } from "./row.js";

const total = 100_000;
/** As the demo does it. */
const chunkSize = 100;
/** Of the backend's V8, in MB: what it needs beside the sites has to fit in what they leave of it. */
const heapLimit = 512;
const stages = 4;
const queries = 21;

export async function seed(): Promise<Row[]> {
  const sites = largestSites(total);
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "bench-seed-"));
  try {
    return [...(await seedAll(folder, sites)), ...(await startAgain(folder, sites))];
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

async function seedAll(folder: string, sites: readonly Site[]): Promise<Row[]> {
  const backend = await startBackendProcess(folder);
  await deploy(backend.url);
  const base = await backend.usage();
  const rows: Row[] = [];
  let before = base;
  let ms = 0;
  for (let stage = 0; stage < stages; stage++) {
    const size = total / stages;
    const start = performance.now();
    for (let at = stage * size; at < (stage + 1) * size; at += chunkSize)
      await backend.run("mutation", "seed:insert", { rows: sites.slice(at, at + chunkSize) });
    const took = performance.now() - start;
    ms += took;
    const after = await backend.usage();
    const name = `sites ${stage * size + 1} to ${(stage + 1) * size}`;
    rows.push(
      { case: name, metric: "time", value: took / 1_000, unit: "s" },
      {
        case: name,
        metric: "CPU time of the backend",
        value: (after.cpuMs - before.cpuMs) / 1_000,
        unit: "s",
      },
      { case: name, metric: "more heap after gc", value: (after.heap - before.heap) / 1e6, unit: "MB" },
    );
    before = after;
  }
  await backend.close();
  const all = `${total} sites`;
  return [
    ...rows,
    { case: all, metric: "start to finish", value: ms / 1_000, unit: "s" },
    { case: all, metric: "sites a second", value: (total * 1_000) / ms, unit: "/s" },
    { case: all, metric: "CPU time of the backend", value: (before.cpuMs - base.cpuMs) / 1_000, unit: "s" },
    { case: all, metric: "heap of the backend before", value: base.heap / 1e6, unit: "MB" },
    { case: all, metric: "heap per site", value: (before.heap - base.heap) / total, unit: "B" },
    { case: all, metric: "JSON of a site", value: JSON.stringify(sites).length / total, unit: "B" },
    { case: all, metric: "peak RSS", value: before.peakRss / 1e6, unit: "MB" },
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

async function startBackendProcess(folder: string) {
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
