import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createFieldApp, sites } from "../testing/fieldApp.js";
import { berlin, many, SitesWorld } from "../testing/testWorld.js";

let world: SitesWorld;

beforeEach(() => {
  world = new SitesWorld(createFieldApp(), { keepsErrors: true });
});

afterEach(() => expect(world.errors).toEqual([]));

describe("subscriptions", () => {
  beforeEach(() => world.seed(berlin, { id: "p", name: "Paris", country: "FR" }));

  test("stop() takes the documents off the device, keepData keeps them", async () => {
    const a = world.open();
    const [german, french] = ["DE", "FR"].map((scope) => a.replica.subscribe(sites, { scopes: [scope] }));
    await world.waitUntil(() => a.col.size === 2);
    german!.stop();
    french!.stop({ keepData: true });
    await world.waitUntil(() => !a.col.has("x"));
    expect(a.col.has("p")).toBe(true);
    expect([...(a.profile.database.data?.contents.documents.keys() ?? [])]).toEqual(["sites\0p"]);
  });

  test("a scope that two subscriptions want stays until both have stopped", async () => {
    const a = world.open();
    const [one, two] = [1, 2].map(() => a.replica.subscribe(sites, { scopes: ["DE"] }));
    await world.waitUntil(() => a.col.has("x"));
    one!.stop();
    expect(a.replica.status.get().scopes).toHaveLength(1);
    two!.stop();
    await world.waitUntil(() => !a.col.has("x"));
  });

  test("a reopened scope that did not change costs one query", async () => {
    const a = await world.openReader();
    await a.close();
    const before = world.network.calls.queries;
    const again = await world.openReader({ profile: a.profile });
    expect(world.network.calls.queries - before).toBe(1);
    expect(again.replica.status.get().lastSyncAt).toBe(world.clock.now());
  });

  test("a document kept of a scope that is read no more keeps what is written to it", async () => {
    const a = world.open();
    const french = a.replica.subscribe(sites, { scopes: ["FR"] });
    await world.waitUntil(() => a.col.has("p"));
    french.stop({ keepData: true });
    const write = a.col.update("p", (draft) => draft.visits.increment());
    await world.waitUntil(() => write.state === "completed");
    expect(a.col.get("p")?.visits).toBe(1);
    expect((await world.row("p"))?.visits).toBe(1);
  });

  test("progress counts the entries of a first load, and loaded waits for all of them", async () => {
    await world.seed(...many(300));
    const a = world.open();
    const subscription = a.replica.subscribe(sites, { scopes: ["DE"] });
    const sizes = new Set<number>();
    subscription.subscribe(() => sizes.add(subscription.progress));
    await world.waitUntil(() => subscription.state === "live");
    await subscription.loaded;
    expect(a.col.size).toBe(301);
    expect([...sizes].sort((x, y) => x - y)).toEqual([0, 256, 301]);
  });
});
