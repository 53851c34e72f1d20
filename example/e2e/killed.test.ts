// The backend is killed while real clients push, and comes up again from its data directory.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { ConvexClient } from "convex/browser";
import { createReplica, MemoryStorage } from "convex-replicate/client";
import { afterAll, beforeAll, expect, test } from "vitest";
import WebSocket from "ws";
import { deploy } from "../../local/push/deploy.js";
import { api } from "../convex/_generated/api.js";
import { sites } from "../convex/collections.js";
import { BackendProcess } from "./backendProcess.js";

const clients = 10;
const writesEach = 100;
/** Every so many writes of a client are to the document that all of them share. */
const sharedEvery = 10;
/** After so many acknowledged writes, of all clients together. */
const kills = [60, 230, 480, 700, 930];

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
    webSocketConstructor: WebSocket as unknown as typeof globalThis.WebSocket,
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
      if (kills.includes(acknowledged))
        restarts = restarts.then(() => backend.kill()).then(() => backend.start());
    }
  };
  await Promise.all(devices.map((device, n) => work(device, own[n]!)));
  await restarts;

  const fresh = await connect();
  const expected = Object.fromEntries([
    ...own.map((id) => [id, { visits: writesEach, name: String(writesEach) }]),
    ["shared", { visits: (clients * writesEach) / sharedEvery, name: "0" }],
  ]);
  const shownBy = ({ col }: (typeof devices)[number]) =>
    Object.fromEntries([...col.rows()].map(({ id, visits, name }) => [id, { visits, name }]));
  for (const device of [fresh, ...devices]) await waitFor(() => shownBy(device)).toEqual(expected);
  for (const { replica } of devices) expect(replica.transactions.list()).toEqual([]);
}, 240_000);
