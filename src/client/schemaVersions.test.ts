import { convexTest } from "convex-test";
import { anyApi, componentsGeneric, defineSchema } from "convex/server";
import { expect, test } from "vitest";
import type { ComponentApi } from "../component/_generated/component.js";
import componentSchema from "../component/schema.js";
import { defineCollection } from "../collections/index.js";
import { notes, sites } from "../testing/fieldApp.js";
import { ManualClock, until } from "../testing/manualClock.js";
import { createServerApp } from "../testing/serverApp.js";
import { SimulatedNetwork } from "../testing/simulatedNetwork.js";
import { openTestReplica, seededRandomness, TestProfile } from "../testing/testReplica.js";
import { componentModules } from "../testing/componentModules.js";
import { Replicate } from "../server/index.js";
import type { ReplicaApi } from "../shared/replicaApi.js";
import { startCursor, type PullResult } from "../shared/wire.js";
import { v } from "convex/values";

/** A server that is of another release than the app: it tells another version, or does not know of versions at all. */
function setUp() {
  const app = createServerApp();
  const server = { version: undefined as number | undefined };
  const functions: Parameters<SimulatedNetwork["connect"]>[0] = {
    mutation: (mutation, args) => app.t.mutation(mutation, args),
    query: async (query, args) => {
      const result = (await app.t.query(query, args)) as PullResult;
      const isTold = result.type === "page" && server.version !== undefined && args["collection"] === "sites";
      return isTold ? { ...result, schemaVersion: server.version } : result;
    },
  };
  const network = new SimulatedNetwork();
  const clock = new ManualClock();
  const randomness = seededRandomness(1);
  const open = (profile: TestProfile, definition: typeof sites = sites) => {
    const client = network.connect(functions);
    const { push, pull, status } = app.api;
    const collections = [definition, notes] as const;
    const parts = { api: { push, pull, status }, client, collections, clock, randomness };
    const replica = openTestReplica({ ...parts, tab: profile.openTab() });
    replica.subscribe(definition, { scopes: ["DE"] });
    replica.subscribe(notes);
    return { client, replica, col: replica.collection(definition), notes: replica.collection(notes) };
  };
  const waitUntil = (condition: () => boolean | Promise<boolean>) => until({ clock, network }, condition);
  return { app, server, network, open, waitUntil };
}
type Opened = ReturnType<ReturnType<typeof setUp>["open"]>;
const isLive = ({ replica }: Opened) =>
  replica.status.get().scopes.length === 2 &&
  replica.status.get().scopes.every(({ state }) => state === "live");
const newSites = { ...sites, schemaVersion: 2 };

test("an old client and a new server: it reads on, refuses writes, keeps what is pending, and hinders nothing else", async () => {
  const { app, server, network, open, waitUntil } = setUp();
  await app.writer((writer) => writer.insert({ id: "x", name: "n", country: "DE" }));
  const profile = new TestProfile();
  const old = open(profile);
  await waitUntil(() => isLive(old));
  old.client.disconnect();
  old.col.update("x", (draft) => draft.visits.increment());
  server.version = 2;
  await app.writer((writer) => writer.update("x", (draft) => void (draft.name = "by a newer app")));
  old.client.reconnect();
  await waitUntil(() => old.col.get("x")?.name === "by a newer app" && isLive(old));
  expect(old.replica.status.get().tooNew).toEqual(["sites"]);
  expect(() => old.col.update("x", (draft) => draft.visits.increment())).toThrow(
    expect.objectContaining({ code: "schema_too_new" }),
  );
  old.notes.insert({ id: "n", text: "goes on" });
  await waitUntil(() => old.notes.status("n") === "synced");
  await network.refresh();
  expect([old.col.get("x")?.visits, old.col.status("x"), (await app.rows())[0]?.visits]).toEqual([
    1,
    "pending",
    0,
  ]);
  await old.replica.close();
  server.version = 1; // what the server accepts of version 2 this app does not build
  const updated = open(profile, newSites as typeof sites);
  await updated.replica.ready;
  expect(updated.col.get("x")?.visits).toBe(1);
});

test("a server that is rolled back takes the old client's writes again", async () => {
  const { app, server, open, waitUntil } = setUp();
  await app.writer((writer) => writer.insert({ id: "x", name: "n", country: "DE" }));
  server.version = 2;
  const profile = new TestProfile();
  const old = open(profile);
  await waitUntil(() => isLive(old));
  old.client.disconnect();
  await old.replica.close();
  server.version = undefined; // rolled back: the app knows the schema again
  const again = open(profile);
  await waitUntil(() => isLive(again) && again.replica.status.get().tooNew.length === 0);
  again.col.update("x", (draft) => draft.visits.increment());
  await waitUntil(async () => (await app.rows())[0]?.visits === 1);
});

test("I-4: a new client and an old server: its writes wait, and say why, until the server is new too", async () => {
  const { app, open, waitUntil } = setUp();
  await app.writer((writer) => writer.insert({ id: "x", name: "n", country: "DE" }));
  const updated = open(new TestProfile(), newSites as typeof sites);
  await waitUntil(() => isLive(updated));
  const visited = updated.col.update("x", (draft) => draft.visits.increment());
  await waitUntil(() => visited.attempts.length > 0);
  expect([visited.attempts[0]?.error.code, visited.state]).toEqual(["schema_too_new", "pending"]);
  expect([updated.col.get("x")?.visits, updated.replica.status.get().failed]).toEqual([1, 0]);
});

test("the server tells the version of its definition, unless it is the first", async () => {
  const later = defineCollection("later", { fields: { text: v.string() }, schemaVersion: 3 });
  const replicate = new Replicate(componentsGeneric()["replicate"] as unknown as ComponentApi, {
    user: async () => null,
  });
  replicate.collection(later, { read: () => true, write: () => true });
  replicate.collection(notes, { read: () => true, write: () => true });
  const functions = replicate.api();
  const modules = { "./_generated/api.js": async () => ({}), "./replicate.ts": async () => functions };
  const t = convexTest(defineSchema({}), modules);
  t.registerComponent("replicate", componentSchema, componentModules({ hasFollowers: false }));
  const api = anyApi["replicate"] as unknown as ReplicaApi;
  const versionOf = async (collection: string) => {
    const page = await t.query(api.pull, { collection, scope: "", cursor: startCursor });
    return page.type === "page" ? page.schemaVersion : null;
  };
  expect([await versionOf("later"), await versionOf("notes")]).toEqual([3, undefined]);
});
