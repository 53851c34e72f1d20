import { anyApi, type FunctionReference } from "convex/server";
import { beforeEach, expect, test } from "vitest";
import type { RowsArgs, RowsResult } from "../shared/rowsWire.js";
import { createFieldApp, notes, sites } from "../testing/fieldApp.js";
import { TestProfile } from "../testing/testReplica.js";
import { berlin, SitesWorld, type OpenOptions } from "../testing/testWorld.js";

const rows = anyApi["replicate"]!["rows"] as unknown as FunctionReference<
  "query",
  "public",
  RowsArgs,
  RowsResult
>;
let world: SitesWorld;
let profile: TestProfile;

beforeEach(async () => {
  world = new SitesWorld(createFieldApp());
  profile = new TestProfile();
  await world.seed(...["x", "y"].map((id) => ({ ...berlin, id, name: "first" })));
});

/** What the server renders a page from. */
const render = (): Promise<RowsResult> =>
  world.app.t.query(rows, { collection: "sites", scope: "DE", cursor: null, limit: 50 });
const rename = (id: string, name: string) =>
  world.app.writer((writer) => writer.update(id, (draft) => void (draft.name = name)));

function open(hydrate: readonly RowsResult[], options: OpenOptions = {}) {
  const tab = world.open({ profile, hydrate, ...options });
  const names: (string | undefined)[] = [tab.col.get("x")?.name];
  tab.col.subscribe(() => names.push(tab.col.get("x")?.name));
  const subscription = tab.replica.subscribe(sites, { scopes: ["DE"] });
  return { ...tab, subscription, names };
}

/** The device has read all there is, and is closed. */
async function visit(): Promise<void> {
  const device = await world.openReader({ profile });
  await device.close();
}

test("a device that holds nothing shows them at once, and asks for no more than without", async () => {
  const page = await render();
  const { col, isLive, names } = open([page]);
  expect([...col.rows()].map(({ id }) => id)).toEqual(["x", "y"]);
  expect(col.status("x")).toBe("synced");
  await world.waitUntil(isLive);
  expect(new Set(names)).toEqual(new Set(["first"]));
  expect(world.network.calls.queries).toBe(2); // the first load, and the question that stays open
});

test("I-7: where they are newer than what the device holds, that is not shown in between", async () => {
  await visit();
  await rename("x", "second");
  const { col, isLive, names, replica } = open([await render()]);
  await replica.ready;
  await world.waitUntil(isLive);
  await rename("x", "third");
  await world.network.refresh();
  await world.waitUntil(() => col.get("x")?.name === "third");
  expect(names.filter((name, at) => name !== names[at - 1])).toEqual(["second", "third"]);
});

test("a page from a cache hides nothing that the device knows better, offline too", async () => {
  const old = await render();
  await rename("x", "second");
  await world.app.writer((writer) => writer.update("y", (draft) => void (draft.country = "FR")));
  await visit();
  const { col, replica } = open([old], { isOnline: false });
  await replica.ready;
  await world.waitUntil(() => !replica.status.get().isOpening);
  expect([...col.rows()].map(({ id, name }) => [id, name])).toEqual([["x", "second"]]);
});

test("what has gone since the page was rendered goes once the scope is read", async () => {
  const page = await render();
  await world.app.writer((writer) => writer.update("y", (draft) => void (draft.country = "FR")));
  await rename("x", "second");
  const { col, isLive } = open([page]);
  expect(col.has("y")).toBe(true);
  await world.waitUntil(isLive);
  expect([...col.rows()].map(({ id, name }) => [id, name])).toEqual([["x", "second"]]);
});

test("I-7: a write that the page contains already, and the device does not know of yet, shows once", async () => {
  await visit();
  const before = await world.openReader({ profile });
  before.client.loseNextAnswer();
  await before.col.update("x", (draft) => draft.visits.increment()).durable;
  await world.waitUntil(async () => (await world.app.rows())[0]?.visits === 1);
  before.kill();
  const { col, replica, isLive } = open([await render()]);
  const shown: (number | undefined)[] = [];
  await replica.ready;
  shown.push(col.get("x")?.visits);
  col.subscribe(() => shown.push(col.get("x")?.visits));
  await world.waitUntil(() => isLive() && replica.status.get().pending === 0);
  expect(new Set(shown)).toEqual(new Set([1]));
});

test("a write on one is made at once, and applied once its scope is read", async () => {
  const { col, isLive, client } = open([await render()], { isOnline: false });
  const write = col.update("x", (draft) => draft.visits.increment());
  expect(col.get("x")).toMatchObject({ name: "first", visits: 1 });
  await write.durable;
  client.reconnect();
  await world.waitUntil(() => isLive() && write.state === "completed");
  expect((await world.app.rows())[0]).toMatchObject({ visits: 1 });
});

test("a subscription that ends takes them with it; what is denied was never there", async () => {
  const { col, subscription } = open([await render()], { isOnline: false });
  subscription.stop();
  expect(col.size).toBe(0);
  expect(open([{ type: "denied" }], { isOnline: false }).col.size).toBe(0);
});

test("rows of another collection are an error with a code", async () => {
  const page = await world.app.t.query(rows, { collection: notes.name, scope: "", cursor: null });
  expect(() => open([page])).toThrow(expect.objectContaining({ code: "unknown_collection" }));
});
