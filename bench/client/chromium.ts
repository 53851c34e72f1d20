// The client in Chromium, on IndexedDB, beside floors of the same browser and peers of the same run. Every figure is
// taken in a page of its own, freshly loaded, the floors in turn with what stands on them. A peer has a browser of its
// own, which ends before the next begins: one that closes ten thousand databases is in nobody's way.
import { median, quantile, timed, type Row } from "../row.js";
import { buildPages, Device, installPeers, peersDir, serve, type Pages } from "./browser.js";
import type { Traffic } from "./ours.js";
import type { Opened, Writes } from "./subject.js";
import { trafficRows } from "./trafficRows.js";

const sizes = [1_000, 10_000, 100_000];
const middle = 10_000;
const rounds = 5;
const coldRounds = 3;
const writes = 200;

const manners = { online: "", listed: " beside a live query", offline: " offline" } as const;

/** By the name in their page, and how they are called here. */
const peers: Readonly<Record<string, string>> = {
  "rxdb-memory": "RxDB, memory",
  "rxdb-dexie": "RxDB, Dexie",
  tanstack: "TanStack DB, SQLite",
  "y-indexeddb": "a Y.Doc each, y-indexeddb",
};

/** Loading and reopening alone, without peers. */
export async function clientReopen(): Promise<Row[]> {
  await buildPages({ ours: "bench/client/page" });
  const pages = await serve(sizes.at(-1)!);
  try {
    return await inBrowser(async (device) => {
      const bench = new Ours(device, pages);
      for (const size of sizes) await bench.loadAndReopen(size);
      return bench.rows;
    });
  } finally {
    pages.close();
  }
}

export async function client(): Promise<Row[]> {
  installPeers();
  await buildPages({ ours: "bench/client/page", peers: peersDir });
  const pages = await serve(sizes.at(-1)!);
  const rows: Row[] = [];
  try {
    const floors = await inBrowser(async (device) => {
      const bench = new Ours(device, pages);
      for (const size of sizes) await bench.loadAndReopen(size);
      await bench.reopenCold(middle);
      await bench.memory(middle);
      await bench.deltas(middle);
      await bench.write(middle);
      await bench.traffic(middle);
      rows.push(...bench.rows);
      return bench.floors;
    });
    for (const subject of Object.keys(peers)) {
      console.error(peers[subject]);
      rows.push(...(await inBrowser((device) => measurePeer(device, pages, subject, floors))));
    }
    return rows;
  } finally {
    pages.close();
  }
}

async function inBrowser<Result>(work: (device: Device) => Promise<Result>): Promise<Result> {
  const device = new Device();
  try {
    await device.open();
    return await work(device);
  } finally {
    await device.remove();
  }
}

/** Those of `middle` documents, which peers are compared with too. */
interface Floors {
  load: number;
  reopen: number;
  reopenCold: number;
  heap: number;
  apply: number;
  map: readonly number[];
  put: readonly number[];
}

class Ours {
  readonly rows: Row[] = [];
  readonly floors: Floors = {
    load: NaN,
    reopen: NaN,
    reopenCold: NaN,
    heap: NaN,
    apply: NaN,
    map: [],
    put: [],
  };
  readonly #device: Device;
  readonly #pages: Pages;

  constructor(device: Device, pages: Pages) {
    this.#device = device;
    this.#pages = pages;
  }

  /** A function of the page, on the device that holds so many rows. */
  #run<Result>(subject: "ours" | "floor", device: number | string, name: string, ...args: unknown[]) {
    return this.#device.run<Result>(this.#pages.urlOf("ours", subject, `n${device}`), name, ...args);
  }

  async loadAndReopen(size: number): Promise<void> {
    console.error(`${size} documents`); // it takes minutes
    const name = `${size} documents`;
    const times = size > middle ? 1 : coldRounds;
    const loads = { deltas: [] as number[], snapshots: [] as number[] };
    const floors: number[] = [];
    for (let round = 0; round < times; round++) {
      const parse = await this.#run<number>("floor", size, "floorParse", size);
      const store = await this.#run<number>(
        "floor",
        round === 0 ? size : `${size}-${round}`,
        "floorStore",
        size,
      );
      floors.push(parse + store);
      for (const form of ["deltas", "snapshots"] as const) {
        if (form === "deltas" && size > middle) continue;
        const device = form === "snapshots" && round === 0 ? size : `${size}-${form}-${round}`;
        loads[form].push((await this.#run<Traffic>("ours", device, "firstLoad", size, form)).ms);
      }
    }
    const floor = median(floors);
    if (size === middle) this.floors.load = floor;
    if (loads.deltas.length > 0)
      this.#add(timed(name, "first load, as devices inserted them", median(loads.deltas), "ms", floor));
    this.#add(timed(name, "first load, as imported or compacted", median(loads.snapshots), "ms", floor));
    const reopens = size > middle ? coldRounds : rounds;
    const reopen = await this.#reopen(size, name, reopens, async () => {});
    if (size === middle) this.floors.reopen = reopen;
    await this.#reopenAsShown(size, name, reopens, reopen);
  }

  /** What is asked for first was on the screen before, and the database has been left alone since. */
  async #reopenAsShown(size: number, name: string, times: number, floor: number): Promise<void> {
    await this.#run("ours", size, "show", size);
    const opened: Opened[] = [];
    for (let round = 0; round < times; round++) opened.push(await this.#run("ours", size, "reopen", size));
    const first50 = median(opened.map(({ first50 }) => first50));
    this.#add(
      timed(name, "reopen, first 50 sorted, as last shown", first50, "ms", floor),
      timed(name, "reopen, whole, as last shown", median(opened.map(({ whole }) => whole)), "ms", floor),
    );
  }

  async reopenCold(size: number): Promise<void> {
    const restart = () => this.#device.restart();
    const name = `${size} documents, the browser started anew`;
    this.floors.reopenCold = await this.#reopen(size, name, rounds, restart);
  }

  async #reopen(size: number, name: string, times: number, before: () => Promise<void>): Promise<number> {
    const floors: number[] = [];
    const opened: Opened[] = [];
    for (let round = 0; round < times; round++) {
      await before();
      floors.push(await this.#run("floor", size, "floorReopen", size));
      await before();
      opened.push(await this.#run("ours", size, "reopen", size));
    }
    this.#add(...reopenRows(name, opened, median(floors)));
    return median(floors);
  }

  async memory(size: number): Promise<void> {
    const name = `${size} documents`;
    const url = (subject: string) => this.#pages.urlOf("ours", subject, `n${size}`);
    const plain = await heapMb(this.#device, url("floor"), "holdRows", size);
    const own = await heapMb(this.#device, url("ours"), "hold", size);
    this.floors.heap = plain;
    this.#add(
      { case: name, metric: "heap: the rows as plain objects", value: plain, unit: "MB" },
      timed(name, "heap: open", own, "MB", plain),
      { case: name, metric: "heap: over the rows", value: own - plain, unit: "MB" },
    );
  }

  async deltas(size: number): Promise<void> {
    for (const documents of [100, 1]) {
      const name = `100 deltas of ${documents}, ${size} documents`;
      const times = await this.#run<number[]>("ours", size, "deltas", size, 11, documents);
      const [floors, opens]: [number[], number[]] = [[], []];
      for (let round = 0; round < rounds; round++) {
        floors.push(await this.#run("floor", size, "floorApply", size, 100, documents));
        opens.push(await this.#run("floor", size, "floorOpenAndApply", size, documents));
      }
      this.#add(timed(name, "until visible; floor: Y.applyUpdate", median(times), "ms", median(floors)));
      if (documents === 1) continue;
      this.floors.apply = median(floors);
      this.#add(timed(name, "the same; floor: open, then Y.applyUpdate", median(times), "ms", median(opens)));
    }
  }

  async write(size: number): Promise<void> {
    this.floors.map = await this.#run<number[]>("floor", size, "floorWrite", size, writes);
    this.floors.put = await this.#run<number[]>("floor", size, "floorPut", writes);
    for (const how of ["online", "listed", "offline"] as const) {
      const found = await this.#run<Writes>("ours", size, "write", size, writes, how);
      this.#add(...writeRows(`a write${manners[how]}, ${size} documents`, found, this.floors));
    }
  }

  async traffic(size: number): Promise<void> {
    const edits = [
      ["1,000 edits of 1 document in one go", 1, 0],
      ["1,000 edits of 1 document, one a ms", 1, 1],
      ["1,000 edits of 1,000 documents", 1_000, 0],
    ] as const;
    for (const [name, documents, everyMs] of edits) {
      const found = await this.#run<Traffic>("ours", size, "rapidEdits", size, 1_000, documents, everyMs);
      this.#add(...trafficRows(name, found));
    }
    await this.#run("ours", "away", "firstLoad", size);
    const away = await this.#run<Traffic>("ours", "away", "catchUp", size, 200, 2_000, 2);
    this.#add(...trafficRows("a day offline: 200 own, 2,000 others' × 2", away));
    const { scopes, calls } = await this.#run<{ scopes: number; calls: number }>(
      "ours",
      "scopes",
      "callsPerReopen",
      1_000,
    );
    this.#add({ case: `reopen of ${scopes} scopes`, metric: "calls", value: calls, unit: "" });
  }

  #add(...rows: readonly Row[]): void {
    this.rows.push(...rows);
  }
}

/** A peer that does not run here is reported with its reason. */
async function measurePeer(device: Device, pages: Pages, subject: string, floors: Floors): Promise<Row[]> {
  const name = `${middle} documents · ${peers[subject]}`;
  const url = pages.urlOf("peers", subject, `n${middle}`);
  const run = <Result>(work: string, ...args: unknown[]) => device.run<Result>(url, work, middle, ...args);
  const found: Row[] = [];
  try {
    found.push(timed(name, "first load", await run("firstLoad"), "ms", floors.load));
    if (subject === "rxdb-memory") return found; // the rest has gone with its page
    const warm: Opened[] = [];
    for (let round = 0; round < coldRounds; round++) warm.push(await run("reopen"));
    found.push(...reopenRows(name, warm, floors.reopen));
    const cold: Opened[] = [];
    for (let round = 0; round < coldRounds; round++) {
      await device.restart();
      cold.push(await run("reopen"));
    }
    found.push(...reopenRows(`${name}, the browser started anew`, cold, floors.reopenCold));
    found.push(timed(name, "heap: open", await heapMb(device, url, "reopen", middle), "MB", floors.heap));
    const times = await run<number[]>("deltas", 11);
    found.push(timed(`100 deltas of 100, ${name}`, "until visible", median(times), "ms", floors.apply));
    found.push(...writeRows(`a write, ${name}`, await run<Writes>("write", writes), floors));
  } catch (error) {
    console.error(error);
    const [reason] = String(error).split("\n");
    found.push({ case: name, metric: `does not run further: ${reason}`, value: NaN, unit: "" });
  }
  return found;
}

function reopenRows(name: string, opened: readonly Opened[], floor: number): Row[] {
  const shown = opened.flatMap(({ shown50 }) => shown50 ?? []);
  return [
    timed(name, "reopen, whole", median(opened.map(({ whole }) => whole)), "ms", floor),
    ...(shown.length === 0
      ? []
      : [timed(name, "reopen, 50 sorted of those read", median(shown), "ms", floor)]),
    timed(name, "reopen, first 50 sorted", median(opened.map(({ first50 }) => first50)), "ms", floor),
  ];
}

function writeRows(name: string, { visible, durable }: Writes, { map, put }: Floors): Row[] {
  const rows = [
    timed(name, "until visible, p50; floor: Map.set", median(visible), "ms", median(map)),
    timed(name, "until visible, p99", quantile(visible, 0.99), "ms", quantile(map, 0.99)),
  ];
  if (durable === null) return rows;
  return [
    ...rows,
    timed(name, "until durable, p50; floor: a strict put", median(durable), "ms", median(put)),
    timed(name, "until durable, p99", quantile(durable, 0.99), "ms", quantile(put, 0.99)),
  ];
}

/** What a page holds after this work, over what it holds without. */
async function heapMb(device: Device, url: string, work: string, ...args: unknown[]): Promise<number> {
  await device.run(url, "isHeld");
  const blank = await device.heap();
  await device.run(url, work, ...args);
  return ((await device.heap()) - blank) / 1e6;
}
