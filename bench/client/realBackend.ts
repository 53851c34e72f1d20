// A first load and a reopen from the local backend, in a process of its own, over its socket: Fieldbook's functions,
// its component and its sites, all of one country.
import { ConvexClient } from "convex/browser";
import WebSocket from "ws";
import { api } from "../../example/convex/_generated/api.js";
import { sites, type Site } from "../../example/convex/collections.js";
import { deploy } from "../../local/push/deploy.js";
import { demoSites } from "../../scripts/demoSites.js";
import { createReplica, MemoryDatabase, MemoryStorage } from "../../src/client/index.js";
import { timed, type Row } from "../row.js";
import { importAll, inFolder, startBackendProcess } from "../seed.js";
import { parseMs } from "./floors.js";

const sizes = [1_000, 10_000];

export async function clientBackend(): Promise<Row[]> {
  return inFolder(async (folder) => {
    const backend = await startBackendProcess(folder);
    await deploy(backend.url);
    const rows: Row[] = [];
    for (const [index, size] of sizes.entries()) {
      const country = String.fromCharCode(65 + index).repeat(2);
      const seeded = largestOfOneCountry(size).map((site) => ({
        ...site,
        id: `${country}${site.id}`,
        country,
      }));
      await importAll(backend, seeded);
      rows.push(...(await loadFrom(backend.url, country, seeded)));
      console.error(`${size} documents`);
    }
    await backend.close();
    return rows;
  });
}

/** Of the country that has most. */
function largestOfOneCountry(count: number): Site[] {
  const byCountry = new Map<string, Site[]>();
  for (const site of demoSites()) {
    const own = byCountry.get(site.country) ?? [];
    own.push(site);
    byCountry.set(site.country, own);
  }
  const [most = []] = [...byCountry.values()].sort((a, b) => b.length - a.length);
  if (most.length < count) throw new Error(`No country has ${count} sites.`);
  return most.slice(0, count);
}

async function loadFrom(url: string, country: string, rows: readonly Site[]): Promise<Row[]> {
  const database = new MemoryDatabase();
  const times: number[] = [];
  for (let session = 0; session < 2; session++) {
    const client = new ConvexClient(url, {
      webSocketConstructor: WebSocket as unknown as typeof globalThis.WebSocket,
      unsavedChangesWarning: false,
    });
    await client.query(api.replicate.status, { client: "", transactions: [] }); // the socket is open
    const start = performance.now();
    const storage = new MemoryStorage(database);
    const options = { client, api: api.replicate, collections: [sites] as const, name: "bench", user: null };
    const replica = createReplica({ ...options, storage });
    await replica.subscribe(sites, { scopes: [country] }).loaded;
    await new Promise<void>((resolve) => {
      const look = () => {
        if (replica.status.get().scopes.every(({ state }) => state !== "live")) return;
        off();
        resolve();
      };
      const off = replica.status.subscribe(look);
      look();
    });
    times.push(performance.now() - start);
    const { size } = replica.collection(sites);
    if (size !== rows.length) throw new Error(`Of ${rows.length} rows ${size} are there.`);
    await replica.close();
    await client.close();
  }
  const name = `${rows.length} documents, local backend`;
  const floor = parseMs(rows);
  const [first = NaN, again = NaN] = times;
  return [
    timed(name, "first load until live", first, "ms", floor),
    timed(name, "reopened until live", again, "ms", floor),
  ];
}
