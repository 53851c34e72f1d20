// The backend is killed again and again while sites are imported, beside a device that shows them as they arrive.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { ConvexClient } from "convex/browser";
import type { ImportJob } from "convex-replicate";
import { createReplica, MemoryStorage } from "convex-replicate/client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { BackendProcess } from "../../local/backendProcess.js";
import { deploy } from "../../local/push/deploy.js";
import { startBackend } from "../../local/server/backend.js";
import { largestSites } from "../../scripts/demoSites.js";
import { api } from "../convex/_generated/api.js";
import { sites } from "../convex/collections.js";

/** In one country each half. */
const rows = largestSites(3000).map((site, n) => ({ ...site, country: n % 2 ? "DE" : "FR" }));
/** After so many have arrived on the device. */
const kills = [1, 600, 1200];

let folder: string;
let backend: BackendProcess;
const closing: (() => Promise<void>)[] = [];

beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "killed-import-"));
});

afterAll(async () => {
  for (const close of closing) await close();
  await backend.kill();
  fs.rmSync(folder, { recursive: true, force: true });
});

/** The app's internal functions are called while no other process has the folder open. */
async function stage(): Promise<string> {
  const first = await startBackend({ data: folder });
  try {
    await deploy(first.url);
    return (await first.run("mutation", "seed:importSites", { rows, more: false })) as string;
  } finally {
    await first.close();
  }
}

test("an import goes on after each kill: every site arrives once, whole, on a device that watches, too", async () => {
  const job = await stage();
  backend = new BackendProcess(folder);
  await backend.start();
  const client = new ConvexClient(backend.url, {
    webSocketConstructor: backend.webSocketConstructor,
    unsavedChangesWarning: false,
    logger: false,
  });
  const options = { api: api.replicate, collections: [sites], name: "k", user: null };
  const replica = createReplica({ client, ...options, storage: new MemoryStorage() });
  closing.push(async () => {
    await replica.close();
    await client.close();
  });
  await replica.subscribe(sites, { scopes: ["DE"] }).loaded;
  const col = replica.collection(sites);
  for (const count of kills) {
    await expect.poll(() => col.size, { timeout: 60_000, interval: 5 }).toBeGreaterThanOrEqual(count);
    await backend.restart();
  }
  await expect.poll(() => col.size, { timeout: 60_000, interval: 20 }).toBe(rows.length / 2);
  const expected = rows.filter(({ country }) => country === "DE").sort((a, b) => (a.id < b.id ? -1 : 1));
  expect([...col.rows()].sort((a, b) => (a.id < b.id ? -1 : 1))).toEqual(expected);
  await backend.kill();
  const found = await startBackend({ data: folder });
  try {
    const jobNow = async () => (await found.run("query", "seed:imported", { job })) as ImportJob;
    await expect
      .poll(jobNow, { timeout: 60_000, interval: 100 })
      .toMatchObject({ state: "done", done: rows.length, failed: 0 });
  } finally {
    await found.close();
  }
}, 180_000);
