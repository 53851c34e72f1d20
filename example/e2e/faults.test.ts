// The real client over real sockets, against a backend that fails in every way it can be told to.
import { ConvexClient } from "convex/browser";
import { createReplica, MemoryStorage, type Replica } from "convex-replicate/client";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import WebSocket from "ws";
import { deploy } from "../../local/push/deploy.js";
import { startBackend, type Backend } from "../../local/server/backend.js";
import { api } from "../convex/_generated/api.js";
import { sites, type Site } from "../convex/collections.js";

const push = "replicate:push";
let backend: Backend;
const open: { replica: Replica; client: ConvexClient }[] = [];

beforeAll(async () => {
  backend = await startBackend();
  await deploy(backend.url);
  const row = { name: "n", country: "DE", status: "open", population: 1, visits: 0, tags: [] };
  const rows = ["a", "b", "c"].map((id) => ({ ...row, id }));
  await backend.run("mutation", "seed:insert", { rows });
}, 60_000);

afterAll(() => backend.close());

afterEach(async () => {
  backend.faults.clear();
  for (const { replica, client } of open.splice(0)) {
    await replica.close();
    await client.close();
  }
});

async function connect() {
  const client = new ConvexClient(backend.url, {
    webSocketConstructor: WebSocket as unknown as typeof globalThis.WebSocket,
    unsavedChangesWarning: false,
    logger: false,
  });
  const storage = new MemoryStorage();
  const replica = createReplica({
    client,
    api: api.replicate,
    collections: [sites],
    name: "f",
    user: null,
    storage,
  });
  open.push({ replica, client });
  await replica.subscribe(sites, { scopes: ["DE"] }).loaded;
  const col = replica.collection(sites);
  const visit = (id: string) => col.update(id, (draft) => draft.visits.increment());
  return { replica, col, visit };
}

const waitFor = <T>(read: () => T | Promise<T>) => expect.poll(read, { timeout: 20_000, interval: 10 });
const serverVisits = async (id: string) =>
  ((await backend.run("query", "inspect:rows", { country: "DE" })) as Site[]).find((row) => row.id === id)
    ?.visits;

const faults: [string, () => void][] = [
  ["its answer is lost after the commit, twice", () => backend.faults.loseAnswer(push, 2)],
  ["it fails without a code", () => backend.faults.refuse(push)],
  ["it conflicts until Convex gives up", () => backend.faults.failAsOcc(push)],
  ["the sockets are cut", () => backend.faults.dropSockets()],
];

test.each(faults)(
  "I-3, I-4: a push arrives once although %s",
  async (_name, fail) => {
    const [a, b] = [await connect(), await connect()];
    const before = (await serverVisits("a")) ?? NaN;
    fail();
    const write = a.visit("a");
    await write.confirmed;
    expect(await serverVisits("a")).toBe(before + 1);
    await waitFor(() => b.col.get("a")?.visits).toBe(before + 1);
    await waitFor(() => a.replica.status.get().pending).toBe(0);
  },
  60_000,
);

test("I-8, I-9: two devices that write through drops, delays and lost answers end equal to the server", async () => {
  const [a, b] = [await connect(), await connect()];
  const before = (await serverVisits("b")) ?? NaN;
  backend.faults.delay(5);
  for (let round = 0; round < 5; round++) {
    for (const { visit } of [a, b]) for (let n = 0; n < 4; n++) visit("b");
    if (round % 2 === 0) backend.faults.loseAnswer(push);
    else backend.faults.dropSockets();
    await waitFor(() => a.replica.status.get().pending).toBe(0);
  }
  await waitFor(() => b.replica.status.get().pending).toBe(0);
  await waitFor(() => [a.col.get("b")?.visits, b.col.get("b")?.visits]).toEqual([before + 40, before + 40]);
  expect(await serverVisits("b")).toBe(before + 40);
}, 90_000);
