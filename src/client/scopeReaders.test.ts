import { beforeEach, describe, expect, test } from "vitest";
import { createFieldApp, sites } from "../testing/fieldApp.js";
import { createServerApp } from "../testing/serverApp.js";
import { TestProfile } from "../testing/testReplica.js";
import { many, SitesWorld, type OpenTab } from "../testing/testWorld.js";

let world: SitesWorld;

beforeEach(() => {
  world = new SitesWorld(createFieldApp());
});

const areLive = (tab: OpenTab, count: number) => tab.status.scopes.length === count && tab.isLive();

describe("I-7: a document that moves between two scopes that are read is never missing", () => {
  const move = () => world.app.writer((writer) => writer.update("x", (draft) => void (draft.country = "FR")));
  const watch = ({ col }: OpenTab) => {
    const seen = new Set<string | undefined>();
    col.subscribe(() => seen.add(col.get("x")?.country));
    return seen;
  };

  test.each([
    ["one way", ["DE", "FR"]],
    ["the other", ["FR", "DE"]],
  ])("while both catch up, and the scope it enters has more pages: %s", async (_name, scopes) => {
    await world.seed({ id: "x", name: "n", country: "DE" });
    const a = await world.openReader({ scopes });
    a.client.disconnect();
    await world.seed(...many(400, "FR"));
    await move();
    const seen = watch(a);
    a.client.reconnect();
    await world.waitUntil(() => a.col.get("x")?.country === "FR" && areLive(a, 2));
    expect([...seen].filter((country) => country === undefined)).toEqual([]);
  });

  test("while the reader of the scope it enters is busy with an earlier page", async () => {
    await world.seed({ id: "x", name: "n", country: "DE" });
    const a = await world.openReader({ scopes: ["DE", "FR"] });
    const seen = watch(a);
    const moved = world.seed(...many(3, "FR")).then(async () => {
      void world.network.refresh();
      await move();
      await world.network.refresh();
    });
    await moved;
    await world.waitUntil(() => a.col.get("x")?.country === "FR");
    expect([...seen]).not.toContain(undefined);
  });

  test("though others go the other way, and what was written here is settled with it", async () => {
    await world.seed({ id: "x", name: "n", country: "DE" }, { id: "y", name: "n", country: "FR" });
    const a = await world.openReader({ scopes: ["DE", "FR"] });
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
    await world.settled(a);
    expect([...shown]).toEqual(["1 1"]);
  });
});

describe("what the stream tells beside documents", () => {
  test("a row shows how its texts begin, is edited as before, and loses it with a restart of neither", async () => {
    const world = new SitesWorld(createServerApp());
    await world.seed({ id: "x", name: "n", country: "DE" });
    const profile = new TestProfile();
    const open = () => {
      const tab = world.open({ profile, scopes: ["DE"] });
      const told: unknown[] = [];
      tab.replica.events.on("bulkCompleted", (event) => told.push(event));
      return Object.assign(tab, { told });
    };
    const a = open();
    await world.waitUntil(() => a.replica.status.get().scopes[0]?.state === "live");
    await world.app.inComponent(async ({ db }) => {
      const place = { collection: "sites", scope: "DE", ts: db.vars.commitTs };
      const body = { kind: "part" as const, part: "log", newest: 1n, preview: "Dear diary" };
      await db.insert("announcements", { ...place, document: "x", body });
      const bulk = { kind: "bulk" as const, job: "j", count: 7 };
      await db.insert("announcements", { ...place, document: "", body: bulk });
    });
    await world.network.refresh();
    await world.waitUntil(() => a.col.get("x")?.log === "Dear diary");
    expect(a.told).toEqual([{ collection: "sites", scope: "DE", count: 7 }]);
    a.col.update("x", (draft) => void (draft.name = "renamed"));
    expect(a.col.get("x")).toMatchObject({ name: "renamed", log: "Dear diary" });
    await world.settled(a);
    await a.replica.close();
    const again = open();
    await again.replica.ready;
    expect(again.col.get("x")).toMatchObject({ name: "renamed", log: "Dear diary" });
    await world.waitUntil(() => again.replica.status.get().scopes[0]?.state === "live");
    expect(again.told).toEqual([]);
  });
});

test("a device that reads has a session at the server, and none once it is closed; a beat costs no query", async () => {
  const world = new SitesWorld(createServerApp());
  await world.seed({ id: "x", name: "n", country: "DE" });
  const { replica } = world.open({ scopes: ["DE"], hasSessions: true });
  const sessions = async () => (await world.app.tables())["sessions"] as { cursors: object[] }[];
  await world.waitUntil(async () => (await sessions()).length > 0);
  expect(await sessions()).toMatchObject([{ cursors: [{ collection: "sites", scope: "DE" }] }]);
  const { queries, mutations } = world.network.calls;
  await world.waitUntil(() => world.network.calls.mutations > mutations + 2);
  expect(world.network.calls.queries - queries).toBeLessThanOrEqual(3); // the simulation asks watched queries at each write
  await replica.close();
  await world.waitUntil(async () => (await sessions()).length === 0);
});

test("I-2: a scope that is wanted again while it is let go of is there in the end, with all that is in it", async () => {
  await world.seed({ id: "x", name: "n", country: "DE" });
  for (let turns = 0; turns < 24; turns++) {
    const device = world.open();
    const subscription = device.replica.subscribe(sites, { scopes: ["DE"] });
    await world.waitUntil(() => areLive(device, 1));
    subscription.stop();
    for (let turn = 0; turn < turns; turn++) await null;
    device.replica.subscribe(sites, { scopes: ["DE"] });
    await world.seed({ id: `y${turns}`, name: "n", country: "DE" });
    await world.network.refresh();
    await world.waitUntil(() => device.col.has(`y${turns}`) && areLive(device, 1));
    expect([turns, device.col.has("x")]).toEqual([turns, true]);
    await device.replica.close();
  }
});
