import { beforeEach, describe, expect, test } from "vitest";
import { pruneLeaves, restoreBackup, takeBackup } from "../testing/backup.js";
import { sites } from "../testing/fieldApp.js";
import { createServerApp, type ServerApp } from "../testing/serverApp.js";
import { TestProfile } from "../testing/testReplica.js";
import { berlin, SitesWorld, type OpenOptions, type OpenTab } from "../testing/testWorld.js";

let app: ServerApp;
let world: SitesWorld<ServerApp>;
const isReadable = { value: true };

beforeEach(async () => {
  isReadable.value = true;
  app = createServerApp(() => ({ read: (_ctx, { scope }) => scope !== "FR" || isReadable.value }));
  world = new SitesWorld(app);
  await world.seed(berlin, paris);
});

const paris = { id: "y", name: "Paris", country: "FR" };

/** Reads each scope by a subscription of its own. */
function openDevice({ scopes = ["DE"], ...options }: OpenOptions = {}) {
  const tab = world.open(options);
  return Object.assign(tab, {
    subscriptions: scopes.map((scope) => tab.replica.subscribe(sites, { scopes: [scope] })),
  });
}
/** All that may be read is up to date. */
const isLive = ({ status: { scopes } }: OpenTab) =>
  scopes.length > 0 && scopes.every(({ state }) => state === "live" || state === "denied");
async function openReader(options?: OpenOptions) {
  const device = openDevice(options);
  await world.waitUntil(() => isLive(device));
  return device;
}
const isSettled = (device: OpenTab) => isLive(device) && device.status.pending === 0;
const visit = ({ col }: OpenTab, id = "x") => col.update(id, (draft) => draft.visits.increment());
const visitsOf = async (id: string) => (await world.row(id))?.visits;
const restore = async (backup: Awaited<ReturnType<typeof takeBackup>>) => {
  await restoreBackup(app, backup);
  await world.network.refresh();
};
const newEpoch = async () => {
  await app.t.mutation((ctx) => app.replicate.admin(ctx).newEpoch(sites));
  await world.network.refresh();
};
const author = ({ profile }: OpenTab) => profile.database.data!.contents.meta.author;
const contents = ({ profile }: OpenTab) => profile.database.data!.contents;

describe("I-18: a restored backup", () => {
  test("takes back what others did since, and what is gone with it vanishes, in one step", async () => {
    const a = await openReader();
    const backup = await takeBackup(app);
    await app.writer((writer) => writer.update("x", (draft) => void (draft.name = "Bonn")));
    await app.writer((writer) => writer.insert({ ...berlin, id: "late" }));
    await world.network.refresh();
    await world.waitUntil(() => a.col.has("late"));
    const seen: string[] = [];
    a.col.subscribe(() => seen.push([...a.col.rows()].map(({ id, name }) => `${id}:${name}`).join()));
    const before = author(a);
    await restore(backup);
    await world.waitUntil(() => !a.col.has("late") && isLive(a));
    expect(seen).toEqual(["x:Berlin"]);
    expect(author(a)).not.toBe(before);
    expect([...contents(a).scopes.values()].map(({ collection }) => collection)).toEqual(["sites"]);
  });

  test.each<[string, boolean]>([
    ["that holds it counts it once", true],
    ["that lacks it gets it anew, once", false],
  ])("of a write that was applied and not yet come back: one %s", async (_name, isInBackup) => {
    const a = await openReader();
    const empty = await takeBackup(app);
    a.client.hold();
    const visited = visit(a);
    await world.waitUntil(() => visited.state === "persisted_awaiting_sync");
    const shown = new Set<number | undefined>();
    a.col.subscribe(() => shown.add(a.col.get("x")?.visits));
    await restore(isInBackup ? await takeBackup(app) : empty);
    a.client.release();
    await world.waitUntil(() => isSettled(a));
    expect([await visitsOf("x"), a.col.get("x")?.visits, visited.state]).toEqual([1, 1, "completed"]);
    expect([...shown].filter((visits) => visits !== 1)).toEqual([]);
  });

  test.each<[string, boolean]>([
    ["that holds it counts it once", true],
    ["that lacks it gets it anew, once", false],
  ])("of a write whose answer was lost: one %s", async (_name, isInBackup) => {
    const a = await openReader();
    const empty = await takeBackup(app);
    a.client.loseNextAnswer();
    const visited = visit(a);
    await world.waitUntil(() => !a.client.connectionState().isWebSocketConnected);
    await restore(isInBackup ? await takeBackup(app) : empty);
    a.client.reconnect();
    await world.waitUntil(() => isSettled(a));
    expect([await visitsOf("x"), a.col.get("x")?.visits, visited.state]).toEqual([1, 1, "completed"]);
  });

  test("I-4: a write that the restored server had refused fails; what stands on a document that is gone, too", async () => {
    const a = await openReader();
    const backup = await takeBackup(app);
    a.col.insert({ ...berlin, id: "late" });
    await world.waitUntil(() => isSettled(a));
    a.client.disconnect();
    const visited = visit(a, "late");
    await restore(backup);
    a.client.reconnect();
    await world.waitUntil(() => visited.state === "failed" && isLive(a));
    expect([visited.error?.code, a.col.has("late")]).toEqual(["unknown_document", false]);
  });
});

describe("I-18: a new epoch", () => {
  test("waits for every scope of the collection: nothing is pushed, and the old rows are shown, until all are read", async () => {
    const a = await openReader({ scopes: ["DE", "FR"] });
    const backup = await takeBackup(app);
    await app.writer((writer) => writer.update("x", (draft) => void (draft.name = "Bonn")));
    await world.network.refresh();
    await world.waitUntil(() => a.col.get("x")?.name === "Bonn");
    const { mutations } = world.network.calls;
    a.client.hold();
    visit(a, "y");
    await restore(backup);
    a.client.release();
    await world.waitUntil(() => a.col.get("x")?.name === "Berlin");
    expect(a.col.get("y")?.visits).toBe(1);
    await world.waitUntil(() => isSettled(a));
    expect(await visitsOf("y")).toBe(1);
    expect(world.network.calls.mutations).toBeGreaterThan(mutations);
  });

  test("I-19: a kill at any of its steps is gone on from", async () => {
    for (let turns = 0; turns < 39; turns += 3) {
      const profile = new TestProfile();
      const a = await openReader({ scopes: ["DE", "FR"], profile });
      const before = (await visitsOf("x"))!;
      a.client.loseNextAnswer();
      visit(a);
      await world.waitUntil(() => !a.client.connectionState().isWebSocketConnected);
      await newEpoch();
      a.client.reconnect();
      for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
      a.kill();
      const again = await openReader({ scopes: ["DE", "FR"], profile });
      await world.waitUntil(() => isSettled(again));
      expect([await visitsOf("x"), again.col.get("x")?.visits]).toEqual([before + 1, before + 1]);
      expect([...contents(again).scopes.values()].map(({ collection }) => collection)).toEqual([
        "sites",
        "sites",
      ]);
      await again.replica.close();
    }
  });

  test("that follows another one before that was read is read in its place", async () => {
    const a = await openReader({ scopes: ["DE", "FR"] });
    a.client.disconnect();
    await newEpoch();
    a.client.reconnect();
    await new Promise((resolve) => setImmediate(resolve));
    await newEpoch();
    await newEpoch();
    visit(a);
    await world.waitUntil(() => isSettled(a));
    expect(await visitsOf("x")).toBe(1);
    expect(new Set([...contents(a).scopes.values()].map(({ epoch }) => epoch)).size).toBe(1);
  });

  test("is read of scopes that are kept and not wanted too, and noticed by a push where none is", async () => {
    const a = await openReader({ scopes: ["DE", "FR"] });
    for (const subscription of a.subscriptions) subscription.stop({ keepData: true });
    const backup = await takeBackup(app);
    await app.writer((writer) => writer.insert({ ...paris, id: "z" }));
    await restore(backup);
    visit(a);
    await world.waitUntil(async () => (await visitsOf("x")) === 1);
    expect([...contents(a).documents.keys()].sort()).toEqual(["sites\0x", "sites\0y"]);
    expect(a.replica.status.get().scopes).toEqual([]);
  });

  test("is noticed by a push where all that is read is denied", async () => {
    const a = await openReader({ scopes: ["DE", "FR"] });
    isReadable.value = false;
    await world.network.refresh();
    await world.waitUntil(() => !a.col.has("y"));
    a.subscriptions[0]?.stop({ keepData: true });
    await newEpoch();
    visit(a);
    await world.waitUntil(async () => (await visitsOf("x")) === 1);
    expect(a.replica.status.get().scopes).toMatchObject([{ scope: "FR", state: "denied" }]);
  });

  test("that takes a permission away takes the scope with it, and holds up nothing", async () => {
    const a = await openReader({ scopes: ["DE", "FR"] });
    isReadable.value = false;
    visit(a);
    await newEpoch();
    await world.waitUntil(() => isSettled(a));
    expect([a.col.has("y"), await visitsOf("x")]).toEqual([false, 1]);
  });

  test("is met by a scope that was never read, beside others that were", async () => {
    const a = await openReader();
    a.client.disconnect();
    await newEpoch();
    const seen: boolean[] = [];
    a.col.subscribe(() => seen.push(a.col.has("x")));
    a.replica.subscribe(sites, { scopes: ["FR"] });
    a.client.reconnect();
    await world.waitUntil(() => a.col.has("y") && isLive(a));
    expect(seen).not.toContain(false);
  });

  test("waits until its user is signed in again: what a stranger is told of its writes is no answer", async () => {
    const owner = app.t.withIdentity({ tokenIdentifier: "owner" });
    const profile = new TestProfile();
    const signedIn = openDevice({ profile, functions: owner });
    await world.waitUntil(() => isLive(signedIn));
    signedIn.client.hold();
    const visited = visit(signedIn);
    await world.waitUntil(() => visited.state === "persisted_awaiting_sync");
    signedIn.kill();
    const errors: unknown[] = [];
    const expired = openDevice({ profile });
    expired.replica.events.on("error", ({ error }) => errors.push(error));
    await newEpoch();
    await world.waitUntil(() => errors.length > 1);
    expect([expired.col.get("x")?.visits, expired.replica.status.get().pending]).toEqual([1, 1]);
    expired.kill();
    const again = openDevice({ profile, functions: owner });
    await world.waitUntil(() => isSettled(again));
    expect([again.col.get("x")?.visits, await visitsOf("x")]).toEqual([1, 1]);
  });
});

describe("a reset within an epoch", () => {
  test("I-12: what has left unseen vanishes once the scope is read anew, and nothing else moves", async () => {
    const a = await openReader();
    await app.writer((writer) => writer.insert({ ...berlin, id: "stays" }));
    await world.network.refresh();
    await world.waitUntil(() => a.col.has("stays"));
    a.client.disconnect();
    await app.writer((writer) => writer.update("x", (draft) => void (draft.country = "FR")));
    await pruneLeaves(app);
    visit(a, "stays");
    const shown: string[] = [];
    a.col.subscribe(() => shown.push([...a.col.rows()].map(({ id }) => id).join()));
    const before = author(a);
    a.client.reconnect();
    await world.waitUntil(() => isSettled(a));
    expect([a.col.has("x"), await visitsOf("stays")]).toEqual([false, 1]);
    expect(shown[0]).toBe("stays");
    expect(contents(a).scopes.get("sites\0DE")).not.toHaveProperty("unmet");
    expect(author(a)).not.toBe(before); // its clocks in the document that went are not known any more
  });

  test("of a scope that is empty now ends with it empty", async () => {
    const a = await openReader();
    a.client.disconnect();
    await app.writer((writer) => writer.update("x", (draft) => void (draft.country = "FR")));
    await pruneLeaves(app);
    a.client.reconnect();
    await world.waitUntil(() => a.col.size === 0 && isLive(a));
  });
});
