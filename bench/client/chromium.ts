// The client in Chromium, on IndexedDB, beside floors of the same page and peers of the same run. Every figure is taken
// in a page of its own, freshly loaded, in turn with those it stands beside.
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

/** By the name in their page, and how they are called here. */
const peers: Readonly<Record<string, string>> = {
  "rxdb-memory": "RxDB, memory",
  "rxdb-dexie": "RxDB, Dexie",
  tanstack: "TanStack DB, SQLite",
  "y-indexeddb": "a Y.Doc each, y-indexeddb",
};

export async function client(): Promise<Row[]> {
  installPeers();
  await buildPages({ ours: "bench/client/page", peers: peersDir });
  const pages = await serve(sizes.at(-1)!);
  const device = new Device();
  await device.open();
  try {
    const bench = new Bench(device, pages);
    for (const size of sizes) await bench.loadAndReopen(size, size === middle ? Object.keys(peers) : []);
    await bench.reopenCold(middle);
    await bench.memory(middle);
    await bench.deltas(middle);
    await bench.write(middle);
    await bench.traffic(middle);
    return bench.rows;
  } finally {
    await device.remove();
    pages.close();
  }
}

class Bench {
  readonly rows: Row[] = [];
  readonly #device: Device;
  readonly #pages: Pages;
  /** Peers that hold the rows: those whose first load came to its end. */
  #present: string[] = [];

  constructor(device: Device, pages: Pages) {
    this.#device = device;
    this.#pages = pages;
  }

  /** A function of the page, on the device that holds so many rows. */
  #run<Result>(subject: string, size: number | string, name: string, ...args: unknown[]): Promise<Result> {
    const page = subject in peers ? "peers" : "ours";
    return this.#device.run(this.#pages.urlOf(page, subject, `n${size}`), name, ...args);
  }

  /** A peer that does not run here is reported, and not asked again. */
  async #ofPeer<Result>(subject: string, work: () => Promise<Result>): Promise<Result | null> {
    try {
      return await work();
    } catch (error) {
      const [reason] = String(error).split("\n");
      console.error(`${subject}: ${String(error)}`);
      this.rows.push({ case: peers[subject]!, metric: `does not run: ${reason}`, value: NaN, unit: "" });
      this.#present = this.#present.filter((each) => each !== subject);
      return null;
    }
  }

  async loadAndReopen(size: number, beside: readonly string[]): Promise<void> {
    console.error(`${size} documents`); // it takes minutes
    const name = `${size} documents`;
    await this.#run("floor", size, "floorStore", size);
    const loads = { deltas: [] as number[], snapshots: [] as number[] };
    const parse: number[] = [];
    for (let round = 0; round < (size > middle ? 1 : coldRounds); round++) {
      parse.push(await this.#run("floor", size, "floorParse", size));
      for (const form of ["deltas", "snapshots"] as const) {
        const at = form === "snapshots" && round === 0 ? size : `${size}-${form}-${round}`;
        if (form === "deltas" && size > middle) continue;
        loads[form].push((await this.#run<Traffic>("ours", at, "firstLoad", size, form)).ms);
      }
    }
    const floor = median(parse);
    if (loads.deltas.length > 0)
      this.#add(timed(name, "first load, as devices inserted them", median(loads.deltas), "ms", floor));
    this.#add(timed(name, "first load, as imported or compacted", median(loads.snapshots), "ms", floor));
    this.#present = [...beside];
    for (const subject of beside) {
      console.error(`  ${subject}`);
      const ms = await this.#ofPeer(subject, () => this.#run<number>(subject, size, "firstLoad", size));
      if (ms !== null) this.#add(timed(`${name} · ${peers[subject]}`, "first load", ms, "ms", floor));
    }
    // What is only in memory has gone with its page.
    this.#present = this.#present.filter((subject) => subject !== "rxdb-memory");
    await this.#reopen(size, name, size > middle ? coldRounds : rounds, async () => {});
  }

  async reopenCold(size: number): Promise<void> {
    this.#present = this.#present.filter((subject) => subject !== "rxdb-memory");
    await this.#reopen(size, `${size} documents, the browser started anew`, coldRounds, () =>
      this.#device.restart(),
    );
  }

  async #reopen(size: number, name: string, times: number, before: () => Promise<void>): Promise<void> {
    const floors: number[] = [];
    const opened = new Map<string, Opened[]>([["ours", []]]);
    for (let round = 0; round < times; round++) {
      await before();
      floors.push(await this.#run("floor", size, "floorReopen", size));
      await before();
      opened.get("ours")!.push(await this.#run("ours", size, "reopen", size));
      for (const subject of [...this.#present]) {
        await before();
        const found = await this.#ofPeer(subject, () => this.#run<Opened>(subject, size, "reopen", size));
        if (found !== null) opened.set(subject, [...(opened.get(subject) ?? []), found]);
      }
    }
    for (const [subject, all] of opened) {
      const floor = median(floors);
      const who = subject === "ours" ? name : `${name} · ${peers[subject]}`;
      this.#add(timed(who, "reopen, whole", median(all.map(({ whole }) => whole)), "ms", floor));
      const first = median(all.map(({ first50 }) => first50));
      this.#add(timed(who, "reopen, first 50 sorted", first, "ms", floor));
    }
  }

  /** Heap of a page that holds all rows, over what the same page takes with none. */
  async memory(size: number): Promise<void> {
    const name = `${size} documents`;
    const weigh = async (subject: string, at: number | string, work: string, ...args: unknown[]) => {
      await this.#run(subject, at, "isHeld");
      const blank = await this.#device.heap();
      await this.#run(subject, at, work, ...args);
      return ((await this.#device.heap()) - blank) / 1e6;
    };
    const plain = await weigh("floor", size, "holdRows", size);
    this.#add({ case: name, metric: "heap: the rows as plain objects", value: plain, unit: "MB" });
    const own = await weigh("ours", size, "reopen", size);
    this.#add(timed(name, "heap: open", own, "MB", plain));
    this.#add({ case: name, metric: "heap: over the rows", value: own - plain, unit: "MB" });
    for (const subject of [...this.#present]) {
      const heap = await this.#ofPeer(subject, () => weigh(subject, size, "reopen", size));
      if (heap !== null) this.#add(timed(`${name} · ${peers[subject]}`, "heap: open", heap, "MB", plain));
    }
  }

  async deltas(size: number): Promise<void> {
    for (const documents of [100, 1]) {
      const name = `100 deltas of ${documents}, ${size} documents`;
      const times = await this.#run<number[]>("ours", size, "deltas", size, 11, documents);
      const floors: number[] = [];
      for (let round = 0; round < rounds; round++)
        floors.push(await this.#run("floor", size, "floorApply", size, 100, documents));
      this.#add(timed(name, "until visible; floor: Y.applyUpdate", median(times), "ms", median(floors)));
    }
    const opens: number[] = [];
    for (let round = 0; round < rounds; round++)
      opens.push(await this.#run("floor", size, "floorOpenAndApply", size, 100));
    const floor = median(opens);
    const name = `100 deltas of 100, ${size} documents`;
    this.#add({ case: name, metric: "floor: open, then Y.applyUpdate", value: floor, unit: "ms" });
    for (const subject of [...this.#present]) {
      const times = await this.#ofPeer(subject, () => this.#run<number[]>(subject, size, "deltas", size, 11));
      if (times !== null)
        this.#add({
          case: `${name} · ${peers[subject]}`,
          metric: "until visible",
          value: median(times),
          unit: "ms",
        });
    }
  }

  async write(size: number): Promise<void> {
    const map = await this.#run<number[]>("floor", size, "floorWrite", size, writes);
    const put = await this.#run<number[]>("floor", size, "floorPut", writes);
    for (const isListed of [false, true]) {
      const found = await this.#run<Writes>("ours", size, "write", size, writes, isListed);
      this.#addWrites(`a write, ${size} documents${isListed ? ", a live query open" : ""}`, found, map, put);
    }
    for (const subject of [...this.#present]) {
      const found = await this.#ofPeer(subject, () =>
        this.#run<Writes>(subject, size, "write", size, writes),
      );
      if (found !== null) this.#addWrites(`a write, ${size} documents · ${peers[subject]}`, found, map, put);
    }
  }

  #addWrites(name: string, found: Writes, map: readonly number[], put: readonly number[]): void {
    // Chromium's clock counts tenths of a millisecond: what is below is only known as a mean.
    const mean = (values: readonly number[]) => values.reduce((sum, each) => sum + each, 0) / values.length;
    this.#add(
      { case: name, metric: "until visible, p50", value: median(found.visible), unit: "ms" },
      { case: name, metric: "until visible, p99", value: quantile(found.visible, 0.99), unit: "ms" },
      timed(name, "until visible, mean; floor: Map.set", mean(found.visible), "ms", mean(map)),
    );
    if (found.durable === null) return;
    this.#add(
      timed(name, "until durable, p50; floor: a strict put", median(found.durable), "ms", median(put)),
      timed(name, "until durable, p99", quantile(found.durable, 0.99), "ms", quantile(put, 0.99)),
    );
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
