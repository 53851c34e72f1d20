// What the closest public system gets wrong, each through the real client, functions and component. Those that concern
// the server alone stand beside its own tests, under titles that begin in the same way.
import { beforeEach, expect, test } from "vitest";
import { canonicalJson } from "../shared/canonicalJson.js";
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

type Functions = Parameters<typeof network.connect>[0];

function openDevice(scopes: readonly string[], profile = new TestProfile(), functions: Functions = app.t) {
  const client = network.connect(functions);
  const { api } = app;
  const replica = openTestReplica({ api, client, collections: [sites], clock, randomness, profile });
  replica.events.on("error", () => {}); // what the device is told of is not what these tests are about
  const subscription = scopes.length === 0 ? null : replica.subscribe(sites, { scopes });
  return { client, replica, subscription, profile, col: replica.collection(sites) };
}
type Device = ReturnType<typeof openDevice>;

const waitUntil = (condition: () => boolean | Promise<boolean>) => until({ clock, network }, condition);
const isLive = ({ subscription }: Device) => subscription?.state === "live";
async function openReader(profile?: TestProfile, scopes = ["DE"]): Promise<Device> {
  const device = openDevice(scopes, profile);
  await waitUntil(() => isLive(device));
  return device;
}
const settled = ({ replica }: Device) => waitUntil(() => replica.status.get().pending === 0);
/** Its process ends without a word. */
async function end({ client, replica }: Device): Promise<void> {
  client.die();
  await replica.close();
}
const sorted = (rows: Iterable<{ readonly id: string }>) =>
  canonicalJson([...rows].sort((a, b) => (a.id < b.id ? -1 : 1)) as never);

const berlin = { id: "x", name: "Berlin", country: "DE" };
const seed = (...rows: { id: string; name: string; country: string }[]) =>
  app.writer((writer) => writer.insertMany(rows));
const serverRow = async (id: string) => (await app.rows()).find((row) => row.id === id);
const many = (count: number, country = "DE") =>
  Array.from({ length: count }, (_, n) => ({ id: `d${n}`, name: `n${n}`, country }));

test("fault 1: concurrent edits of different fields both stay", async () => {
  await seed(berlin);
  const [a, b] = [await openReader(), await openReader()];
  for (const { client } of [a, b]) client.disconnect();
  a.col.update("x", (draft) => void (draft.name = "by A"));
  b.col.update("x", (draft) => void (draft.note = "by B"));
  for (const { client } of [a, b]) client.reconnect();
  const both = { name: "by A", note: "by B" };
  await waitUntil(() =>
    [a, b].every(({ col }) => col.get("x")?.name === both.name && col.get("x")?.note === both.note),
  );
  expect(await serverRow("x")).toMatchObject(both);
});

test("fault 2: the app's row is what the documents say, whichever of two writers of one field came last", async () => {
  await seed(berlin);
  const [a, b] = [await openReader(), await openReader()];
  for (const { client } of [a, b]) client.disconnect();
  for (const [index, { col }] of [a, b].entries())
    col.update("x", (draft) => {
      draft.name = `by ${index}`;
      draft.visits.increment();
      draft.tags.add(`tag ${index}`);
    });
  for (const device of [a, b]) {
    device.client.reconnect();
    await settled(device);
  }
  const fresh = await openReader();
  await waitUntil(() => [a, b].every(({ col }) => col.get("x")?.visits === 2));
  const rows = sorted(await app.rows());
  expect([a, b, fresh].map(({ col }) => sorted(col.rows()))).toEqual([rows, rows, rows]);
});

test("fault 3: a refused update hides none of the later ones of its device", async () => {
  await seed(berlin);
  const [a, b] = [await openReader(), await openReader()];
  const refused = a.col.update("x", (draft) => void (draft.name = "forbidden"));
  await waitUntil(() => refused.state === "failed");
  a.col.update("x", (draft) => draft.visits.increment());
  await settled(a);
  await waitUntil(() => b.col.get("x")?.visits === 1);
  expect(await serverRow("x")).toMatchObject({ name: "Berlin", visits: 1 });
});

test("fault 5: documents created offline are there after reconnecting, here and on the server", async () => {
  const a = await openReader();
  a.client.disconnect();
  for (const row of many(3)) a.col.insert(row);
  const sizes = new Set<number>();
  a.col.subscribe(() => sizes.add(a.col.size));
  a.client.reconnect();
  await settled(a);
  expect([...sizes]).toEqual([3]);
  expect(sorted(await app.rows())).toBe(sorted(a.col.rows()));
});

test("fault 6: a cold start offline with local data is ready, and loaded", async () => {
  await seed(berlin);
  const a = await openReader();
  await end(a);
  network.calls.queries = 0;
  const client = network.connect(app.t);
  client.disconnect();
  const replica = openTestReplica({
    api: app.api,
    client,
    collections: [sites],
    clock,
    randomness,
    profile: a.profile,
  });
  await replica.ready;
  expect(replica.collection(sites).get("x")?.name).toBe("Berlin");
  await replica.subscribe(sites, { scopes: ["DE"] }).loaded;
  expect(network.calls.queries).toBe(0);
});

test("fault 7: a refused insert does not come back after a reload", async () => {
  const a = await openReader();
  const refused = a.col.insert({ ...berlin, name: "forbidden" });
  await waitUntil(() => refused.state === "failed");
  expect(a.col.has("x")).toBe(false);
  await end(a);
  const again = await openReader(a.profile);
  expect([again.col.has("x"), again.replica.transactions.list().map(({ state }) => state)]).toEqual([
    false,
    ["failed"],
  ]);
});

test("fault 8: a refused delete leaves the row where it was, after a reload too", async () => {
  await seed({ ...berlin, id: "l", country: "LU" });
  const a = await openReader(new TestProfile(), ["LU"]);
  const refused = a.col.delete("l");
  expect(a.col.has("l")).toBe(false);
  await waitUntil(() => refused.state === "failed");
  expect(a.col.get("l")?.name).toBe("Berlin");
  await end(a);
  const again = openDevice([], a.profile);
  await again.replica.ready;
  expect(again.col.get("l")?.name).toBe("Berlin");
});

test("fault 9: a deleted id that is inserted again is there after a reload", async () => {
  await seed(berlin);
  const a = await openReader();
  a.col.delete("x");
  await settled(a);
  a.col.insert({ ...berlin, name: "again" });
  await settled(a);
  await end(a);
  const again = openDevice([], a.profile);
  again.client.disconnect();
  await again.replica.ready;
  expect(again.col.get("x")?.name).toBe("again");
  expect((await openReader()).col.get("x")?.name).toBe("again");
});

test("fault 10: a new device receives documents that were compacted, and what came after", async () => {
  await seed(berlin, { ...berlin, id: "y" });
  const a = await openReader();
  a.col.update("x", (draft) => draft.visits.increment());
  await settled(a);
  const document = { collection: "sites", document: "x" };
  await app.t.mutation((ctx) => ctx.runMutation(app.component.compact.compact, document));
  a.col.update("x", (draft) => draft.visits.increment());
  await settled(a);
  const fresh = await openReader();
  expect(sorted(fresh.col.rows())).toBe(sorted(await app.rows()));
  expect(fresh.col.get("x")?.visits).toBe(2);
});

test("fault 11: a counter that two devices begin to count at the same time counts both", async () => {
  await seed(berlin);
  const [a, b] = [await openReader(), await openReader()];
  for (const { client, col } of [a, b]) {
    client.disconnect();
    col.update("x", (draft) => draft.visits.increment());
  }
  for (const { client } of [a, b]) client.reconnect();
  await waitUntil(() => [a, b].every(({ col }) => col.get("x")?.visits === 2));
  expect((await serverRow("x"))?.visits).toBe(2);
});

test("fault 16: of a scope that may not be read not a byte is sent", async () => {
  await seed(berlin, { id: "secret", name: "Area XX", country: "XX" });
  const sent: unknown[] = [];
  const recorded: Functions = {
    mutation: (mutation, args) => app.t.mutation(mutation, args),
    query: async (query, args) => {
      const result: unknown = await app.t.query(query, args);
      sent.push(result);
      return result;
    },
  };
  const device = openDevice([], undefined, recorded);
  const [german, secret] = ["DE", "XX"].map((scope) => device.replica.subscribe(sites, { scopes: [scope] }));
  await waitUntil(() => german?.state === "live" && secret?.state === "denied");
  const bytes = sent.flatMap((result) =>
    ((result as { entries?: { document: string; bytes?: ArrayBuffer }[] }).entries ?? []).map(
      (entry) => entry.document + Buffer.from(entry.bytes ?? new ArrayBuffer(0)).toString("latin1"),
    ),
  );
  expect(bytes.join()).toContain("Berlin");
  expect(bytes.join()).not.toMatch(/secret|Area/);
});

test("fault 18: a document that is granted later arrives whole, and goes on", async () => {
  const granted = new Set(["DE"]);
  const server = createServerApp(() => ({ read: (_ctx, { scope }) => granted.has(scope) }));
  await server.writer((writer) => writer.insert({ ...berlin, country: "FR", visits: 3, tags: ["old"] }));
  const client = network.connect(server.t);
  const options = { api: server.api, client, collections: [sites] as const, clock, randomness };
  const replica = openTestReplica(options);
  const [col, subscription] = [replica.collection(sites), replica.subscribe(sites, { scopes: ["FR"] })];
  await waitUntil(() => subscription.state === "denied");
  expect(col.size).toBe(0);
  granted.add("FR");
  await server.writer((writer) => writer.update("x", (draft) => draft.visits.increment()));
  await network.refresh();
  await waitUntil(() => subscription.state === "live");
  col.update("x", (draft) => draft.visits.increment());
  await waitUntil(() => replica.status.get().pending === 0);
  const [row] = (await server.rows()).map(({ _id, ...fields }) => fields);
  expect(col.get("x")).toEqual(row);
  expect(row).toMatchObject({ name: "Berlin", visits: 5, tags: ["old"] });
});

test("fault 19: opening costs a call a page and no mutation, reopening one call, however many documents there are", async () => {
  await seed(...many(500));
  network.calls.queries = 0;
  const a = await openReader();
  expect(a.col.size).toBe(500);
  expect(network.calls.queries).toBeLessThanOrEqual(Math.ceil(500 / 256) + 1);
  await end(a);
  network.calls.queries = 0;
  const again = await openReader(a.profile);
  expect(again.col.size).toBe(500);
  expect(network.calls).toEqual({ queries: 1, mutations: 0 });
});

test("fault 20: of 20 rapid inserts all are shown while the server fails, none once they are refused, all 20 are listed", async () => {
  const a = await openReader(new TestProfile(), ["LU"]);
  for (let n = 0; n < 3; n++) a.client.failNextMutation(new Error("Server Error"));
  const sizes = new Set<number>();
  const inserts = many(20, "LU").map((row) => a.col.insert(row));
  expect(a.col.size).toBe(20);
  a.col.subscribe(() => sizes.add(a.col.size));
  await waitUntil(() => inserts.every(({ state }) => state === "failed"));
  expect([[...sizes].at(0), [...sizes].at(-1)]).toEqual([20, 0]);
  expect(a.replica.transactions.list({ state: "failed" })).toHaveLength(20);
  expect(await app.rows()).toEqual([]);
});
