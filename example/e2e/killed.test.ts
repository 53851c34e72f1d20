// The backend is killed while real clients push, and comes up again from its data directory.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { ConvexClient } from "convex/browser";
import { createReplica, MemoryStorage } from "convex-replicate/client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { BackendProcess } from "../../local/backendProcess.js";
import { seededRandom } from "../../local/engine/random.js";
import { deploy } from "../../local/push/deploy.js";
import { startBackend } from "../../local/server/backend.js";
import { api } from "../convex/_generated/api.js";
import { sites, type Site } from "../convex/collections.js";

const clients = 10;
const writesEach = 100;
/** Every so many writes of a client are to the document that all of them share, too: writers of one row conflict. */
const sharedEvery = 4;
const seed = 20261121;
/** After so many acknowledged writes, of all clients together. The last is within what comes right after a start. */
const kills = killsOf(seed);

let folder: string;
let backend: BackendProcess;
const closing: (() => Promise<void>)[] = [];

beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "killed-"));
  backend = new BackendProcess(folder);
  await backend.start();
  await deploy(backend.url);
}, 60_000);

afterAll(async () => {
  for (const close of closing) await close();
  await backend.kill();
  fs.rmSync(folder, { recursive: true, force: true });
});

async function connect() {
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
  return { replica, col: replica.collection(sites) };
}

const row = (id: string) => ({ id, name: "0", country: "DE", population: 1 });
const waitFor = <T>(read: () => T) => expect.poll(read, { timeout: 60_000, interval: 20 });

test("I-3: a backend that is killed again and again during 1,000 pushes of 10 clients loses nothing that it acknowledged, and does nothing twice", async () => {
  const devices = await Promise.all(Array.from({ length: clients }, connect));
  const own = devices.map((_, n) => `own ${n}`);
  await devices[0]!.col.insert(row("shared")).confirmed;
  await Promise.all(devices.map(({ col }, n) => col.insert(row(own[n]!)).confirmed));
  await waitFor(() => devices.every(({ col }) => col.has("shared"))).toBe(true);

  let acknowledged = 0;
  let restarts = Promise.resolve();
  const work = async ({ col, replica }: (typeof devices)[number], id: string) => {
    for (let write = 1; write <= writesEach; write++) {
      const transaction = replica.transact(() => {
        col.update(id, (draft) => {
          draft.visits.increment();
          draft.name = String(write);
        });
        if (write % sharedEvery === 0) col.update("shared", (draft) => draft.visits.increment());
      });
      await transaction.confirmed;
      acknowledged += 1;
      if (kills.includes(acknowledged)) restarts = restarts.then(() => backend.restart());
    }
  };
  await Promise.all(devices.map((device, n) => work(device, own[n]!)));
  await restarts;

  const fresh = await connect();
  const expected = Object.fromEntries([
    ...own.map((id) => [id, { visits: writesEach, name: String(writesEach) }]),
    ["shared", { visits: (clients * writesEach) / sharedEvery, name: "0" }],
  ]);
  for (const { col } of [fresh, ...devices]) await waitFor(() => shown([...col.rows()])).toEqual(expected);
  for (const { replica } of devices) expect(replica.transactions.list()).toEqual([]);
  expect(shown(await rowsOnDisk())).toEqual(expected);
}, 120_000);

const shown = (rows: readonly Site[]) =>
  Object.fromEntries(rows.map(({ id, visits, name }) => [id, { visits, name }]));

/** The app's own table, as it is found when nobody is left who might send something again. */
async function rowsOnDisk(): Promise<Site[]> {
  await backend.kill();
  const found = await startBackend({ data: folder });
  try {
    return (await found.run("query", "inspect:rows", { country: "DE" })) as Site[];
  } finally {
    await found.close();
  }
}

/** One somewhere in each fifth of the run, and one more when clients have just come back. */
function killsOf(from: number): number[] {
  const random = seededRandom(from);
  const span = (clients * writesEach) / 5;
  const spread = [0, 1, 2, 3, 4].map((n) => n * span + 1 + random.below(span - 2 * clients));
  return [...spread, spread.at(-1)! + 1 + random.below(clients)];
}
