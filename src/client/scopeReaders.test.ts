import { beforeEach, describe, expect, test } from "vitest";
import { createFieldApp, sites, type FieldApp } from "../testing/fieldApp.js";
import { ManualClock, until } from "../testing/manualClock.js";
import { createServerApp } from "../testing/serverApp.js";
import { SimulatedNetwork } from "../testing/simulatedNetwork.js";
import { openTestReplica, seededRandomness, TestProfile } from "../testing/testReplica.js";

let app: FieldApp;
let network: SimulatedNetwork;
let clock: ManualClock;
let randomness: ReturnType<typeof seededRandomness>;

beforeEach(() => {
  app = createFieldApp();
  network = new SimulatedNetwork();
  clock = new ManualClock();
  randomness = seededRandomness(1);
});

const waitUntil = (condition: () => boolean | Promise<boolean>) => until({ clock, network }, condition);
const seed = (...rows: { id: string; name: string; country: string }[]) =>
  app.writer((writer) => writer.insertMany(rows));
const many = (count: number, country: string) =>
  Array.from({ length: count }, (_, n) => ({ id: `${country}${n}`, name: "n", country }));

function openDevice(profile = new TestProfile()) {
  const client = network.connect(app.t);
  const tab = profile.openTab();
  const parts = { api: app.api, client, collections: [sites] as const, clock, randomness, tab };
  const replica = openTestReplica(parts);
  return { client, replica, tab, profile, col: replica.collection(sites) };
}
type Device = ReturnType<typeof openDevice>;
const areLive = ({ replica }: Device, count: number) => {
  const { scopes } = replica.status.get();
  return scopes.length === count && scopes.every(({ state }) => state === "live");
};
async function openReader(scopes: readonly string[], profile?: TestProfile): Promise<Device> {
  const device = openDevice(profile);
  device.replica.subscribe(sites, { scopes: [...scopes] });
  await waitUntil(() => areLive(device, scopes.length));
  return device;
}

describe("I-7: a document that moves between two scopes that are read is never missing", () => {
  const move = () => app.writer((writer) => writer.update("x", (draft) => void (draft.country = "FR")));
  const watch = ({ col }: Device) => {
    const seen = new Set<string | undefined>();
    col.subscribe(() => seen.add(col.get("x")?.country));
    return seen;
  };

  test.each([
    ["one way", ["DE", "FR"]],
    ["the other", ["FR", "DE"]],
  ])("while both catch up, and the scope it enters has more pages: %s", async (_name, scopes) => {
    await seed({ id: "x", name: "n", country: "DE" });
    const a = await openReader(scopes);
    a.client.disconnect();
    await seed(...many(400, "FR"));
    await move();
    const seen = watch(a);
    a.client.reconnect();
    await waitUntil(() => a.col.get("x")?.country === "FR" && areLive(a, 2));
    expect([...seen].filter((country) => country === undefined)).toEqual([]);
  });

  test("while the reader of the scope it enters is busy with an earlier page", async () => {
    await seed({ id: "x", name: "n", country: "DE" });
    const a = await openReader(["DE", "FR"]);
    const seen = watch(a);
    const moved = seed(...many(3, "FR")).then(async () => {
      void network.refresh();
      await move();
      await network.refresh();
    });
    await moved;
    await waitUntil(() => a.col.get("x")?.country === "FR");
    expect([...seen]).not.toContain(undefined);
  });

  test("though others go the other way, and what was written here is settled with it", async () => {
    await seed({ id: "x", name: "n", country: "DE" }, { id: "y", name: "n", country: "FR" });
    const a = await openReader(["DE", "FR"]);
    const shown = new Set<string>();
    a.col.subscribe(() => shown.add(`${a.col.get("x")?.visits} ${a.col.get("y")?.visits}`));
    a.replica.transact(() => {
      a.col.update("x", (draft) => {
        draft.country = "FR";
        draft.visits.increment();
      });
      a.col.update("y", (draft) => {
        draft.country = "DE";
        draft.visits.increment();
      });
    });
    await waitUntil(() => a.replica.status.get().pending === 0);
    expect([...shown]).toEqual(["1 1"]);
  });
});

describe("what the stream tells beside documents", () => {
  test("a row shows how its texts begin, is edited as before, and loses it with a restart of neither", async () => {
    const server = createServerApp();
    await server.writer((writer) => writer.insert({ id: "x", name: "n", country: "DE" }));
    const { push, pull, status } = server.api;
    const profile = new TestProfile();
    const open = () => {
      const client = network.connect(server.t);
      const parts = { api: { push, pull, status }, client, collections: [sites] as const, clock, randomness };
      const replica = openTestReplica({ ...parts, tab: profile.openTab() });
      replica.subscribe(sites, { scopes: ["DE"] });
      const told: unknown[] = [];
      replica.events.on("bulkCompleted", (event) => told.push(event));
      return { replica, client, told, col: replica.collection(sites) };
    };
    const a = open();
    await waitUntil(() => a.replica.status.get().scopes[0]?.state === "live");
    await server.inComponent(async ({ db }) => {
      const place = { collection: "sites", scope: "DE", ts: db.vars.commitTs };
      const body = { kind: "part" as const, part: "log", newest: 1n, preview: "Dear diary" };
      await db.insert("announcements", { ...place, document: "x", body });
      const bulk = { kind: "bulk" as const, job: "j", count: 7 };
      await db.insert("announcements", { ...place, document: "", body: bulk });
    });
    await network.refresh();
    await waitUntil(() => a.col.get("x")?.log === "Dear diary");
    expect(a.told).toEqual([{ collection: "sites", scope: "DE", count: 7 }]);
    a.col.update("x", (draft) => void (draft.name = "renamed"));
    expect(a.col.get("x")).toMatchObject({ name: "renamed", log: "Dear diary" });
    await waitUntil(() => a.replica.status.get().pending === 0);
    await a.replica.close();
    const again = open();
    await again.replica.ready;
    expect(again.col.get("x")).toMatchObject({ name: "renamed", log: "Dear diary" });
    await waitUntil(() => again.replica.status.get().scopes[0]?.state === "live");
    expect(again.told).toEqual([]);
  });
});

test("a device that reads has a session at the server, and none once it is closed; a beat costs no query", async () => {
  const server = createServerApp();
  await server.writer((writer) => writer.insert({ id: "x", name: "n", country: "DE" }));
  const client = network.connect(server.t);
  const parts = { api: server.api, client, collections: [sites] as const, clock, randomness };
  const replica = openTestReplica({ ...parts, hasSessions: true });
  replica.subscribe(sites, { scopes: ["DE"] });
  const sessions = async () => (await server.tables())["sessions"] as { cursors: object[] }[];
  await waitUntil(async () => (await sessions()).length > 0);
  expect(await sessions()).toMatchObject([{ cursors: [{ collection: "sites", scope: "DE" }] }]);
  const { queries, mutations } = network.calls;
  await waitUntil(() => network.calls.mutations > mutations + 2);
  expect(network.calls.queries - queries).toBeLessThanOrEqual(3); // the simulation asks watched queries at each write
  await replica.close();
  await waitUntil(async () => (await sessions()).length === 0);
});

test("I-2: a scope that is wanted again while it is let go of is there in the end, with all that is in it", async () => {
  await seed({ id: "x", name: "n", country: "DE" });
  for (let turns = 0; turns < 24; turns++) {
    const device = openDevice();
    const subscription = device.replica.subscribe(sites, { scopes: ["DE"] });
    await waitUntil(() => areLive(device, 1));
    subscription.stop();
    for (let turn = 0; turn < turns; turn++) await null;
    device.replica.subscribe(sites, { scopes: ["DE"] });
    await seed({ id: `y${turns}`, name: "n", country: "DE" });
    await network.refresh();
    await waitUntil(() => device.col.has(`y${turns}`) && areLive(device, 1));
    expect([turns, device.col.has("x")]).toEqual([turns, true]);
    await device.replica.close();
  }
});
