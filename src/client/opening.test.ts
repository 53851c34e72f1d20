import { beforeEach, describe, expect, test } from "vitest";
import { createFieldApp } from "../testing/fieldApp.js";
import { TestProfile } from "../testing/testReplica.js";
import { SitesWorld, type OpenOptions } from "../testing/testWorld.js";
import type { StorageWatcher } from "./ports/storage.js";

const ids = ["a", "b", "c", "d", "e"];

let world: SitesWorld;
let profile: TestProfile;
/** Lets the next slice of every opening through. */
let releaseSlices: (() => void)[];

/** The profile has five sites of DE, of which one is read at a time, when the test says so. */
beforeEach(async () => {
  world = new SitesWorld(createFieldApp(), { keepsErrors: true });
  profile = new TestProfile();
  releaseSlices = [];
  await world.seed(...ids.map((id) => ({ id, name: id, country: "DE" })));
  await (await world.openReader({ profile })).close();
  profile.database.sliceDocuments = 1;
  profile.database.beforeSlice = () => new Promise((resolve) => releaseSlices.push(resolve));
});

/** A tab on the profile that reads DE. */
function openTab(options: OpenOptions = {}) {
  const tab = world.open({ profile, scopes: ["DE"], ...options });
  const state = () => tab.status.scopes.find(({ scope }) => scope === "DE")?.state;
  return Object.assign(tab, { state, subscription: tab.subscription! });
}
const turn = () => new Promise((resolve) => setImmediate(resolve));

async function nextSlice(): Promise<void> {
  for (const release of releaseSlices.splice(0)) release();
  await turn();
}

async function readAll(): Promise<void> {
  for (let slice = 0; slice < 2 * ids.length; slice++) await nextSlice();
}

/** A tab that was there before has written to `e`, which is still to be sent. */
async function visitOffline(): Promise<void> {
  const before = openTab();
  await readAll();
  before.client.disconnect();
  await before.col.update("e", (draft) => draft.visits.increment(3)).durable;
  await before.replica.close();
}

/** Another tab leads, so that the one under test has to read the database by itself. */
async function openLeader() {
  const leader = openTab();
  await world.waitUntil(() => leader.state() === "live");
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
    await world.settled({ replica });
    expect((await world.app.rows()).map(({ visits }) => visits)).toEqual([1, 0, 0, 0, 1]);
  });

  test("I-4: an insert of an id that turns out to be there ends as one that another device has used", async () => {
    await openLeader();
    const { replica, col } = openTab();
    await replica.ready;
    const tx = col.insert({ id: "d", name: "mine", country: "DE" });
    expect(col.get("d")?.name).toBe("mine");
    await readAll();
    await expect(world.waitUntil(() => tx.state === "failed")).resolves.toBeUndefined();
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
    await world.settled(leader);
    expect([col.get("e")?.name, col.has("d")]).toEqual(["new", false]);
    await readAll();
    expect([col.get("e")?.name, col.has("d"), col.size]).toEqual(["new", false, 4]);
  });

  test("I-7: a write that is still to be sent shows with the row that it changes", async () => {
    await visitOffline();
    const leader = openTab({ isOnline: false });
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
    await world.waitUntil(() => replica.status.get().leader);
    await subscription.loaded;
    expect([col.size, replica.status.get().isOpening]).toEqual([5, false]);
    col.update("e", (draft) => void (draft.name = "new"));
    await world.settled({ replica });
    await readAll();
    expect(col.get("e")?.name).toBe("new");
  });
});

describe("damage", () => {
  const lose = (id: string) => profile.database.data!.contents.documents.delete(`sites\0${id}`);

  test("of a page is told of and read again, offline writes on its documents wait for it and are sent", async () => {
    await visitOffline();
    lose("e");
    profile.database.damage = [{ type: "page", page: 1, scopes: null }];
    const { replica, col, subscription, client } = openTab({ isOnline: false });
    let isLoaded = false;
    void subscription.loaded.then(() => (isLoaded = true));
    await replica.ready;
    await world.waitUntil(() => replica.status.get().leader);
    expect([col.size, isLoaded, replica.status.get().pending]).toEqual([4, false, 1]);
    expect(
      world.errors.map(({ error, dataAtRisk }) => [(error as { code?: string }).code, dataAtRisk]),
    ).toEqual([["storage_corrupt", false]]);
    client.reconnect();
    await world.settled({ replica });
    expect(replica.transactions.list()).toEqual([]);
    expect((await world.app.rows()).find(({ id }) => id === "e")?.visits).toBe(3);
    await world.waitUntil(() => isLoaded);
    expect([col.get("e")?.visits, col.size]).toEqual([3, 5]);
  });

  test("I-12: what has left the scope since goes all the same, although the scope is read from the start", async () => {
    await world.app.writer((writer) => writer.update("b", (draft) => void (draft.country = "FR")));
    lose("e");
    profile.database.damage = [{ type: "page", page: 1, scopes: null }];
    const { col } = openTab();
    await world.waitUntil(() => col.has("e") && !col.has("b"));
    expect(col.size).toBe(4);
  });

  test("of a scope that no tab wants is repaired for what waits to be sent to it", async () => {
    await visitOffline();
    lose("e");
    profile.database.damage = [{ type: "document", collection: "sites", id: "e" }];
    const { replica } = world.open({ profile });
    await replica.ready;
    await world.waitUntil(() => replica.status.get().leader && replica.status.get().pending === 0);
    expect((await world.app.rows()).find(({ id }) => id === "e")?.visits).toBe(3);
    await world.waitUntil(() => replica.status.get().scopes.length === 0);
  });

  test("keeps writes on what is missing from being sent for as long as reading it fails", async () => {
    await visitOffline();
    lose("e");
    profile.database.damage = [{ type: "page", page: 1, scopes: null }];
    let failures = 3;
    const states: unknown[] = [];
    const { replica, col, state } = openTab({
      functions: {
        query: async (query, args) => {
          if (failures-- > 0) throw new Error("the server is busy");
          return world.app.t.query(query, args);
        },
        mutation: (mutation, args) => world.app.t.mutation(mutation, args),
      },
    });
    replica.status.subscribe(() => states.push(state()));
    await world.waitUntil(() => replica.status.get().leader && replica.status.get().pending === 0);
    expect(states).toContain("error");
    expect(replica.transactions.list()).toEqual([]);
    expect(col.get("e")?.visits).toBe(3);
  });

  test("of what the user wrote is data at risk", async () => {
    profile.database.damage = [{ type: "transaction", sequence: 7 }];
    const { replica } = openTab();
    await world.waitUntil(() => replica.status.get().leader && world.errors.length > 0);
    expect(world.errors.map(({ dataAtRisk }) => dataAtRisk)).toEqual([true]);
    expect(profile.database.damage).toHaveLength(1);
  });
});

describe("a tab whose database is closed under it", () => {
  test("keeps what it shows, says why it can write no more, and leaves the lead to others", async () => {
    let watcher: StorageWatcher | undefined;
    const { replica, col } = world.open({
      profile,
      storage: (own) => ({ open: (identity, watching) => own.open(identity, (watcher = watching)) }),
    });
    await world.waitUntil(() => replica.status.get().leader && col.size === 5);
    watcher!.onLost({ code: "storage_unavailable", message: "reload the page" });
    expect(replica.status.get()).toMatchObject({
      leader: false,
      readOnly: { code: "storage_unavailable", message: "reload the page" },
    });
    expect(col.size).toBe(5);
    expect(() => col.update("a", (draft) => draft.visits.increment())).toThrow("reload the page");
    expect(() => replica.transact(() => {})).toThrow("reload the page");
    expect(world.errors).toHaveLength(1);
    const other = openTab();
    await world.waitUntil(() => other.replica.status.get().leader);
  });
});

describe("space on the device", () => {
  test("is shown, measured again every minute, and asked to be kept once", async () => {
    let usedBytes = 10;
    let requests = 0;
    const { replica } = world.open({
      space: {
        measure: async () => ({ usedBytes: usedBytes++, quotaBytes: 100, isPersisted: requests > 0 }),
        requestPersistence: async () => void requests++,
      },
    });
    await world.waitUntil(() => replica.status.get().storage?.usedBytes === 12);
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
