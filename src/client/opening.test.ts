import { beforeEach, describe, expect, test } from "vitest";
import { createFieldApp, sites, type FieldApp } from "../testing/fieldApp.js";
import { ManualClock, until } from "../testing/manualClock.js";
import { SimulatedNetwork } from "../testing/simulatedNetwork.js";
import { openTestReplica, seededRandomness, TestProfile } from "../testing/testReplica.js";
import type { StorageSpace } from "./ports/storageSpace.js";
import type { Storage, StorageWatcher } from "./ports/storage.js";
import { LocalReplica } from "./replica.js";
import { MemoryStorage } from "./store/memoryStorage.js";
import { alwaysRunning, soleChannel, soleElection } from "./tabs/soleTab.js";
import { ConvexTransport } from "./transport/convexTransport.js";

const ids = ["a", "b", "c", "d", "e"];

let app: FieldApp;
let network: SimulatedNetwork;
let clock: ManualClock;
let randomness: ReturnType<typeof seededRandomness>;
let profile: TestProfile;
let errors: { error: Error; dataAtRisk: boolean }[];
/** Lets the next slice of every opening through. */
let releaseSlices: (() => void)[];

/** The profile has five sites of DE, of which one is read at a time, when the test says so. */
beforeEach(async () => {
  app = createFieldApp();
  network = new SimulatedNetwork();
  clock = new ManualClock();
  randomness = seededRandomness(1);
  profile = new TestProfile();
  errors = [];
  releaseSlices = [];
  await app.writer((writer) => writer.insertMany(ids.map((id) => ({ id, name: id, country: "DE" }))));
  const first = openTab();
  await waitUntil(() => first.col.size === ids.length && first.state() === "live");
  await first.replica.close();
  profile.database.sliceDocuments = 1;
  profile.database.beforeSlice = () => new Promise((resolve) => releaseSlices.push(resolve));
});

function openTab(functions: Parameters<typeof network.connect>[0] = app.t) {
  const client = network.connect(functions);
  const tab = profile.openTab();
  const replica = openTestReplica({ api: app.api, client, collections: [sites], clock, randomness, tab });
  replica.events.on("error", (each) => errors.push(each));
  const subscription = replica.subscribe(sites, { scopes: ["DE"] });
  const state = () => replica.status.get().scopes.find(({ scope }) => scope === "DE")?.state;
  return { client, tab, replica, subscription, state, col: replica.collection(sites) };
}
const waitUntil = (condition: () => boolean | Promise<boolean>) => until({ clock, network }, condition);
const turn = () => new Promise((resolve) => setImmediate(resolve));

async function nextSlice(): Promise<void> {
  for (const release of releaseSlices.splice(0)) release();
  await turn();
}

async function readAll(): Promise<void> {
  for (let slice = 0; slice < 2 * ids.length; slice++) await nextSlice();
}

/** Another tab leads, so that the one under test has to read the database by itself. */
async function openLeader() {
  const leader = openTab();
  await waitUntil(() => leader.state() === "live");
  await readAll();
  return leader;
}

describe("while the database is being read", () => {
  test("rows come slice by slice, each told of, and only then is anything loaded", async () => {
    await openLeader();
    const { replica, col, subscription } = openTab();
    let isLoaded = false;
    void subscription.loaded.then(() => (isLoaded = true));
    const told: string[][] = [];
    col.subscribe((changed) => told.push([...changed]));
    await replica.ready;
    expect([col.size, replica.status.get().isOpening]).toEqual([1, true]);
    for (let count = 2; count <= ids.length; count++) {
      await nextSlice();
      expect([col.size, isLoaded]).toEqual([count, count === ids.length]);
    }
    expect(told).toEqual(ids.map((id) => [id]));
    expect(replica.status.get().isOpening).toBe(false);
  });

  test("an update of what is not read yet is refused, and says why; of what is read it is made", async () => {
    await openLeader();
    const { replica, col } = openTab();
    await replica.ready;
    expect(col.has("e")).toBe(false);
    const edit = () => col.update("e", (draft) => draft.visits.increment());
    expect(edit).toThrow(/isOpening/);
    const tx = col.update("a", (draft) => draft.visits.increment());
    await tx.durable;
    expect(col.get("a")?.visits).toBe(1);
    await readAll();
    edit();
    await waitUntil(() => replica.status.get().pending === 0);
    expect((await app.rows()).map(({ visits }) => visits)).toEqual([1, 0, 0, 0, 1]);
  });

  test("I-4: an insert of an id that turns out to be there ends as one that another device has used", async () => {
    await openLeader();
    const { replica, col } = openTab();
    await replica.ready;
    const tx = col.insert({ id: "d", name: "mine", country: "DE" });
    expect(col.get("d")?.name).toBe("mine");
    await readAll();
    await expect(waitUntil(() => tx.state === "failed")).resolves.toBeUndefined();
    expect(tx.error?.code).toBe("exists");
    expect(col.get("d")?.name).toBe("d");
    expect(replica.transactions.list({ state: "failed" })).toEqual([tx]);
  });

  test("I-7: what the leader tells meanwhile is not undone by what is read after it", async () => {
    const leader = await openLeader();
    const { replica, col } = openTab();
    await replica.ready;
    leader.col.update("e", (draft) => void (draft.name = "new"));
    leader.col.delete("d");
    await waitUntil(() => leader.replica.status.get().pending === 0);
    expect([col.get("e")?.name, col.has("d")]).toEqual(["new", false]);
    await readAll();
    expect([col.get("e")?.name, col.has("d"), col.size]).toEqual(["new", false, 4]);
  });

  test("I-7: a write that is still to be sent shows with the row that it changes", async () => {
    const before = openTab();
    await readAll();
    before.client.disconnect();
    await before.col.update("e", (draft) => draft.visits.increment(3)).durable;
    await before.replica.close();
    const leader = openTab();
    leader.client.disconnect();
    await leader.replica.ready;
    const { replica, col } = openTab();
    await replica.ready;
    expect(col.has("e")).toBe(false);
    await readAll();
    expect(col.get("e")?.visits).toBe(3);
  });

  test("a tab that becomes the leader has everything, and nothing older comes after it", async () => {
    const { replica, col, subscription } = openTab();
    await replica.ready;
    await waitUntil(() => replica.status.get().leader);
    await subscription.loaded;
    expect([col.size, replica.status.get().isOpening]).toEqual([5, false]);
    col.update("e", (draft) => void (draft.name = "new"));
    await waitUntil(() => replica.status.get().pending === 0);
    await readAll();
    expect(col.get("e")?.name).toBe("new");
  });
});

describe("damage", () => {
  const lose = (id: string) => profile.database.data!.contents.documents.delete(`sites\0${id}`);

  test("of a page is told of and read again, offline writes on its documents wait for it and are sent", async () => {
    const before = openTab();
    await readAll();
    before.client.disconnect();
    await before.col.update("e", (draft) => draft.visits.increment(3)).durable;
    await before.replica.close();
    lose("e");
    profile.database.damage = [{ type: "page", page: 1, scopes: null }];
    const { replica, col, subscription, client } = openTab();
    let isLoaded = false;
    void subscription.loaded.then(() => (isLoaded = true));
    client.disconnect();
    await replica.ready;
    await waitUntil(() => replica.status.get().leader);
    expect([col.size, isLoaded, replica.status.get().pending]).toEqual([4, false, 1]);
    expect(errors.map(({ error, dataAtRisk }) => [(error as { code?: string }).code, dataAtRisk])).toEqual([
      ["storage_corrupt", false],
    ]);
    client.reconnect();
    await waitUntil(() => replica.status.get().pending === 0);
    expect(replica.transactions.list()).toEqual([]);
    expect((await app.rows()).find(({ id }) => id === "e")?.visits).toBe(3);
    await waitUntil(() => isLoaded);
    expect([col.get("e")?.visits, col.size]).toEqual([3, 5]);
  });

  test("I-12: what has left the scope since goes all the same, although the scope is read from the start", async () => {
    await app.writer((writer) => writer.update("b", (draft) => void (draft.country = "FR")));
    lose("e");
    profile.database.damage = [{ type: "page", page: 1, scopes: null }];
    const { col } = openTab();
    await waitUntil(() => col.has("e") && !col.has("b"));
    expect(col.size).toBe(4);
  });

  test("of a scope that no tab wants is repaired for what waits to be sent to it", async () => {
    const before = openTab();
    await readAll();
    before.client.disconnect();
    await before.col.update("e", (draft) => draft.visits.increment(3)).durable;
    await before.replica.close();
    lose("e");
    profile.database.damage = [{ type: "document", collection: "sites", id: "e" }];
    const client = network.connect(app.t);
    const replica = openTestReplica({
      api: app.api,
      client,
      collections: [sites],
      clock,
      randomness,
      tab: profile.openTab(),
    });
    await replica.ready;
    await waitUntil(() => replica.status.get().leader && replica.status.get().pending === 0);
    expect((await app.rows()).find(({ id }) => id === "e")?.visits).toBe(3);
    await waitUntil(() => replica.status.get().scopes.length === 0);
  });

  test("keeps writes on what is missing from being sent for as long as reading it fails", async () => {
    const before = openTab();
    await readAll();
    before.client.disconnect();
    await before.col.update("e", (draft) => draft.visits.increment(3)).durable;
    await before.replica.close();
    lose("e");
    profile.database.damage = [{ type: "page", page: 1, scopes: null }];
    let failures = 3;
    const states: unknown[] = [];
    const { replica, col, state } = openTab({
      query: async (query, args) => {
        if (failures-- > 0) throw new Error("the server is busy");
        return app.t.query(query, args as never) as Promise<unknown>;
      },
      mutation: (mutation, args) => app.t.mutation(mutation, args as never) as Promise<unknown>,
    });
    replica.status.subscribe(() => states.push(state()));
    await waitUntil(() => replica.status.get().leader && replica.status.get().pending === 0);
    expect(states).toContain("error");
    expect(replica.transactions.list()).toEqual([]);
    expect(col.get("e")?.visits).toBe(3);
  });

  test("of what the user wrote is data at risk", async () => {
    profile.database.damage = [{ type: "transaction", sequence: 7 }];
    const { replica } = openTab();
    await waitUntil(() => replica.status.get().leader && errors.length > 0);
    expect(errors.map(({ dataAtRisk }) => dataAtRisk)).toEqual([true]);
    expect(profile.database.damage).toHaveLength(1);
  });
});

describe("a tab whose database is closed under it", () => {
  test("keeps what it shows, says why it can write no more, and leaves the lead to others", async () => {
    let watcher: StorageWatcher | undefined;
    const tab = profile.openTab();
    const storage = new Proxy(tab.storage, {
      get: (target, name: keyof Storage) =>
        name === "open"
          ? (...args: Parameters<Storage["open"]>) => {
              watcher = args[1];
              return target.open(...args);
            }
          : target[name],
    });
    const replica = openTestReplica({
      api: app.api,
      client: network.connect(app.t),
      collections: [sites],
      clock,
      randomness,
      tab: { ...tab, storage, channel: tab.channel, election: tab.election } as never,
    });
    replica.events.on("error", (each) => errors.push(each));
    const col = replica.collection(sites);
    await waitUntil(() => replica.status.get().leader && col.size === 5);
    watcher!.onLost({ code: "storage_unavailable", message: "reload the page" });
    expect(replica.status.get()).toMatchObject({
      leader: false,
      readOnly: { code: "storage_unavailable", message: "reload the page" },
    });
    expect(col.size).toBe(5);
    expect(() => col.update("a", (draft) => draft.visits.increment())).toThrow("reload the page");
    expect(() => replica.transact(() => {})).toThrow("reload the page");
    expect(errors).toHaveLength(1);
    const other = openTab();
    await waitUntil(() => other.replica.status.get().leader);
  });
});

describe("space on the device", () => {
  function openWith(space: StorageSpace) {
    const storage = new MemoryStorage();
    const replica = new LocalReplica({
      collections: [sites],
      user: null,
      storage,
      transport: new ConvexTransport(network.connect(app.t), app.api, null),
      election: soleElection,
      channel: soleChannel,
      clock,
      randomness,
      overrides: new Map(),
      lifecycle: alwaysRunning,
      space,
    });
    void replica.start();
    return replica;
  }

  test("is shown, measured again every minute, and asked to be kept once", async () => {
    let usedBytes = 10;
    let requests = 0;
    const replica = openWith({
      measure: async () => ({ usedBytes: usedBytes++, quotaBytes: 100, isPersisted: requests > 0 }),
      requestPersistence: async () => void requests++,
    });
    await waitUntil(() => replica.status.get().storage?.usedBytes === 12);
    expect(replica.status.get().storage).toEqual({ usedBytes: 12, quotaBytes: 100, isPersisted: true });
    expect(requests).toBe(1);
    await replica.close();
  });

  test("is null where nobody can tell", async () => {
    const { replica } = openTab();
    await replica.ready;
    expect(replica.status.get().storage).toBeNull();
  });
});
