import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { limits } from "../shared/limits.js";
import { plainText } from "../shared/partDocument.js";
import { restoreBackup, takeBackup } from "../testing/backup.js";
import { sites } from "../testing/fieldApp.js";
import { followAll } from "../testing/setUp/followAll.js";
import { PushDevice } from "../testing/pushDevice.js";
import { createServerApp, type ServerApp } from "../testing/serverApp.js";
import { TestProfile } from "../testing/testReplica.js";
import type { Functions } from "../testing/simulatedNetwork.js";
import { SitesWorld, type OpenTab } from "../testing/testWorld.js";
import { retention } from "./core/retention.js";
import { partRetention, type PartHandle } from "./documents/openParts.js";
import { firstLookMs } from "./keeper.js";
import type { LocalReplica } from "./replica.js";
import { keyOf } from "./core/keys.js";

let app: ServerApp;
let world: SitesWorld<ServerApp>;
let typist: PushDevice;
const isReadable = { value: true };

afterEach(() => vi.useRealTimers());
beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["Date"] }); // the follower's pauses
  isReadable.value = true;
  app = createServerApp(() => ({ read: (_ctx, { scope }) => scope !== "FR" || isReadable.value }));
  world = new SitesWorld(app);
  typist = new PushDevice(app, 11);
  await typist.send(typist.insert("x"), typist.insert("y"));
});

const type = async (document: string, words: string, part = "log") => {
  await typist.send(typist.type(document, (text) => text.insert(text.length, words), part));
  await world.network.refresh();
};
const usePart = ({ replica }: OpenTab, id = "x", field = "log") =>
  (replica as unknown as LocalReplica).usePart(sites, id, field);
const textOf = ({ doc }: PartHandle) => (doc === null ? null : plainText(doc));
const reads = (handle: PartHandle, text: string) => world.waitUntil(() => textOf(handle) === text);
const storedParts = ({ profile }: OpenTab) =>
  [...profile.database.data!.parts.values()].map(({ id, part }) => `${id} ${part}`).sort();
const openReader = async (options: Parameters<typeof world.openReader>[0] = {}) => {
  const tab = await world.openReader(options);
  return tab as OpenTab;
};
/** Calls of `pullPart`, by document. */
function count() {
  const calls: string[] = [];
  return {
    calls,
    functions: {
      query: (query, args) => {
        if ("part" in args) calls.push(args["document"] as string);
        return app.t.query(query, args);
      },
      mutation: (mutation, args) => app.t.mutation(mutation, args),
    } satisfies Functions,
  };
}

describe("a part that is opened", () => {
  test("is what others have typed, and goes on with what they type", async () => {
    await type("x", "Hello");
    const handle = usePart(await openReader());
    await handle.loaded;
    expect(textOf(handle)).toBe("Hello");
    await type("x", ", you");
    await reads(handle, "Hello, you");
  });

  test("is empty if nobody has typed anything", async () => {
    const handle = usePart(await openReader());
    await handle.loaded;
    expect(textOf(handle)).toBe("");
  });

  test("is there at once offline, if it was open before", async () => {
    await type("x", "Hello");
    const first = await openReader();
    await reads(usePart(first), "Hello");
    await first.close();
    const again = world.open({ profile: first.profile, isOnline: false, scopes: ["DE"] });
    await reads(usePart(again), "Hello");
    await type("x", ", you");
    again.client.reconnect();
    const handle = usePart(again);
    await reads(handle, "Hello, you");
  });

  test("is read by one tab for all, by one question, whoever leads", async () => {
    const profile = new TestProfile();
    const { calls, functions } = count();
    const [leader, other] = [
      await openReader({ profile, functions }),
      await openReader({ profile, functions }),
    ];
    await type("x", "a");
    const [one, two] = [usePart(leader), usePart(other)];
    await Promise.all([reads(one, "a"), reads(two, "a")]);
    const before = calls.length;
    leader.kill();
    await type("x", "b");
    await reads(two, "ab");
    expect(calls.length - before).toBeLessThanOrEqual(3); // the new leader asks, and goes on from there
    expect(other.status.leader).toBe(true);
  });

  test("is whole in every tab although its reader died with what it had stored and not told", async () => {
    const profile = new TestProfile();
    let dies = false;
    const leader: OpenTab = await openReader({
      profile,
      storage: (own) => ({
        commit: async (term, changes) => {
          const commit = await own.commit(term, changes);
          if (dies && changes.parts) leader.kill();
          return dies && changes.parts ? new Promise(() => {}) : commit;
        },
      }),
    });
    const other = await openReader({ profile });
    await type("x", "a");
    const handle = usePart(other);
    await reads(handle, "a");
    dies = true;
    await type("x", "b");
    await reads(handle, "ab");
    expect(other.status.leader).toBe(true);
  });

  test("that may not be read is told as that in every tab, and is there once it may be", async () => {
    await type("x", "Hello");
    let mayRead = false;
    const functions: Functions = {
      query: async (query, args) =>
        "part" in args && !mayRead ? { type: "denied" } : app.t.query(query, args),
      mutation: (mutation, args) => app.t.mutation(mutation, args),
    };
    const first = await openReader({ functions });
    const one = usePart(first);
    await world.quiet();
    const other = await openReader({ profile: first.profile, functions });
    const two = usePart(other);
    await world.quiet();
    for (const { loaded } of [one, two]) await expect(loaded).rejects.toMatchObject({ code: "denied" });
    mayRead = true;
    await world.network.refresh();
    await Promise.all([reads(one, "Hello"), reads(two, "Hello")]);
  });

  test("is watched while somebody uses it, and no longer", async () => {
    const { calls, functions } = count();
    const tab = await openReader({ functions });
    const [one, two] = [usePart(tab), usePart(tab)];
    await reads(one, "");
    one.close();
    one.close();
    await type("x", "a");
    await reads(two, "a");
    two.close();
    await world.quiet();
    const before = calls.length;
    await type("x", "b");
    expect(calls.length).toBe(before);
  });

  test("whose record is damaged is read again", async () => {
    await type("x", "Hello");
    const first = await openReader();
    await reads(usePart(first), "Hello");
    await first.close();
    first.profile.database.data!.parts.clear();
    const again = await openReader({ profile: first.profile });
    await reads(usePart(again), "Hello");
    expect(storedParts(again)).toEqual(["x log"]);
  });

  test("that cannot be stored is read again, and then stored", async () => {
    await type("x", "Hello");
    let isFull = true;
    const errors: unknown[] = [];
    const tab = await openReader({
      storage: (own) => ({
        commit: (term, changes) =>
          isFull && changes.parts ? Promise.reject(new Error("full")) : own.commit(term, changes),
      }),
    });
    tab.replica.events.on("error", ({ error }) => errors.push(error));
    const handle = usePart(tab);
    await world.waitUntil(() => errors.length > 0);
    expect(textOf(handle)).toBeNull();
    isFull = false;
    await reads(handle, "Hello");
    expect(storedParts(tab)).toEqual(["x log"]);
  });
});

test("inspect() says which parts a tab has, and nothing of what is in them", async () => {
  await type("x", "Secret");
  const tab = await openReader();
  await reads(usePart(tab), "Secret");
  const inspection = await tab.replica.inspect({ content: true });
  expect(inspection.parts).toMatchObject([{ id: "x", part: "log", users: 1, isLoaded: true }]);
  expect(JSON.stringify(inspection.parts)).not.toContain("Secret");
});

describe("I-12: a part goes with its document", () => {
  test("when that leaves the scope, from the disk and from who has it open", async () => {
    await type("x", "Hello");
    const tab = await openReader();
    const handle = usePart(tab);
    await reads(handle, "Hello");
    await typist.send(typist.set("x", "country", "FR"));
    await world.network.refresh();
    await world.waitUntil(() => !tab.col.has("x"));
    expect(storedParts(tab)).toEqual([]);
    expect(handle.doc).toBeNull();
    await expect(handle.loaded).rejects.toMatchObject({ code: "unknown_document" });
  });

  test("when the scope may not be read any more; and comes back with it", async () => {
    await typist.send(typist.set("x", "country", "FR"));
    await type("x", "Hello");
    const tab = await openReader({ scopes: ["FR"] });
    const handle = usePart(tab);
    await reads(handle, "Hello");
    isReadable.value = false;
    await world.network.refresh();
    await world.waitUntil(() => handle.doc === null);
    expect(storedParts(tab)).toEqual([]);
    isReadable.value = true;
    await world.network.refresh();
    await reads(handle, "Hello");
    await handle.loaded;
  });

  test("and a document that is inserted again begins with an empty one", async () => {
    await type("x", "old");
    const tab = await openReader();
    await reads(usePart(tab), "old");
    await typist.send(typist.change("x", [{ type: "delete" }]));
    await typist.send(typist.insert("x"));
    await world.network.refresh();
    await type("x", "new", "log\u00001");
    await world.waitUntil(() => tab.col.has("x"));
    await reads(usePart(tab), "new");
  });

  test("so that one that was purged is not mixed with what is typed under its id later", async () => {
    await type("x", "old");
    const tab = await openReader();
    const handle = usePart(tab);
    await reads(handle, "old");
    tab.client.disconnect();
    await app.t.mutation((ctx) => app.replicate.admin(ctx).purge(sites, "x"));
    typist.forget("x");
    typist.forget("x#log");
    await typist.send(typist.insert("x"));
    await type("x", "new");
    tab.client.reconnect();
    await reads(handle, "new");
    await tab.close();
    const again = world.open({ profile: tab.profile, isOnline: false });
    await reads(usePart(again), "new");
  });
});

describe("I-18: in a new epoch", () => {
  test("an open part that has gone on stays the document it is", async () => {
    await type("x", "Hello");
    const tab = await openReader();
    const handle = usePart(tab);
    await reads(handle, "Hello");
    const { doc } = handle;
    await app.t.mutation((ctx) => app.replicate.admin(ctx).newEpoch(sites));
    await type("x", ", you");
    await reads(handle, "Hello, you");
    expect(handle.doc).toBe(doc);
  });

  test("one that holds what a restored backup lacks is replaced, and who uses it is told", async () => {
    await type("x", "Hello");
    const backup = await takeBackup(app);
    const tab = await openReader();
    const handle = usePart(tab);
    await type("x", ", you");
    await reads(handle, "Hello, you");
    const replaced: string[] = [];
    handle.onReplaced((doc) => replaced.push(plainText(doc)));
    await restoreBackup(app, backup);
    await world.network.refresh();
    await reads(handle, "Hello");
    expect(replaced).toEqual(["Hello"]);
  });
});

describe("what is prefetched", () => {
  const prefetch = async (tab: OpenTab) => {
    const subscription = tab.replica.subscribe(sites, { scopes: ["DE"], parts: "prefetch" });
    await subscription.loaded;
    return subscription;
  };

  test("is on the device before anybody opens it, and can be opened offline", async () => {
    await type("x", "of x");
    await type("y", "of y");
    await followAll(app);
    const tab = world.open();
    await prefetch(tab);
    await world.waitUntil(() => storedParts(tab).length === 2);
    await tab.close();
    const again = world.open({ profile: tab.profile, isOnline: false });
    await again.replica.ready;
    await Promise.all([reads(usePart(again), "of x"), reads(usePart(again, "y"), "of y")]);
  });

  test("is asked for once, and again when something newer is told of", async () => {
    await type("x", "of x");
    await type("y", "of y");
    await followAll(app);
    const { calls, functions } = count();
    const tab = world.open({ functions });
    await prefetch(tab);
    await world.waitUntil(() => storedParts(tab).length === 2);
    await world.quiet();
    expect(new Set(calls)).toEqual(new Set(["x", "y"]));
    await tab.close();
    calls.length = 0;
    const again = world.open({ profile: tab.profile, functions });
    await prefetch(again);
    await world.waitUntil(again.isLive);
    await world.quiet();
    expect(calls).toEqual([]);
    await type("x", ", more");
    vi.setSystemTime(Date.now() + limits.announceMs);
    await followAll(app);
    await world.network.refresh();
    await world.waitUntil(() => calls.length > 0);
    await world.quiet();
    expect(new Set(calls)).toEqual(new Set(["x"]));
  });

  test("is what is on the screen first, so many at a time", async () => {
    const ids = Array.from({ length: 12 }, (_, n) => `d${n}`);
    await typist.send(...ids.map((id) => typist.insert(id)));
    for (const id of ids) await type(id, id);
    await followAll(app);
    const profile = new TestProfile();
    const first = await openReader({ profile });
    await first.close();
    const { calls, functions } = count();
    const tab = world.open({ profile, functions, isOnline: false });
    tab.replica.prioritise(sites, ["d11", "d10"]);
    await world.waitUntil(() => tab.status.leader);
    await prefetch(tab);
    await world.quiet();
    tab.client.reconnect();
    const atOnce = [...calls];
    await world.waitUntil(() => storedParts(tab).length === 12);
    expect(atOnce).toEqual(["d11", "d10", "d0", "d1"]);
    expect(new Set(calls)).toEqual(new Set(ids));
  });

  test("is given up when the subscription ends, and goes with the scope's data", async () => {
    await type("x", "of x");
    await followAll(app);
    const tab = world.open();
    const subscription = await prefetch(tab);
    await world.waitUntil(() => storedParts(tab).length === 1);
    subscription.stop();
    await world.waitUntil(() => storedParts(tab).length === 0);
  });
});

test("what a device keeps of a scope that nobody wants is counted with its parts", async () => {
  await typist.send(typist.set("y", "country", "FR"));
  const first = await openReader({ scopes: ["DE", "FR"] });
  first.replica.subscribe(sites, { scopes: ["FR"] });
  await first.close();
  const place = { collection: "sites", id: "y", part: "log" };
  const { contents } = first.profile.database.data!;
  const large = { ...place, cursor: 1n, epoch: "0", bytes: retention.keptBytes };
  contents.parts.set(keyOf("sites", "y"), new Map([["log", large]]));
  const tab = await openReader({ profile: first.profile });
  expect(tab.col.has("y")).toBe(true);
  await world.pass(firstLookMs + 1);
  expect([tab.col.has("x"), tab.col.has("y")]).toEqual([true, false]);
});

describe("parts that were closed", () => {
  test("are in memory for a while, then come back from the device", async () => {
    await type("x", "Hello");
    const tab = await openReader();
    const handle = usePart(tab);
    await reads(handle, "Hello");
    const { doc } = handle;
    handle.close();
    expect(usePart(tab).doc).toBe(doc);
    usePart(tab).close();
    const parts = (tab.replica as unknown as LocalReplica).usePart(sites, "x", "log");
    parts.close();
    await world.pass(partRetention.keptMs * 3);
    tab.client.disconnect();
    const later = usePart(tab);
    await reads(later, "Hello");
  });
});
