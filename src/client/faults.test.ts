// What the closest public system gets wrong, each through the real client, functions and component. Those that concern
// the server alone stand beside its own tests, under titles that begin in the same way.
import { beforeEach, expect, test } from "vitest";
import { createFieldApp, sites } from "../testing/fieldApp.js";
import { createServerApp } from "../testing/serverApp.js";
import type { Functions } from "../testing/simulatedNetwork.js";
import { berlin, many, SitesWorld, textOf } from "../testing/testWorld.js";

let world: SitesWorld;

beforeEach(() => {
  // What a device is told of is not what these tests are about.
  world = new SitesWorld(createFieldApp(), { keepsErrors: true });
});

test("fault 1: concurrent edits of different fields both stay", async () => {
  await world.seed(berlin);
  const [a, b] = [await world.openReader(), await world.openReader()];
  for (const { client } of [a, b]) client.disconnect();
  a.col.update("x", (draft) => void (draft.name = "by A"));
  b.col.update("x", (draft) => void (draft.note = "by B"));
  for (const { client } of [a, b]) client.reconnect();
  const both = { name: "by A", note: "by B" };
  await world.waitUntil(() =>
    [a, b].every(({ col }) => col.get("x")?.name === both.name && col.get("x")?.note === both.note),
  );
  expect(await world.row("x")).toMatchObject(both);
});

test("fault 2: the app's row is what the documents say, whichever of two writers of one field came last", async () => {
  await world.seed(berlin);
  const [a, b] = [await world.openReader(), await world.openReader()];
  for (const { client } of [a, b]) client.disconnect();
  for (const [index, { col }] of [a, b].entries())
    col.update("x", (draft) => {
      draft.name = `by ${index}`;
      draft.visits.increment();
      draft.tags.add(`tag ${index}`);
    });
  for (const device of [a, b]) {
    device.client.reconnect();
    await world.settled(device);
  }
  const fresh = await world.openReader();
  await world.waitUntil(() => [a, b].every(({ col }) => col.get("x")?.visits === 2));
  const rows = textOf(await world.app.rows());
  expect([a, b, fresh].map(({ col }) => textOf(col.rows()))).toEqual([rows, rows, rows]);
});

test("fault 3: a refused update hides none of the later ones of its device", async () => {
  await world.seed(berlin);
  const [a, b] = [await world.openReader(), await world.openReader()];
  const refused = a.col.update("x", (draft) => void (draft.name = "forbidden"));
  await world.waitUntil(() => refused.state === "failed");
  a.col.update("x", (draft) => draft.visits.increment());
  await world.settled(a);
  await world.waitUntil(() => b.col.get("x")?.visits === 1);
  expect(await world.row("x")).toMatchObject({ name: "Berlin", visits: 1 });
});

test("fault 5: documents created offline are there after reconnecting, here and on the server", async () => {
  const a = await world.openReader();
  a.client.disconnect();
  for (const row of many(3)) a.col.insert(row);
  const sizes = new Set<number>();
  a.col.subscribe(() => sizes.add(a.col.size));
  a.client.reconnect();
  await world.settled(a);
  expect([...sizes]).toEqual([3]);
  expect(textOf(await world.app.rows())).toBe(textOf(a.col.rows()));
});

test("fault 6: a cold start offline with local data is ready, and loaded", async () => {
  await world.seed(berlin);
  const a = await world.openReader();
  await a.close();
  world.network.calls.queries = 0;
  const again = world.open({ profile: a.profile, isOnline: false });
  await again.replica.ready;
  expect(again.col.get("x")?.name).toBe("Berlin");
  await again.replica.subscribe(sites, { scopes: ["DE"] }).loaded;
  expect(world.network.calls.queries).toBe(0);
});

test("fault 7: a refused insert does not come back after a reload", async () => {
  const a = await world.openReader();
  const refused = a.col.insert({ ...berlin, name: "forbidden" });
  await world.waitUntil(() => refused.state === "failed");
  expect(a.col.has("x")).toBe(false);
  await a.close();
  const again = await world.openReader({ profile: a.profile });
  expect([again.col.has("x"), again.replica.transactions.list().map(({ state }) => state)]).toEqual([
    false,
    ["failed"],
  ]);
});

test("fault 8: a refused delete leaves the row where it was, after a reload too", async () => {
  await world.seed({ ...berlin, id: "l", country: "LU" });
  const a = await world.openReader({ scopes: ["LU"] });
  const refused = a.col.delete("l");
  expect(a.col.has("l")).toBe(false);
  await world.waitUntil(() => refused.state === "failed");
  expect(a.col.get("l")?.name).toBe("Berlin");
  await a.close();
  const again = world.open({ profile: a.profile });
  await again.replica.ready;
  expect(again.col.get("l")?.name).toBe("Berlin");
});

test("fault 9: a deleted id that is inserted again is there after a reload", async () => {
  await world.seed(berlin);
  const a = await world.openReader();
  a.col.delete("x");
  await world.settled(a);
  a.col.insert({ ...berlin, name: "again" });
  await world.settled(a);
  await a.close();
  const again = world.open({ profile: a.profile });
  again.client.disconnect();
  await again.replica.ready;
  expect(again.col.get("x")?.name).toBe("again");
  expect((await world.openReader()).col.get("x")?.name).toBe("again");
});

test("fault 10: a new device receives documents that were compacted, and what came after", async () => {
  await world.seed(berlin, { ...berlin, id: "y" });
  const a = await world.openReader();
  a.col.update("x", (draft) => draft.visits.increment());
  await world.settled(a);
  const document = { collection: "sites", document: "x" };
  await world.app.t.mutation((ctx) => ctx.runMutation(world.app.component.compact.compact, document));
  a.col.update("x", (draft) => draft.visits.increment());
  await world.settled(a);
  const fresh = await world.openReader();
  expect(textOf(fresh.col.rows())).toBe(textOf(await world.app.rows()));
  expect(fresh.col.get("x")?.visits).toBe(2);
});

test("fault 11: a counter that two devices begin to count at the same time counts both", async () => {
  await world.seed(berlin);
  const [a, b] = [await world.openReader(), await world.openReader()];
  for (const { client, col } of [a, b]) {
    client.disconnect();
    col.update("x", (draft) => draft.visits.increment());
  }
  for (const { client } of [a, b]) client.reconnect();
  await world.waitUntil(() => [a, b].every(({ col }) => col.get("x")?.visits === 2));
  expect((await world.row("x"))?.visits).toBe(2);
});

test("fault 16: of a scope that may not be read not a byte is sent", async () => {
  await world.seed(berlin, { id: "secret", name: "Area XX", country: "XX" });
  const sent: unknown[] = [];
  const functions: Functions = {
    mutation: (mutation, args) => world.app.t.mutation(mutation, args),
    query: async (query, args) => {
      const result: unknown = await world.app.t.query(query, args);
      sent.push(result);
      return result;
    },
  };
  const device = world.open({ functions });
  const [german, secret] = ["DE", "XX"].map((scope) => device.replica.subscribe(sites, { scopes: [scope] }));
  await world.waitUntil(() => german?.state === "live" && secret?.state === "denied");
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
  const world = new SitesWorld(createServerApp(() => ({ read: (_ctx, { scope }) => granted.has(scope) })));
  await world.app.writer((writer) => writer.insert({ ...berlin, country: "FR", visits: 3, tags: ["old"] }));
  const { col, replica, subscription } = world.open({ scopes: ["FR"] });
  await world.waitUntil(() => subscription?.state === "denied");
  expect(col.size).toBe(0);
  granted.add("FR");
  await world.app.writer((writer) => writer.update("x", (draft) => draft.visits.increment()));
  await world.network.refresh();
  await world.waitUntil(() => subscription?.state === "live");
  col.update("x", (draft) => draft.visits.increment());
  await world.settled({ replica });
  const [row] = (await world.app.rows()).map(({ _id, ...fields }) => fields);
  expect(col.get("x")).toEqual(row);
  expect(row).toMatchObject({ name: "Berlin", visits: 5, tags: ["old"] });
});

test("fault 19: opening costs a call a page and no mutation, reopening one call, however many documents there are", async () => {
  await world.seed(...many(500));
  world.network.calls.queries = 0;
  const a = await world.openReader();
  expect(a.col.size).toBe(500);
  expect(world.network.calls.queries).toBeLessThanOrEqual(Math.ceil(500 / 256) + 1);
  await a.close();
  world.network.calls.queries = 0;
  const again = await world.openReader({ profile: a.profile });
  expect(again.col.size).toBe(500);
  expect(world.network.calls).toEqual({ queries: 1, mutations: 0 });
});

test("fault 20: of 20 rapid inserts all are shown while the server fails, none once they are refused, all 20 are listed", async () => {
  const a = await world.openReader({ scopes: ["LU"] });
  for (let n = 0; n < 3; n++) a.client.failNextMutation(new Error("Server Error"));
  const sizes = new Set<number>();
  const inserts = many(20, "LU").map((row) => a.col.insert(row));
  expect(a.col.size).toBe(20);
  a.col.subscribe(() => sizes.add(a.col.size));
  await world.waitUntil(() => inserts.every(({ state }) => state === "failed"));
  expect([[...sizes].at(0), [...sizes].at(-1)]).toEqual([20, 0]);
  expect(a.replica.transactions.list({ state: "failed" })).toHaveLength(20);
  expect(await world.app.rows()).toEqual([]);
});
