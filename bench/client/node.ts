// The client in Node, with its rows in memory: what its own work costs, without a browser's storage.
import vm from "node:vm";
import v8 from "node:v8";
import { MemoryDatabase, MemoryStorage } from "../../src/client/index.js";
import { largestSites } from "../../scripts/demoSites.js";
import { median, quantile, timed, type Row } from "../row.js";
import { applyMs, mapWriteMs, openAndApplyMs, parseMs, rawYjsTraffic } from "./floors.js";
import type { Form } from "./history.js";
import { callsPerReopen, Ours } from "./ours.js";
import type { Place } from "./places.js";
import { trafficRows } from "./trafficRows.js";

const sizes = [1_000, 10_000, 100_000];
const rounds = 5;

v8.setFlagsFromString("--expose-gc");
const collectGarbage = vm.runInNewContext("gc") as () => void;

export async function clientNode(): Promise<Row[]> {
  const places = largestSites(sizes.at(-1)!);
  const some = places.slice(0, 10_000);
  const rows = await memory(some); // first, while there is no garbage of the others
  for (const size of sizes) {
    console.error(`${size} documents`); // it takes minutes
    rows.push(...(await loadAndReopen(places.slice(0, size))));
  }
  rows.push(...(await deltas(some)), ...(await writes(some)));
  return [...rows, ...(await traffic(some))];
}

/** A device in memory that holds these rows. */
async function deviceWith(rows: readonly Place[], form?: Form) {
  const database = new MemoryDatabase();
  const openStorage = () => new MemoryStorage(database);
  const { ms } = await new Ours(openStorage).firstLoadCounted(rows, form);
  return { ms, openStorage };
}

async function loadAndReopen(rows: readonly Place[]): Promise<Row[]> {
  const name = `${rows.length} documents`;
  const times = { deltas: [] as number[], snapshots: [] as number[] };
  const [whole, shown50, first50, parse]: number[][] = [[], [], [], []];
  const most = rows.length > 10_000 ? 1 : rounds;
  for (let round = 0; round < most; round++) {
    for (const form of ["deltas", "snapshots"] as const) {
      if (form === "deltas" && rows.length > 10_000) continue;
      const { ms, openStorage } = await deviceWith(rows, form);
      times[form].push(ms);
      const device = new Ours(openStorage);
      const opened = await device.reopen(rows.length);
      whole!.push(opened.whole);
      shown50!.push(opened.shown50);
      first50!.push(opened.first50);
      parse!.push(parseMs(rows));
      await device.close();
    }
  }
  const floor = median(parse!);
  const load = (form: Form, metric: string) =>
    times[form].length === 0 ? [] : [timed(name, metric, median(times[form]), "ms", floor)];
  return [
    ...load("deltas", "first load, as devices inserted them"),
    ...load("snapshots", "first load, as imported or compacted"),
    timed(name, "reopen, whole", median(whole!), "ms", floor),
    timed(name, "reopen, 50 sorted of those read", median(shown50!), "ms", floor),
    timed(name, "reopen, first 50 sorted", median(first50!), "ms", floor),
  ];
}

/** What an open replica takes: the rows, and what is over them. */
async function memory(rows: readonly Place[]): Promise<Row[]> {
  const name = `${rows.length} documents`;
  const before = heap();
  const copy = JSON.parse(JSON.stringify(rows)) as Place[];
  const plain = heap() - before;
  copy.length = 0;
  const empty = heap();
  const { openStorage } = await deviceWith(rows);
  const stored = heap() - empty;
  const device = new Ours(openStorage);
  await device.reopen(rows.length);
  const open = heap() - empty;
  await device.close();
  return [
    { case: name, metric: "heap: the rows as plain objects", value: plain / 1e6, unit: "MB" },
    { case: name, metric: "heap: the store in memory", value: stored / 1e6, unit: "MB" },
    { case: name, metric: "heap: the store and an open replica", value: open / 1e6, unit: "MB" },
  ];
}

function heap(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

async function deltas(rows: readonly Place[]): Promise<Row[]> {
  const found: Row[] = [];
  for (const documents of [100, 1]) {
    const { openStorage } = await deviceWith(rows);
    const device = new Ours(openStorage);
    const times = await device.deltas(rows, 21, documents);
    await device.close();
    const floors = Array.from({ length: 21 }, () => applyMs(rows, 100, documents));
    const name = `100 deltas of ${documents}, ${rows.length} documents`;
    found.push(timed(name, "until visible; floor: Y.applyUpdate", median(times), "ms", median(floors)));
    if (documents === 100) {
      const opened = Array.from({ length: 21 }, () => openAndApplyMs(rows, 100));
      found.push(timed(name, "floor: open, then Y.applyUpdate", median(times), "ms", median(opened)));
    }
  }
  return found;
}

async function writes(rows: readonly Place[]): Promise<Row[]> {
  const found: Row[] = [];
  for (const how of ["online", "listed"] as const) {
    const { openStorage } = await deviceWith(rows);
    const device = new Ours(openStorage);
    const { visible, durable } = await device.write(rows, 500, how);
    await device.close();
    const floor = mapWriteMs(rows, 500);
    const name = `a write${how === "listed" ? " beside a live query" : ""}, ${rows.length} documents`;
    found.push(
      timed(name, "until visible, p50", median(visible), "ms", median(floor)),
      timed(name, "until visible, p99", quantile(visible, 0.99), "ms", quantile(floor, 0.99)),
      { case: name, metric: "until in memory storage, p50", value: median(durable ?? []), unit: "ms" },
    );
  }
  return found;
}

async function traffic(rows: readonly Place[]): Promise<Row[]> {
  const found: Row[] = [];
  const run = async (name: string, work: (device: Ours) => ReturnType<Ours["catchUp"]>) => {
    const { openStorage } = await deviceWith(rows);
    const device = new Ours(openStorage);
    found.push(...trafficRows(name, await work(device)));
    await device.close();
  };
  await run("1,000 edits of 1 document in one go", (device) => device.rapidEdits(rows, 1_000, 1, 0));
  await run("1,000 edits of 1 document, one a ms", (device) => device.rapidEdits(rows, 1_000, 1, 1));
  await run("1,000 edits of 1,000 documents", (device) => device.rapidEdits(rows, 1_000, 1_000, 0));
  for (const documents of [1, 1_000]) {
    const { messages, bytes } = rawYjsTraffic(1_000, documents);
    const name = `1,000 edits of ${documents}, plain Y.Docs`;
    found.push(
      { case: name, metric: "messages", value: messages, unit: "" },
      { case: name, metric: "bytes of updates", value: bytes, unit: "B" },
    );
  }
  await run("a day offline: 200 own, 2,000 others' × 2", (device) => device.catchUp(rows, 200, 2_000, 2));
  const database = new MemoryDatabase();
  const calls = await callsPerReopen(rows.slice(0, 1_000), () => new MemoryStorage(database));
  found.push({ case: `reopen of ${calls.scopes} scopes`, metric: "calls", value: calls.calls, unit: "" });
  return found;
}
