import { beforeEach, describe, expect, test } from "vitest";
import { defineCollection, type AnyCollection } from "../collections/index.js";
import { PlacesWorld } from "../testing/placesWorld.js";
import { TestProfile } from "../testing/testReplica.js";
import { createVersionedApp, placesV2, type VersionedApp } from "../testing/versionedApp.js";
import type { ReplicaError } from "./base/errors.js";

let app: VersionedApp;
let world: PlacesWorld;

beforeEach(() => {
  app = createVersionedApp(1);
  world = new PlacesWorld(app);
});

/** An app of a version on a device, and what it tells of. @param definition - in place of that of the version */
function open(version: number, profile?: TestProfile, definition?: AnyCollection) {
  const errors: ReplicaError[] = [];
  const tab = world.openVersion(version, profile, definition);
  tab.replica.events.on("error", ({ error }) => void errors.push(error as ReplicaError));
  return Object.assign(tab, { errors });
}

const bonn = { id: "x", name: "Bonn", people: 7, price: 2 };
const bonnV2 = { name: "Bonn", population: 7, price: 200, status: "open" };

/** A device that has stored the documents under version 1, and is offline. */
async function stored(profile: TestProfile, ...ids: string[]) {
  for (const id of ids) await app.writer((writer) => writer.insert({ ...bonn, id }));
  const old = open(1, profile);
  await world.waitUntil(() => old.isLive() && ids.every((id) => old.col.get(id) !== undefined));
  old.client.disconnect();
  return old;
}

describe("an app that is newer than what is stored", () => {
  test("I-7: shows every row as its own version has it, from the first on, offline, in slices", async () => {
    const profile = new TestProfile();
    const ids = ["a", "b", "c", "d", "e"];
    await (await stored(profile, ...ids)).replica.close();
    profile.database.sliceDocuments = 2;
    let goOn = () => {};
    const held = new Promise<void>((resolve) => (goOn = resolve));
    profile.database.beforeSlice = () => held;
    const shown: unknown[] = [];
    const updated = open(2, profile);
    updated.client.disconnect();
    updated.replica.events.on("documentsChanged", ({ ids: changed }) => {
      for (const id of changed) shown.push(updated.col.get(id));
    });
    await updated.replica.ready;
    expect([...updated.col.rows()]).toHaveLength(2); // the rest follows
    goOn();
    await world.waitUntil(() => !updated.replica.status.get().isOpening);
    expect([...updated.col.rows()]).toMatchObject(ids.map((id) => ({ id, ...bonnV2 })));
    expect(shown).toEqual(shown.map(() => expect.objectContaining(bonnV2)));
  });

  test("writes them anew when there is nothing else to do, so that the next start reads them as they are", async () => {
    const profile = new TestProfile();
    await (await stored(profile, "x", "y")).replica.close();
    const updated = open(2, profile);
    const versions = () =>
      [...profile.database.data!.contents.documents.values()].map(({ rowVersion }) => rowVersion);
    await world.waitUntil(() => updated.isLive() && versions().every((version) => version === 2));
    expect([...profile.database.data!.contents.documents.values()].map(({ row }) => row)).toMatchObject([
      bonnV2,
      bonnV2,
    ]);
  });

  test("I-4: what the older one has written offline is shown, and sent, as its own version would have written it", async () => {
    const profile = new TestProfile();
    const old = await stored(profile, "x", "z");
    old.col.update("x", (draft) => void (draft["people"] = 9));
    old.col.update("x", (draft) => void (draft["price"] = 3));
    old.col.update("x", (draft) => draft.visits.increment());
    old.col.insert({ ...bonn, id: "y", price: 4 });
    old.col.update("y", (draft) => void (draft["people"] = 1));
    await old.col.delete("z").durable;
    await old.replica.close();
    app.deploy(2);
    const updated = open(2, profile);
    updated.client.disconnect();
    await updated.replica.ready;
    const expected = [
      { id: "x", ...bonnV2, population: 9, price: 300, visits: 1 },
      { id: "y", ...bonnV2, population: 1, price: 400 },
    ];
    expect([...updated.col.rows()]).toMatchObject(expected);
    updated.client.reconnect();
    await world.waitUntil(updated.isSettled);
    expect(updated.replica.status.get().failed).toBe(0);
    expect((await app.rows()).sort((a, b) => (a.id < b.id ? -1 : 1))).toMatchObject(expected);
    expect([...updated.col.rows()]).toMatchObject(expected);
  });

  test("I-4: so is what the older one wrote before it was read-only, on documents that were migrated meanwhile", async () => {
    const profile = new TestProfile();
    const old = await stored(profile, "x");
    old.col.update("x", (draft) => void (draft["people"] = 9));
    old.col.update("x", (draft) => void (draft["price"] = 3));
    app.deploy(2);
    await app.writer((writer) => writer.update("x", (draft) => void (draft["name"] = "Köln")));
    old.client.reconnect();
    await world.waitUntil(() => old.isLive() && old.col.get("x")?.["name"] === "Köln");
    expect(() => old.col.update("x", (draft) => draft.visits.increment())).toThrow(
      expect.objectContaining({ code: "schema_too_new" }),
    );
    expect([old.col.status("x"), old.replica.status.get().tooNew]).toEqual(["pending", ["places"]]);
    await old.replica.close();
    const updated = open(2, profile);
    await world.waitUntil(updated.isSettled);
    const expected = { name: "Köln", population: 9, price: 300 };
    expect([updated.col.get("x"), (await app.rows())[0]]).toMatchObject([expected, expected]);
  });

  test.each([
    ["answer", 1],
    ["answer", 2],
    ["request", 1],
    ["request", 2],
  ])(
    "I-3: an older one's push whose %s is lost, at a server of version %i, counts once",
    async (lost, version) => {
      const profile = new TestProfile();
      const old = await stored(profile, "x");
      old.client.reconnect();
      await world.waitUntil(old.isLive);
      app.deploy(version);
      if (lost === "answer") old.client.loseNextAnswer();
      else old.client.loseNextRequest();
      old.col.update("x", (draft) => void (draft["price"] = 3));
      old.col.update("x", (draft) => draft.visits.increment());
      await world.waitUntil(
        () => old.replica.status.get().connection === "disconnected" && world.network.inFlight === 0,
      );
      expect(old.replica.transactions.list().map(({ state }) => state)).toEqual(["persisting", "persisting"]);
      old.kill();
      app.deploy(2);
      const updated = open(2, profile);
      await world.waitUntil(updated.isSettled);
      const expected = { ...bonnV2, price: 300, visits: 1 };
      const [row] = await app.rows();
      if (lost === "request" || version === 2) expect(row).toMatchObject(expected);
      else expect(row).toMatchObject({ price: 3, visits: 1 }); // as the older server wrote it, until the next write
      expect(updated.col.get("x")).toMatchObject(expected);
    },
  );
});

describe("an app that is newer than the server", () => {
  test("I-4: its writes wait until the server is new too, and hinder no others", async () => {
    const { replica, col, client, isLive } = open(2);
    await world.waitUntil(isLive);
    const inserted = col.insert({ id: "x", name: "Bonn", population: 7, price: 200 });
    await world.waitUntil(() => inserted.attempts.length > 2);
    expect(inserted.attempts.at(-1)?.error.code).toBe("schema_too_new");
    expect([inserted.state, await app.rows(), replica.status.get().failed]).toEqual(["pending", [], 0]);
    expect(col.get("x")).toMatchObject(bonnV2);
    app.deploy(2);
    const waiting = inserted.attempts.length;
    await client.refresh(); // Convex runs watched queries again when functions change
    await world.waitUntil(() => inserted.state === "completed");
    expect(inserted.attempts.length).toBe(waiting); // at once
    expect((await app.rows())[0]).toMatchObject(bonnV2);
  });

  test("shows documents of the server's version in its own, and migrates none of them", async () => {
    await app.writer((writer) => writer.insert(bonn));
    const updated = open(2);
    await world.waitUntil(() => updated.isLive() && updated.col.get("x") !== undefined);
    expect(updated.col.get("x")).toMatchObject(bonnV2);
    updated.col.update("x", (draft) => void (draft["name"] = "Köln"));
    await app.writer((writer) => writer.update("x", (draft) => void (draft["people"] = 8)));
    await world.network.refresh();
    await world.waitUntil(() => updated.col.get("x")?.["population"] === 8);
    expect(updated.col.get("x")).toMatchObject({ name: "Köln", price: 200 });
    app.deploy(2);
    await world.network.refresh();
    await world.waitUntil(updated.isSettled);
    expect((await app.rows())[0]).toMatchObject({ name: "Köln", population: 8, price: 200 });
  });
});

describe("an app that is older than a document", () => {
  test("is read-only though the server was rolled back to its version, and reads on", async () => {
    await app.writer((writer) => writer.insert({ ...bonn, id: "y" }));
    const old = open(1);
    await world.waitUntil(() => old.isLive() && old.col.get("y") !== undefined);
    old.client.disconnect();
    const waiting = old.col.update("y", (draft) => draft.visits.increment());
    app.deploy(2);
    await app.writer((writer) => writer.insert({ id: "x", ...bonnV2 }));
    app.deploy(1);
    old.client.reconnect();
    await world.waitUntil(() => old.isLive() && old.col.get("x") !== undefined);
    expect(old.replica.status.get().tooNew).toEqual(["places"]);
    expect(() => old.col.delete("x")).toThrow(expect.objectContaining({ code: "schema_too_new" }));
    expect([waiting.state, old.replica.status.get().failed]).toEqual(["pending", 0]);
  });

  test("takes what a newer one has stored as it would have stored it, and leaves what that wrote to it", async () => {
    const profile = new TestProfile();
    await (await stored(profile, "x")).replica.close();
    app.deploy(2);
    const newer = open(2, profile);
    await world.waitUntil(newer.isLive);
    newer.client.disconnect();
    await newer.col.update("x", (draft) => void (draft["population"] = 9)).durable;
    await newer.replica.close();
    const old = open(1, profile);
    await world.waitUntil(() => old.isLive() && old.replica.status.get().tooNew.length > 0);
    expect(old.col.get("x")).toEqual({ ...bonn, visits: 0, tags: [] });
    expect(old.replica.transactions.list().map(({ state }) => state)).toEqual(["pending"]);
    await old.replica.close();
    const again = open(2, profile);
    await world.waitUntil(again.isSettled);
    expect((await app.rows())[0]).toMatchObject({ ...bonnV2, population: 9 });
  });
});

test("I-4: what is written on a document that others have migrated is sent, though its scope is not read any more", async () => {
  const profile = new TestProfile();
  const old = await stored(profile, "x");
  await old.replica.close();
  app.deploy(2);
  await app.writer((writer) => writer.update("x", (draft) => draft.visits.increment()));
  const updated = open(2, profile);
  updated.subscription.stop({ keepData: true });
  await updated.replica.ready;
  updated.col.update("x", (draft) => draft.visits.increment());
  await world.settled(updated);
  expect(updated.replica.transactions.list()).toEqual([]);
  expect((await app.rows())[0]).toMatchObject({ ...bonnV2, visits: 2 });
});

describe("tabs of two versions on one database", () => {
  test("I-7, I-19: the older one ends read-only, even if it led; what it wrote is sent by the newer one", async () => {
    const profile = new TestProfile();
    const old = await stored(profile, "x");
    const durable = old.col.update("x", (draft) => void (draft["people"] = 9));
    await durable.durable;
    app.deploy(2);
    const updated = open(2, profile);
    await updated.replica.ready;
    await world.waitUntil(() => updated.replica.status.get().leader);
    await world.waitUntil(updated.isSettled);
    expect(updated.col.get("x")).toMatchObject({ ...bonnV2, population: 9 });
    expect(old.replica.status.get().readOnly).toMatchObject({ code: "schema_too_new" });
    expect(() => old.col.update("x", (draft) => draft.visits.increment())).toThrow(
      expect.objectContaining({ code: "schema_too_new" }),
    );
    expect(old.col.get("x")).toMatchObject({ people: 9 });
    const late = open(1, profile);
    await world.waitUntil(() => late.replica.status.get().readOnly !== null);
    expect(late.errors.map(({ code }) => code)).toEqual(["schema_too_new"]);
    expect(updated.errors).toEqual([]);
  });
});

describe("a step that fails", () => {
  const failing = defineCollection("places", {
    fields: placesV2.fields,
    defaults: { status: "open" },
    schemaVersion: 2,
    migrate: {
      2: (old) => {
        if (old["name"] === "Bonn") throw new Error("Bonn is no more.");
        return placesV2.migrate[2]!(old) as { population: number };
      },
    },
  }) as AnyCollection;

  test("hides the one document, which is told; nothing is lost, and a mended app shows it", async () => {
    const profile = new TestProfile();
    await app.writer((writer) => writer.insert({ ...bonn, id: "y", name: "Köln" }));
    const old = await stored(profile, "x");
    old.col.update("x", (draft) => draft.visits.increment());
    const late = old.col.update("x", (draft) => void (draft["people"] = 9));
    await late.durable;
    await old.replica.close();
    app.deploy(2);
    const updated = open(2, profile, failing);
    await world.waitUntil(updated.isLive);
    expect([...updated.col.rows()]).toMatchObject([{ id: "y", name: "Köln", population: 7 }]);
    expect(updated.errors.map(({ code, message }) => [code, message])).toContainEqual([
      "invalid_row",
      expect.stringMatching(
        /migrate\[2\] of "places" threw: Bonn is no more.*document "x".*nothing of it is lost/,
      ),
    ]);
    const listed = updated.replica.transactions.list({ state: "failed" });
    expect(listed.map(({ error }) => error?.code)).toContain("invalid_row");
    await updated.replica.close();
    const mended = open(2, profile);
    await world.waitUntil(mended.isLive);
    expect(mended.col.get("x")).toMatchObject(bonnV2);
    for (const transaction of mended.replica.transactions.list({ state: "failed" })) transaction.retry();
    await world.waitUntil(mended.isSettled);
    expect((await app.rows()).find(({ id }) => id === "x")).toMatchObject({ population: 9, visits: 1 });
  });
});
