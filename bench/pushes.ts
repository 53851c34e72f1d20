// How many pushes a second the local backend takes from 1, 10 and 50 clients at once, each with documents and a scope of
// its own, and who conflicts. The backend is a process of its own and keeps its data on disk, as by default: a push is
// answered once it is synced. Floor: empty pushes of as many clients over the same sockets.
import { spawn, type ChildProcess } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { ConvexClient } from "convex/browser";
import WebSocket from "ws";
import { api } from "../example/convex/_generated/api.js";
import { sites, type Site } from "../example/convex/collections.js";
import { deploy } from "../local/push/deploy.js";
import type { FunctionStats } from "../local/server/stats.js";
import { createReplica, MemoryStorage, type ConvexClientLike } from "../src/client/index.js";
import { median, quantile, timed, type Row } from "./row.js";

const clientCounts = [1, 10, 50];
/** Of all clients together: each document is edited as often whatever their number, and compacted on the way. */
const documents = 50;
const editsADocument = 40;
/** Conflicts take their time. */
const editsCounted = 10;

interface BackendProcess {
  readonly url: string;
  stats(): Promise<readonly FunctionStats[]>;
  /** That it has used so far; NaN where that cannot be told. */
  cpuMs(): number;
  stop(): Promise<void>;
}

export async function pushes(): Promise<Row[]> {
  const rows: Row[] = [];
  const counted = writeCountedApp();
  try {
    for (const count of clientCounts)
      rows.push(...(await measure(`${count} clients`, ".", count, editsADocument)));
    for (const count of clientCounts)
      rows.push(...(await measure(`${count} clients, one counter row`, counted, count, editsCounted)));
    return rows;
  } finally {
    fs.rmSync(counted, { recursive: true, force: true });
  }
}

async function measure(name: string, app: string, count: number, edits: number): Promise<Row[]> {
  const backend = await startBackendProcess();
  try {
    await deploy(backend.url, { cwd: app });
    const devices = await Promise.all(
      Array.from({ length: count }, (_, n) => openDevice(backend.url, n, count)),
    );
    const each = (documents * edits) / count;
    const floor = await inParallel(devices, backend, (device) => pushNothing(device, each));
    const before = await backend.stats();
    const pushed = await inParallel(devices, backend, (device) => editOften(device, each));
    const conflicts = conflictsSince(before, await backend.stats());
    await Promise.all(devices.map(({ close }) => close()));
    const [rate, floorRate] = [pushed.aSecond, floor.aSecond];
    return [
      { ...timed(name, "pushes a second", rate, "/s", floorRate), ratio: floorRate / rate },
      timed(name, "round trip, p50", median(pushed.times), "ms", median(floor.times)),
      timed(name, "round trip, p95", quantile(pushed.times, 0.95), "ms", quantile(floor.times, 0.95)),
      ...(Number.isNaN(pushed.cpuMs)
        ? []
        : [timed(name, "CPU of the backend per push", pushed.cpuMs, "ms", floor.cpuMs)]),
      ...[...conflicts].map(([functionPath, conflicted]) => ({
        case: name,
        metric: `conflicts of ${functionPath} per 1,000 pushes`,
        value: (conflicted * 1_000) / pushed.times.length,
        unit: "",
      })),
    ];
  } finally {
    await backend.stop();
  }
}

/** By function; that of a push in any case. */
function conflictsSince(
  before: readonly FunctionStats[],
  after: readonly FunctionStats[],
): ReadonlyMap<string, number> {
  const earlier = new Map(before.map((stats) => [stats.path, stats.conflicts]));
  const since = after.map((stats) => [stats.path, stats.conflicts - (earlier.get(stats.path) ?? 0)] as const);
  return new Map(since.filter(([functionPath, count]) => count > 0 || functionPath === "replicate:push"));
}

async function startBackendProcess(): Promise<BackendProcess> {
  const data = fs.mkdtempSync(path.join(os.tmpdir(), "bench-pushes-"));
  const args = ["--import", "tsx", "local/main.ts", "--port", "0", "--site-port", "0", "--data", data];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const url = await new Promise<string>((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`The backend ended with ${code}.`)));
    createInterface({ input: child.stdout }).on("line", (line) => {
      const [, address] = /^Local backend at (\S+),/.exec(line) ?? [];
      if (address !== undefined) resolve(address);
    });
  });
  return {
    url,
    stats: async () => {
      const report = (await (await fetch(`${url}/stats`)).json()) as { functions: FunctionStats[] };
      return report.functions;
    },
    cpuMs: () => cpuMsOf(child),
    stop: async () => {
      await ended(child);
      fs.rmSync(data, { recursive: true, force: true });
    },
  };
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
    child.kill("SIGTERM");
  });
}

/** As Linux counts it, in hundredths of a second. */
function cpuMsOf({ pid }: ChildProcess): number {
  const file = `/proc/${pid}/stat`;
  if (!fs.existsSync(file)) return NaN;
  const fields = fs.readFileSync(file, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

interface Device {
  /** How long each of its mutations took, ms. */
  readonly times: number[];
  pushNothing(): Promise<void>;
  /** Changes one of its documents, and waits until that is pushed. */
  edit(n: number): Promise<void>;
  close(): Promise<void>;
}

async function openDevice(url: string, number: number, count: number): Promise<Device> {
  const own = Math.max(1, documents / count);
  const real = new ConvexClient(url, {
    webSocketConstructor: WebSocket as unknown as typeof globalThis.WebSocket,
    unsavedChangesWarning: false,
  });
  const times: number[] = [];
  const client: ConvexClientLike = {
    client: real.client,
    connectionState: () => real.connectionState(),
    subscribeToConnectionState: (listener) => real.subscribeToConnectionState(listener),
    query: (query, args) => real.query(query, args),
    onUpdate: (query, args, onResult, onError) => real.onUpdate(query, args, onResult, onError),
    mutation: async (mutation, args) => {
      const start = performance.now();
      const result = await real.mutation(mutation, args);
      times.push(performance.now() - start);
      return result;
    },
  };
  const replica = createReplica({
    client,
    api: api.replicate,
    collections: [sites],
    name: `bench ${number}`,
    user: null,
    storage: new MemoryStorage(),
  });
  const collection = replica.collection(sites);
  const scope = `C${number}`;
  await replica.subscribe(sites, { scopes: [scope] }).loaded;
  for (let n = 0; n < own; n++) collection.insert(siteOf(scope, n));
  await replica.flush();
  const nothing = { client: `floor ${number}`, epochs: {}, settledBelow: 0, transactions: [] };
  return {
    times,
    pushNothing: async () => void (await client.mutation(api.replicate.push, nothing)),
    edit: async (n) => {
      collection.update(`${scope}-${n % own}`, (draft) => void (draft.name = `name ${n}`));
      await replica.flush();
    },
    close: async () => {
      await replica.close();
      await real.close();
    },
  };
}

function siteOf(country: string, n: number): Site {
  const id = `${country}-${n}`;
  return { id, name: `Site ${id}`, country, status: "open", population: n, visits: 0, tags: [] };
}

async function pushNothing(device: Device, times: number): Promise<void> {
  for (let n = 0; n < times; n++) await device.pushNothing();
}

async function editOften(device: Device, times: number): Promise<void> {
  for (let n = 0; n < times; n++) await device.edit(n);
}

/** @returns what all devices' mutations took, in ms, how many there were a second, and the backend's CPU time for each */
async function inParallel(
  devices: readonly Device[],
  backend: BackendProcess,
  work: (device: Device) => Promise<void>,
) {
  for (const { times } of devices) times.length = 0;
  const [start, cpuMs] = [performance.now(), backend.cpuMs()];
  await Promise.all(devices.map(work));
  const ms = performance.now() - start;
  const times = devices.flatMap((device) => [...device.times]);
  return {
    times,
    aSecond: (times.length * 1_000) / ms,
    cpuMs: (backend.cpuMs() - cpuMs) / times.length,
  };
}

/** Fieldbook as it would be if each write counted itself in one row. @returns its folder */
function writeCountedApp(): string {
  fs.mkdirSync("bench/out", { recursive: true });
  const folder = fs.mkdtempSync("bench/out/counted-");
  fs.cpSync("example/convex", path.join(folder, "convex"), { recursive: true });
  const edit = (name: string, from: string, to: string) => {
    const file = path.join(folder, "convex", name);
    const text = fs.readFileSync(file, "utf8");
    if (!text.includes(from)) throw new Error(`${name} has no "${from}".`);
    fs.writeFileSync(file, text.replace(from, to));
  };
  edit("schema.ts", "defineSchema({", `defineSchema({ counters: defineTable({ n: v.number() }),`);
  edit(
    "schema.ts",
    `import { defineSchema } from "convex/server";`,
    `import { defineSchema, defineTable } from "convex/server";\nimport { v } from "convex/values";`,
  );
  edit(
    "replicate.ts",
    "read: () => true,",
    `read: () => true,
  onWrite: async (ctx) => {
    const counter = await ctx.db.query("counters").first();
    if (counter === null) await ctx.db.insert("counters", { n: 1 });
    else await ctx.db.patch(counter._id, { n: counter.n + 1 });
  },`,
  );
  const about = { private: true, type: "module", dependencies: { convex: "*", "convex-replicate": "*" } };
  fs.writeFileSync(path.join(folder, "package.json"), JSON.stringify(about));
  fs.mkdirSync(path.join(folder, "node_modules"));
  fs.symlinkSync(path.resolve("."), path.join(folder, "node_modules/convex-replicate"));
  fs.writeFileSync(path.join(folder, "convex.json"), `{ "functions": "convex" }\n`);
  return folder;
}
