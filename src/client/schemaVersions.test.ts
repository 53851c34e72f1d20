import { expect, test } from "vitest";
import { notes, sites } from "../testing/fieldApp.js";
import { createServerApp } from "../testing/serverApp.js";
import type { Functions } from "../testing/simulatedNetwork.js";
import { berlin, SitesWorld, type OpenOptions, type OpenTab } from "../testing/testWorld.js";
import { createVersionedApp } from "../testing/versionedApp.js";
import { startCursor, type PullResult } from "../shared/wire.js";

/** A server that is of another release than the app: it tells another version, or does not know of versions at all. */
function setUp() {
  const app = createServerApp();
  const world = new SitesWorld(app);
  const server = { version: undefined as number | undefined };
  const functions: Functions = {
    mutation: (mutation, args) => app.t.mutation(mutation, args),
    query: async (query, args) => {
      const result = (await app.t.query(query, args)) as PullResult;
      const isTold = result.type === "page" && server.version !== undefined && args["collection"] === "sites";
      return isTold ? { ...result, schemaVersion: server.version } : result;
    },
  };
  const open = (definition: typeof sites, options: Pick<OpenOptions, "profile"> = {}) => {
    const tab = world.open({ ...options, functions, collections: [definition, notes], scopes: ["DE"] });
    tab.replica.subscribe(notes);
    return Object.assign(tab, { notes: tab.replica.collection(notes) });
  };
  return { app, world, server, open };
}
const newSites = { ...sites, schemaVersion: 2 } as typeof sites;
/** Both of its collections. */
const isLive = (tab: Pick<OpenTab, "status" | "isLive">) => tab.status.scopes.length === 2 && tab.isLive();

test("an old client and a new server: it reads on, refuses writes, keeps what is pending, and hinders nothing else", async () => {
  const { app, world, server, open } = setUp();
  await world.seed(berlin);
  const old = open(sites);
  await world.waitUntil(() => isLive(old));
  old.client.disconnect();
  old.col.update("x", (draft) => draft.visits.increment());
  server.version = 2;
  await app.writer((writer) => writer.update("x", (draft) => void (draft.name = "by a newer app")));
  old.client.reconnect();
  await world.waitUntil(() => old.col.get("x")?.name === "by a newer app" && isLive(old));
  expect(old.replica.status.get().tooNew).toEqual(["sites"]);
  expect(() => old.col.update("x", (draft) => draft.visits.increment())).toThrow(
    expect.objectContaining({ code: "schema_too_new" }),
  );
  old.notes.insert({ id: "n", text: "goes on" });
  await world.waitUntil(() => old.notes.status("n") === "synced");
  await world.network.refresh();
  expect([old.col.get("x")?.visits, old.col.status("x"), (await app.rows())[0]?.visits]).toEqual([
    1,
    "pending",
    0,
  ]);
  await old.replica.close();
  server.version = 1; // what the server accepts of version 2 this app does not build
  const updated = open(newSites, { profile: old.profile });
  await updated.replica.ready;
  expect(updated.col.get("x")?.visits).toBe(1);
});

test("a server that is rolled back takes the old client's writes again", async () => {
  const { app, world, server, open } = setUp();
  await world.seed(berlin);
  server.version = 2;
  const old = open(sites);
  await world.waitUntil(() => isLive(old));
  old.client.disconnect();
  await old.replica.close();
  server.version = undefined; // rolled back: the app knows the schema again
  const again = open(sites, { profile: old.profile });
  await world.waitUntil(() => isLive(again) && again.replica.status.get().tooNew.length === 0);
  again.col.update("x", (draft) => draft.visits.increment());
  await world.waitUntil(async () => (await app.rows())[0]?.visits === 1);
});

test("I-4: a new client and an old server: its writes wait, and say why, until the server is new too", async () => {
  const { world, open } = setUp();
  await world.seed(berlin);
  const updated = open(newSites);
  await world.waitUntil(() => isLive(updated));
  const visited = updated.col.update("x", (draft) => draft.visits.increment());
  await world.waitUntil(() => visited.attempts.length > 0);
  expect([visited.attempts[0]?.error.code, visited.state]).toEqual(["schema_too_new", "pending"]);
  expect([updated.col.get("x")?.visits, updated.replica.status.get().failed]).toEqual([1, 0]);
});

test("the server tells the version of its definition, unless it is the first", async () => {
  const toldBy = async (version: number) => {
    const { t, api } = createVersionedApp(version);
    const page = await t.query(api.pull, { collection: "places", scope: "", cursor: startCursor });
    return page.type === "page" ? page.schemaVersion : null;
  };
  expect([await toldBy(3), await toldBy(1)]).toEqual([3, undefined]);
});
