import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { plainText } from "../shared/partDocument.js";
import { restoreBackup, takeBackup } from "../testing/backup.js";
import { sites } from "../testing/fieldApp.js";
import { PartsWorld, storedParts, textOf, usePart } from "../testing/setUp/partsWorld.js";
import { TestProfile } from "../testing/testReplica.js";
import type { Functions } from "../testing/simulatedNetwork.js";
import type { OpenTab } from "../testing/testWorld.js";
import { keyOf } from "./core/keys.js";
import { retention } from "./core/retention.js";
import { partRetention } from "./documents/openParts.js";
import { firstLookMs } from "./keeper.js";

let world: PartsWorld;

afterEach(() => vi.useRealTimers());
beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["Date"] }); // the follower's pauses
  world = await PartsWorld.create();
});

describe("a part that is opened", () => {
  test("is what others have typed, and goes on with what they type", async () => {
    await world.type("x", "Hello");
    const handle = usePart(await world.openReader());
    await handle.loaded;
    expect(textOf(handle)).toBe("Hello");
    await world.type("x", ", you");
    await world.reads(handle, "Hello, you");
  });

  test("is empty if nobody has typed anything", async () => {
    const handle = usePart(await world.openReader());
    await handle.loaded;
    expect(textOf(handle)).toBe("");
  });

  test("is there at once offline, if it was open before", async () => {
    await world.type("x", "Hello");
    const first = await world.openReader();
    await world.reads(usePart(first), "Hello");
    await first.close();
    const again = world.open({ profile: first.profile, isOnline: false, scopes: ["DE"] });
    await world.reads(usePart(again), "Hello");
    await world.type("x", ", you");
    again.client.reconnect();
    const handle = usePart(again);
    await world.reads(handle, "Hello, you");
  });

  test("is read by one tab for all, by one question, whoever leads", async () => {
    const profile = new TestProfile();
    const { calls, functions } = world.countPulls();
    const [leader, other] = [
      await world.openReader({ profile, functions }),
      await world.openReader({ profile, functions }),
    ];
    await world.type("x", "a");
    const [one, two] = [usePart(leader), usePart(other)];
    await Promise.all([world.reads(one, "a"), world.reads(two, "a")]);
    const before = calls.length;
    leader.kill();
    await world.type("x", "b");
    await world.reads(two, "ab");
    expect(calls.length - before).toBeLessThanOrEqual(3); // the new leader asks, and goes on from there
    expect(other.status.leader).toBe(true);
  });

  test("is whole in every tab although its reader died with what it had stored and not told", async () => {
    const profile = new TestProfile();
    let dies = false;
    const leader: OpenTab = await world.openReader({
      profile,
      storage: (own) => ({
        commit: async (term, changes) => {
          const commit = await own.commit(term, changes);
          if (dies && changes.parts) leader.kill();
          return dies && changes.parts ? new Promise(() => {}) : commit;
        },
      }),
    });
    const other = await world.openReader({ profile });
    await world.type("x", "a");
    const handle = usePart(other);
    await world.reads(handle, "a");
    dies = true;
    await world.type("x", "b");
    await world.reads(handle, "ab");
    expect(other.status.leader).toBe(true);
  });

  test("that may not be read is told as that in every tab, and is there once it may be", async () => {
    await world.type("x", "Hello");
    let mayRead = false;
    const functions: Functions = {
      query: async (query, args) =>
        "part" in args && !mayRead ? { type: "denied" } : world.app.t.query(query, args),
      mutation: (mutation, args) => world.app.t.mutation(mutation, args),
    };
    const first = await world.openReader({ functions });
    const one = usePart(first);
    await world.quiet();
    const other = await world.openReader({ profile: first.profile, functions });
    const two = usePart(other);
    await world.quiet();
    for (const { loaded } of [one, two]) await expect(loaded).rejects.toMatchObject({ code: "denied" });
    mayRead = true;
    await world.network.refresh();
    await Promise.all([world.reads(one, "Hello"), world.reads(two, "Hello")]);
  });

  test("is watched while somebody uses it, and no longer", async () => {
    const { calls, functions } = world.countPulls();
    const tab = await world.openReader({ functions });
    const [one, two] = [usePart(tab), usePart(tab)];
    await world.reads(one, "");
    one.close();
    one.close();
    await world.type("x", "a");
    await world.reads(two, "a");
    two.close();
    await world.quiet();
    const before = calls.length;
    await world.type("x", "b");
    expect(calls.length).toBe(before);
  });

  test("whose record is damaged is read again", async () => {
    await world.type("x", "Hello");
    const first = await world.openReader();
    await world.reads(usePart(first), "Hello");
    await first.close();
    first.profile.database.data!.parts.clear();
    const again = await world.openReader({ profile: first.profile });
    await world.reads(usePart(again), "Hello");
    expect(storedParts(again)).toEqual(["x log"]);
  });

  test("that cannot be stored is read again, and then stored", async () => {
    await world.type("x", "Hello");
    let isFull = true;
    const errors: unknown[] = [];
    const tab = await world.openReader({
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
    await world.reads(handle, "Hello");
    expect(storedParts(tab)).toEqual(["x log"]);
  });
});

test("inspect() says which parts a tab has, and nothing of what is in them", async () => {
  await world.type("x", "Secret");
  const tab = await world.openReader();
  await world.reads(usePart(tab), "Secret");
  const inspection = await tab.replica.inspect({ content: true });
  expect(inspection.parts).toMatchObject([{ id: "x", part: "log", users: 1, isLoaded: true }]);
  expect(JSON.stringify(inspection.parts)).not.toContain("Secret");
});

describe("I-12: a part goes with its document", () => {
  test("when that leaves the scope, from the disk and from who has it open", async () => {
    await world.type("x", "Hello");
    const tab = await world.openReader();
    const handle = usePart(tab);
    await world.reads(handle, "Hello");
    await world.typist.send(world.typist.set("x", "country", "FR"));
    await world.network.refresh();
    await world.waitUntil(() => !tab.col.has("x"));
    expect(storedParts(tab)).toEqual([]);
    expect(handle.doc).toBeNull();
    await expect(handle.loaded).rejects.toMatchObject({ code: "unknown_document" });
  });

  test("when the scope may not be read any more; and comes back with it", async () => {
    await world.typist.send(world.typist.set("x", "country", "FR"));
    await world.type("x", "Hello");
    const tab = await world.openReader({ scopes: ["FR"] });
    const handle = usePart(tab);
    await world.reads(handle, "Hello");
    world.isReadable = false;
    await world.network.refresh();
    await world.waitUntil(() => handle.doc === null);
    expect(storedParts(tab)).toEqual([]);
    world.isReadable = true;
    await world.network.refresh();
    await world.reads(handle, "Hello");
    await handle.loaded;
  });

  test("and a document that is inserted again begins with an empty one", async () => {
    await world.type("x", "old");
    const tab = await world.openReader();
    await world.reads(usePart(tab), "old");
    await world.typist.send(world.typist.change("x", [{ type: "delete" }]));
    await world.typist.send(world.typist.insert("x"));
    await world.network.refresh();
    await world.type("x", "new", "log\u00001");
    await world.waitUntil(() => tab.col.has("x"));
    await world.reads(usePart(tab), "new");
  });

  test("so that one that was purged is not mixed with what is typed under its id later", async () => {
    await world.type("x", "old");
    const tab = await world.openReader();
    const handle = usePart(tab);
    await world.reads(handle, "old");
    tab.client.disconnect();
    await world.app.t.mutation((ctx) => world.app.replicate.admin(ctx).purge(sites, "x"));
    world.typist.forget("x");
    world.typist.forget("x#log");
    await world.typist.send(world.typist.insert("x"));
    await world.type("x", "new");
    tab.client.reconnect();
    await world.reads(handle, "new");
    await tab.close();
    const again = world.open({ profile: tab.profile, isOnline: false });
    await world.reads(usePart(again), "new");
  });
});

describe("I-18: in a new epoch", () => {
  test("an open part that has gone on stays the document it is", async () => {
    await world.type("x", "Hello");
    const tab = await world.openReader();
    const handle = usePart(tab);
    await world.reads(handle, "Hello");
    const { doc } = handle;
    await world.app.t.mutation((ctx) => world.app.replicate.admin(ctx).newEpoch(sites));
    await world.type("x", ", you");
    await world.reads(handle, "Hello, you");
    expect(handle.doc).toBe(doc);
  });

  test("one that holds what a restored backup lacks is replaced, and who uses it is told", async () => {
    await world.type("x", "Hello");
    const backup = await takeBackup(world.app);
    const tab = await world.openReader();
    const handle = usePart(tab);
    await world.type("x", ", you");
    await world.reads(handle, "Hello, you");
    const replaced: string[] = [];
    handle.onReplaced((doc) => replaced.push(plainText(doc)));
    await restoreBackup(world.app, backup);
    await world.network.refresh();
    await world.reads(handle, "Hello");
    expect(replaced).toEqual(["Hello"]);
  });
});

test("what a device keeps of a scope that nobody wants is counted with its parts", async () => {
  await world.typist.send(world.typist.set("y", "country", "FR"));
  const first = await world.openReader({ scopes: ["DE", "FR"] });
  first.replica.subscribe(sites, { scopes: ["FR"] });
  await first.close();
  const place = { collection: "sites", id: "y", part: "log" };
  const { contents } = first.profile.database.data!;
  const large = { ...place, cursor: 1n, epoch: "0", bytes: retention.keptBytes };
  contents.parts.set(keyOf("sites", "y"), new Map([["log", large]]));
  const tab = await world.openReader({ profile: first.profile });
  expect(tab.col.has("y")).toBe(true);
  await world.pass(firstLookMs + 1);
  expect([tab.col.has("x"), tab.col.has("y")]).toEqual([true, false]);
});

describe("parts that were closed", () => {
  test("are in memory for a while, then come back from the device", async () => {
    await world.type("x", "Hello");
    const tab = await world.openReader();
    const handle = usePart(tab);
    await world.reads(handle, "Hello");
    const { doc } = handle;
    handle.close();
    expect(usePart(tab).doc).toBe(doc);
    usePart(tab).close();
    const parts = usePart(tab);
    parts.close();
    await world.pass(partRetention.keptMs * 3);
    tab.client.disconnect();
    const later = usePart(tab);
    await world.reads(later, "Hello");
  });
});
