import "fake-indexeddb/auto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createFieldApp } from "../testing/fieldApp.js";
import { TestProfile } from "../testing/testReplica.js";
import { many, SitesWorld, type OpenTab } from "../testing/testWorld.js";
import { systemClock } from "./ports/clock.js";
import type { Storage } from "./ports/storage.js";
import { IndexedDbStorage } from "./store/indexedDbStorage.js";
import { storeLimits } from "./store/storeLimits.js";
import { screenMs } from "./view/screen.js";

/** Until what is shown has been told, and the database was left alone for long enough. */
const idleMs = screenMs + storeLimits.foldIdleMs + 1;
const count = 40;
const first5 = { orderBy: "name", limit: 5 } as const;

let world: SitesWorld;
/** Sites whose order by name is another than that by id. */
beforeEach(async () => {
  world = new SitesWorld(createFieldApp(), { keepsErrors: true });
  const sites = many(count).map((site, n) => ({
    ...site,
    name: `name ${String((n * 7) % count).padStart(2, "0")}`,
  }));
  await world.seed(...sites);
});
afterEach(() => expect(world.errors).toEqual([]));

describe("a device of many pages that is opened again", () => {
  const limits = { ...storeLimits, pageDocuments: 4, pageFrom: 2 };
  let databases = 0;
  let name: string;
  beforeEach(() => void (name = `screen ${++databases}`));

  /** Each on the same database. */
  function openTab(isOnline = true) {
    const own = new IndexedDbStorage(name, systemClock, limits);
    const methods = ["open", "append", "outboxAfter", "takeOver", "commit", "fold", "close"] as const;
    const storage = () =>
      Object.fromEntries(methods.map((method) => [method, timeless(own, method)])) as Partial<Storage>;
    return world.open({ scopes: ["DE"], isOnline, storage });
  }

  /** Time stands still for what a database does, as it does for the server. */
  function timeless(own: IndexedDbStorage, method: keyof Storage) {
    const call = own[method].bind(own) as (...args: unknown[]) => Promise<unknown>;
    return async (...args: unknown[]) => {
      world.network.inFlight++;
      try {
        return await call(...args);
      } finally {
        world.network.inFlight--;
      }
    };
  }

  /** A session in which the first five are shown, or all of them. */
  async function visit(options: { readonly orderBy: "name"; readonly limit?: number }) {
    const tab = openTab();
    tab.col.query(options).subscribe(() => {});
    await world.waitUntil(() => tab.col.size === count && tab.isSettled());
    await world.pass(idleMs);
    await world.waitUntil(() => world.network.inFlight === 0);
    await tab.close();
  }

  /** What it shows when it is ready, and how many pages had come by then; and how often that changed until all was read. */
  async function openAgain() {
    const pages = countPages();
    const { col, replica } = openTab(false);
    const query = col.query(first5);
    let changes = 0;
    query.subscribe(() => void changes++);
    await replica.ready;
    const atReady = { ids: query.current.map(({ id }) => id), pages: pages.read };
    changes = 0;
    await world.waitUntil(() => !replica.status.get().isOpening && replica.status.get().leader);
    pages.stop();
    const atEnd = query.current.map(({ id }) => id);
    expect(col.size).toBe(count);
    expect(atEnd).toHaveLength(5);
    await replica.close();
    return { atReady, atEnd, changes };
  }

  test("shows what was on the screen whole, before it has read any page, and nothing else after it", async () => {
    await visit(first5);
    const { atReady, atEnd, changes } = await openAgain();
    expect(atReady).toEqual({ ids: atEnd, pages: 0 });
    expect(changes).toBe(0);
  });

  test("without that shows first what was stored last, which is no more right than it can be", async () => {
    await visit({ orderBy: "name" });
    const { atReady, atEnd, changes } = await openAgain();
    expect(atReady.pages).toBe(1);
    expect(atReady.ids).not.toEqual(atEnd);
    expect(changes).toBeGreaterThan(0);
  });

  test("shows what has become of it since: another's edit, and a document that is gone", async () => {
    await visit(first5);
    const tab = openTab();
    await world.waitUntil(() => tab.isSettled() && tab.replica.status.get().leader);
    const [top = "", second = ""] = tab.col.query(first5).current.map(({ id }) => id);
    await world.app.writer(async (writer) => {
      await writer.delete(top);
      await writer.update(second, (draft) => void (draft.name = "zzz"));
    });
    await world.network.refresh();
    await world.waitUntil(() => !tab.col.has(top) && tab.col.get(second)?.name === "zzz");
    await tab.replica.close();
    const again = openTab(false);
    await again.replica.ready;
    expect([again.col.has(top), again.col.get(second)?.name]).toEqual([false, "zzz"]);
    await world.waitUntil(() => !again.status.isOpening);
    expect([again.col.has(top), again.col.get(second)?.name]).toEqual([false, "zzz"]);
    await again.replica.close();
  });
});

describe("of several tabs", () => {
  let profile: TestProfile;
  beforeEach(() => void (profile = new TestProfile()));
  const kept = () => profile.database.data!.screen.map(({ id }) => id).sort();
  const show = (tab: OpenTab, from: number, ids = 3) => {
    const shown = (id: string) => Number(id.slice(1)) >= from && Number(id.slice(1)) < from + ids;
    return tab.col.query({ where: ({ id }) => shown(id), limit: ids }).subscribe(() => {});
  };

  test("is what all of them show, and stays when they close, one after the other", async () => {
    const leader = await world.openReader({ profile });
    const other = await world.openReader({ profile });
    show(leader, 10);
    show(other, 20, 2);
    other.replica.prioritise(other.col.definition, ["d30"]);
    await world.pass(idleMs);
    expect(kept()).toEqual(["d10", "d11", "d12", "d20", "d21", "d30"]);
    await other.close();
    await world.pass(idleMs);
    await leader.close();
    const next = await world.openReader({ profile });
    await world.pass(idleMs);
    expect(kept()).toEqual(["d10", "d11", "d12", "d20", "d21", "d30"]);
    await next.close();
  });

  test("is what a tab told of before another one led, and what is shown no more stays as long as there is room", async () => {
    const leader = await world.openReader({ profile });
    const other = await world.openReader({ profile });
    show(other, 0);
    await world.pass(screenMs + 1);
    await leader.close();
    await world.waitUntil(() => other.status.leader);
    await world.pass(idleMs);
    expect(kept()).toEqual(["d0", "d1", "d2"]);
    const stop = show(other, 5, 1);
    await world.pass(idleMs);
    stop();
    await world.pass(idleMs);
    expect(kept()).toEqual(["d0", "d1", "d2", "d5"]);
  });

  test("that is not new is not told to the database again, and costs a write nothing", async () => {
    const leader = await world.openReader({ profile });
    const row = (id: string) => profile.database.data!.contents.documents.get(`sites\0${id}`);
    show(leader, 0);
    await world.pass(idleMs);
    const { commit } = profile.database.data!.contents.meta;
    const before = row("d0");
    const asked = leader.tab.asked.length;
    show(await world.openReader({ profile }), 0, 2);
    await world.pass(10 * idleMs);
    expect(leader.tab.asked.slice(asked).filter((method) => method === "fold")).toEqual([]);
    expect([profile.database.data!.contents.meta.commit, row("d0")]).toEqual([commit, before]);
  });
});

/** How many requests for pages have been answered. */
function countPages() {
  const { get, getAll } = IDBObjectStore.prototype;
  const counting = {
    read: 0,
    stop: () => void Object.assign(IDBObjectStore.prototype, { get, getAll }),
  };
  const note = (store: IDBObjectStore, request: IDBRequest) => {
    if (store.name === "pages") request.addEventListener("success", () => counting.read++);
    return request;
  };
  IDBObjectStore.prototype.get = function (this: IDBObjectStore, key) {
    return note(this, get.call(this, key));
  };
  IDBObjectStore.prototype.getAll = function (this: IDBObjectStore, ...query) {
    return note(this, getAll.apply(this, query));
  };
  return counting;
}
