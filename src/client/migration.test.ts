import { beforeEach, describe, expect, test } from "vitest";
import { defineCollection, type AnyCollection } from "../collections/index.js";
import { ManualClock, until } from "../testing/manualClock.js";
import { SimulatedNetwork } from "../testing/simulatedNetwork.js";
import { openTestReplica, seededRandomness, TestProfile } from "../testing/testReplica.js";
import {
  createVersionedApp,
  places,
  placesV2,
  type PlaceDraft,
  type VersionedApp,
} from "../testing/versionedApp.js";
import type { ReplicaError } from "./base/errors.js";
import type { Transaction } from "./base/types.js";

/** A client's collection of whatever version. */
interface Places {
  get(id: string): Record<string, unknown> | undefined;
  rows(): Iterable<Record<string, unknown>>;
  insert(row: { readonly id: string } & Record<string, unknown>): Transaction;
  update(id: string, change: (draft: PlaceDraft) => void): Transaction;
  delete(id: string): Transaction;
  status(id: string): string;
}

let app: VersionedApp;
let network: SimulatedNetwork;
let clock: ManualClock;
let randomness: ReturnType<typeof seededRandomness>;
beforeEach(() => {
  app = createVersionedApp(1);
  network = new SimulatedNetwork();
  clock = new ManualClock();
  randomness = seededRandomness(1);
});

/** An app of a version on a device. @param definition - in place of that of the version */
function open(version: number, profile = new TestProfile(), definition: AnyCollection = places[version]!) {
  const client = network.connect(app.t);
  const { push, pull, status } = app.api;
  const tab = profile.openTab();
  const api = { push, pull, status };
  const replica = openTestReplica({ api, client, collections: [definition], clock, randomness, tab });
  const errors: ReplicaError[] = [];
  replica.events.on("error", ({ error }) => void errors.push(error as ReplicaError));
  replica.subscribe(definition);
  const col = replica.collection(definition) as unknown as Places;
  const isLive = () => {
    const { scopes } = replica.status.get();
    return scopes.length === 1 && scopes.every(({ state }) => state === "live");
  };
  /** Everything has been read, sent and answered. */
  const isSettled = () => isLive() && replica.status.get().pending === 0;
  return { client, replica, tab, col, errors, isLive, isSettled };
}
const waitUntil = (condition: () => boolean | Promise<boolean>) => until({ clock, network }, condition);

const bonn = { id: "x", name: "Bonn", people: 7, price: 2 };
const bonnV2 = { name: "Bonn", population: 7, price: 200, status: "open" };

/** A device that has stored the documents under version 1, and is offline. */
async function stored(profile: TestProfile, ...ids: string[]) {
  for (const id of ids) await app.writer((writer) => writer.insert({ ...bonn, id }));
  const old = open(1, profile);
  await waitUntil(() => old.isLive() && [...old.col.rows()].length === ids.length);
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
    await waitUntil(() => !updated.replica.status.get().isOpening);
    expect([...updated.col.rows()]).toMatchObject(ids.map((id) => ({ id, ...bonnV2 })));
    expect(shown).toEqual(shown.map(() => expect.objectContaining(bonnV2)));
    expect(shown).toHaveLength(ids.length);
  });

  test("writes them anew when there is nothing else to do, so that the next start reads them as they are", async () => {
    const profile = new TestProfile();
    await (await stored(profile, "x", "y")).replica.close();
    const updated = open(2, profile);
    const versions = () =>
      [...profile.database.data!.contents.documents.values()].map(({ rowVersion }) => rowVersion);
    await waitUntil(() => updated.isLive() && versions().every((version) => version === 2));
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
    await waitUntil(updated.isSettled);
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
    await waitUntil(() => old.isLive() && old.col.get("x")?.["name"] === "Köln");
    expect(() => old.col.update("x", (draft) => draft.visits.increment())).toThrow(
      expect.objectContaining({ code: "schema_too_new" }),
    );
    expect([old.col.status("x"), old.replica.status.get().tooNew]).toEqual(["pending", ["places"]]);
    await old.replica.close();
    const updated = open(2, profile);
    await waitUntil(updated.isSettled);
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
      await waitUntil(old.isLive);
      app.deploy(version);
      if (lost === "answer") old.client.loseNextAnswer();
      else old.client.loseNextRequest();
      old.col.update("x", (draft) => void (draft["price"] = 3));
      old.col.update("x", (draft) => draft.visits.increment());
      await waitUntil(() => old.replica.status.get().connection === "offline" && network.inFlight === 0);
      expect(old.replica.transactions.list().map(({ state }) => state)).toEqual(["persisting", "persisting"]);
      old.client.die();
      old.tab.kill();
      app.deploy(2);
      const updated = open(2, profile);
      await waitUntil(updated.isSettled);
      const expected = { ...bonnV2, price: 300, visits: 1 };
      const [row] = await app.rows();
      if (lost === "request" || version === 2) expect(row).toMatchObject(expected);
      else expect(row).toMatchObject({ price: 3, visits: 1 }); // as the older server wrote it, until the next write
      expect(updated.col.get("x")).toMatchObject(expected);
    },
  );
});
