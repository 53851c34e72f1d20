// What a write costs on the device, and a push on the server. Counts are exact and the same on every machine; times
// are medians beside a floor: for a push an empty push over the same socket, for a write on the device the same
// change of a plain object in a Map, and for its storing a bare IndexedDB put of the same record in the same page.
import { ConvexClient } from "convex/browser";
import { getConvexSize, type Value } from "convex/values";
import WebSocket from "ws";
import { api } from "../example/convex/_generated/api.js";
import { sites, type Site } from "../example/convex/collections.js";
import { chromiumPath } from "../example/e2e/chromium.js";
import { Device } from "../example/e2e/device.js";
import { deploy } from "../local/push/deploy.js";
import { startBackend, type Backend } from "../local/server/backend.js";
import { createReplica, MemoryStorage, type ConvexClientLike } from "../src/client/index.js";
import { median, timed, type Row } from "./row.js";

const documentCounts = [1, 20, 100];
const rounds = 5;

export async function push(): Promise<Row[]> {
  const backend = await startBackend({ site: "example/dist" });
  try {
    await deploy(backend.url);
    await backend.run("mutation", "seed:insert", { rows: seedRows(100) });
    return [...(await measurePushes(backend)), ...(await measureDevice(backend.url))];
  } finally {
    await backend.close();
  }
}

function seedRows(count: number): Site[] {
  return Array.from({ length: count }, (_, n) => ({
    id: `DE-${String(n).padStart(3, "0")}`,
    name: `Site ${n}`,
    country: "DE",
    status: "open" as const,
    population: n,
    visits: 0,
    tags: [],
  }));
}

/** A client that notes what it sends. */
function connect(url: string) {
  const real = new ConvexClient(url, {
    webSocketConstructor: WebSocket as unknown as typeof globalThis.WebSocket,
    unsavedChangesWarning: false,
  });
  const sent: { bytes: number; updates: number[] }[] = [];
  const client: ConvexClientLike = {
    client: real.client,
    connectionState: () => real.connectionState(),
    subscribeToConnectionState: (listener) => real.subscribeToConnectionState(listener),
    query: (query, args) => real.query(query, args),
    onUpdate: (query, args, onResult, onError) => real.onUpdate(query, args, onResult, onError),
    mutation: (mutation, args) => {
      const { transactions } = args as { transactions: { operations: { bytes: ArrayBuffer }[] }[] };
      const updates = transactions.flatMap(({ operations }) =>
        operations.map(({ bytes }) => bytes.byteLength),
      );
      sent.push({ bytes: getConvexSize(args as Value), updates });
      return real.mutation(mutation, args);
    },
  };
  return { real, client, sent };
}

async function measurePushes(backend: Backend): Promise<Row[]> {
  const { real, client, sent } = connect(backend.url);
  const storage = new MemoryStorage();
  const replica = createReplica({
    client,
    api: api.replicate,
    collections: [sites],
    name: "bench",
    user: null,
    storage,
  });
  const collection = replica.collection(sites);
  await replica.subscribe(sites, { scopes: ["DE"] }).loaded;
  const floor = await roundTripMs(real);
  const rows: Row[] = [];
  for (const count of documentCounts) {
    const times: number[] = [];
    let before = 0;
    for (let round = 0; round < rounds; round++) {
      await replica.flush();
      before = backend.calls.length;
      for (const { id } of seedRows(count))
        collection.update(id, (draft) => void (draft.name = `${count} ${round}`));
      await replica.flush();
      times.push(backend.calls.slice(before).find((call) => call.path === "replicate:push")?.ms ?? NaN);
    }
    const calls = backend.calls.slice(before);
    const pushes = calls.filter((call) => call.path === "replicate:push");
    const [last] = pushes.slice(-1);
    const message = sent.at(-1);
    const name = `${count} documents`;
    rows.push(
      { case: name, metric: "push calls", value: pushes.length, unit: "" },
      { case: name, metric: "pull calls", value: calls.length - pushes.length, unit: "" },
      { case: name, metric: "rows read by the push", value: last?.reads.rows ?? NaN, unit: "" },
      { case: name, metric: "bytes read by the push", value: last?.reads.bytes ?? NaN, unit: "B" },
      { case: name, metric: "rows written by the push", value: last?.writes.rows ?? NaN, unit: "" },
      { case: name, metric: "bytes written by the push", value: last?.writes.bytes ?? NaN, unit: "B" },
      { case: name, metric: "bytes sent", value: message?.bytes ?? NaN, unit: "B" },
      { case: name, metric: "delta bytes per edit", value: median(message?.updates ?? []), unit: "B" },
      timed(name, "push on the server", median(times), "ms", floor),
    );
  }
  rows.push(writeInMemory(collection));
  await replica.close();
  await real.close();
  return rows;
}

/** An empty push: what a mutation over this socket costs that has nothing to do. */
async function roundTripMs(client: ConvexClient): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < 20; n++) {
    const start = performance.now();
    await client.mutation(api.replicate.push, {
      client: "floor",
      epochs: {},
      settledBelow: 0,
      transactions: [],
    });
    times.push(performance.now() - start);
  }
  return median(times);
}

function writeInMemory(collection: {
  get(id: string): Readonly<Site> | undefined;
  update(id: string, change: (draft: { name: string }) => void): unknown;
}): Row {
  const plain = new Map(seedRows(100).map((row) => [row.id, row]));
  const [writes, floors]: number[][] = [[], []];
  for (let n = 0; n < 2_000; n++) {
    const id = `DE-${String(n % 100).padStart(3, "0")}`;
    let start = performance.now();
    collection.update(id, (draft) => void (draft.name = `name ${n}`));
    writes?.push((performance.now() - start) * 1000);
    start = performance.now();
    plain.set(id, { ...plain.get(id)!, name: `name ${n}` });
    floors?.push((performance.now() - start) * 1000);
  }
  return timed("a write, Node", "until visible", median(writes ?? []), "µs", median(floors ?? []));
}

async function measureDevice(url: string): Promise<Row[]> {
  if (chromiumPath === null) {
    console.error("No Chromium: what a write costs in a browser was not measured.");
    return [];
  }
  const device = new Device(url);
  try {
    await device.open();
    const { visible, durable, put } = await device.page.evaluate(measureInPage);
    return [
      timed("a write, Chromium", "until durable", median(durable), "ms", median(put)),
      { case: "a write, Chromium", metric: "until visible", value: median(visible), unit: "ms" },
    ];
  } finally {
    await device.profile.remove();
  }
}

/** Runs in the page. */
async function measureInPage() {
  const { sites } = window.fieldbook!;
  const database = await new Promise<IDBDatabase>((resolve, reject) => {
    const opening = indexedDB.open("floor", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore("records", { autoIncrement: true });
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(opening.error as Error);
  });
  const [visible, durable, put]: number[][] = [[], [], []];
  for (let n = 0; n < 100; n++) {
    let start = performance.now();
    const write = sites.update("DE-001", (draft) => void (draft.name = `name ${n}`));
    visible?.push(performance.now() - start);
    await write.durable;
    durable?.push(performance.now() - start);
    start = performance.now();
    await new Promise((resolve) => {
      const transaction = database.transaction("records", "readwrite", { durability: "strict" });
      transaction.objectStore("records").add({ id: write.id, changes: write.changes });
      transaction.oncomplete = resolve;
    });
    put?.push(performance.now() - start);
  }
  return { visible: visible ?? [], durable: durable ?? [], put: put ?? [] };
}
