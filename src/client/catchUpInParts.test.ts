import { beforeEach, expect, test, vi } from "vitest";
import type * as limitsModule from "../shared/limits.js";
import { limits } from "../shared/limits.js";
import { createFieldApp, sites, type FieldApp } from "../testing/fieldApp.js";
import { ManualClock, until } from "../testing/manualClock.js";
import { SimulatedNetwork, type SimulatedClient } from "../testing/simulatedNetwork.js";
import { openTestReplica, seededRandomness, TestProfile } from "../testing/testReplica.js";
import { ReplicaError } from "./base/errors.js";
import type { Replica } from "./base/types.js";
import type { Commit, Storage } from "./ports/storage.js";

vi.mock("../shared/limits.js", async (load) => {
  const { limits } = await load<typeof limitsModule>();
  return { limits: { ...limits, pageEntries: 2, catchUpEntries: 5 } };
});

const rows = (count: number, country: string) =>
  Array.from({ length: count }, (_, n) => ({ id: `${country}${n}`, name: "n", country }));
const count = 3 * limits.catchUpEntries;

let app: FieldApp;
let world: { clock: ManualClock; network: SimulatedNetwork };
let client: SimulatedClient;
let replica: Replica<typeof sites>;
/** In place of each commit. */
let onCommit: ((changes: Commit, store: () => Promise<number>) => Promise<number>) | null;

beforeEach(() => {
  app = createFieldApp();
  world = { clock: new ManualClock(), network: new SimulatedNetwork() };
  client = world.network.connect(app.t);
  onCommit = null;
  const tab = new TestProfile().openTab();
  const instead: Partial<Storage> = {
    commit: (term, changes) => {
      const store = () => tab.storage.commit(term, changes);
      return onCommit?.(changes, store) ?? store();
    },
  };
  const storage = new Proxy(tab.storage, {
    get: (target, name: keyof Storage) => instead[name] ?? target[name],
  });
  replica = openTestReplica({
    ...{ api: app.api, client, collections: [sites], clock: world.clock },
    randomness: seededRandomness(1),
    tab: Object.create(tab, { storage: { value: storage } }),
  });
  replica.events.on("error", () => {});
});

const areLive = () => replica.status.get().scopes.every(({ state }) => state === "live");
async function subscribe(...scopes: string[]) {
  const subscription = replica.subscribe(sites, { scopes });
  await until(world, () => replica.status.get().scopes.length > 0 && areLive());
  return subscription;
}
/** @returns how many documents are shown at a time from here on */
function watchSizes(): Set<number> {
  const sizes = new Set<number>();
  const col = replica.collection(sites);
  col.subscribe(() => sizes.add(col.size));
  return sizes;
}
const soon = (act: () => void) => queueMicrotask(() => queueMicrotask(act));

test("I-6: a catch-up that is stored in parts is shown whole, though its end could not be stored at first", async () => {
  await subscribe("DE");
  client.disconnect();
  await app.writer((writer) => writer.insertMany(rows(count, "DE")));
  const sizes = watchSizes();
  let nth = 0;
  onCommit = (_changes, store) =>
    ++nth === 2 ? Promise.reject(new ReplicaError("storage_full", "There is no room.")) : store();
  client.reconnect();
  await until(world, () => sizes.has(count));
  expect([...sizes]).toEqual([count]);
});

test("I-6: so it is though nobody wants it any more when a part is stored, and its data is kept", async () => {
  const subscription = await subscribe("DE");
  client.disconnect();
  await app.writer((writer) => writer.insertMany(rows(count, "DE")));
  const sizes = watchSizes();
  let nth = 0;
  onCommit = async (_changes, store) => {
    const commit = await store();
    if (++nth === 1) soon(() => subscription.stop({ keepData: true }));
    return commit;
  };
  client.reconnect();
  await until(world, () => sizes.has(count));
  expect([...sizes]).toEqual([count]);
});

test("I-7: what has left a scope is gone, though nobody wants the scope any more when that is stored", async () => {
  await app.writer((writer) => writer.insert({ id: "x", name: "n", country: "DE" }));
  const subscription = await subscribe("DE");
  await subscribe("FR");
  client.disconnect();
  await app.writer(async (writer) => {
    await writer.update("x", (draft) => void (draft.country = "IT"));
    await writer.insertMany(rows(count, "FR"));
  });
  const col = replica.collection(sites);
  onCommit = async ({ removedDocuments = [] }, store) => {
    const commit = await store();
    if (removedDocuments.length > 0) soon(() => subscription.stop({ keepData: true }));
    return commit;
  };
  client.reconnect();
  await until(world, () => col.size >= count && areLive());
  expect(col.has("x")).toBe(false);
});
