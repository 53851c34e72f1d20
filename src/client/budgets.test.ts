// What the client may ask of the server, in calls. Times are measured in bench/client.
import { beforeEach, describe, expect, test } from "vitest";
import { createFieldApp } from "../testing/fieldApp.js";
import { berlin, many, SitesWorld } from "../testing/testWorld.js";

const edits = 1000;
/** Of real time: a thousand edits are waited for. */
const longestMs = 25_000;
let world: SitesWorld;

beforeEach(() => {
  world = new SitesWorld(createFieldApp());
});

describe("pushes", () => {
  test("1,000 edits of one document in one go are at most 3", async () => {
    await world.seed(berlin);
    const a = await world.openReader();
    for (let n = 0; n < edits; n++) a.col.update("x", (draft) => draft.visits.increment());
    await world.settled(a, longestMs);
    expect((await world.app.rows())[0]).toMatchObject({ visits: edits });
    expect(world.network.calls.mutations).toBeLessThanOrEqual(3);
  });

  test("1,000 edits of one document, one a millisecond, are at most 3", async () => {
    await world.seed(berlin);
    const a = await world.openReader();
    for (let n = 0; n < edits; n++) {
      a.col.update("x", (draft) => draft.visits.increment());
      await world.pass(1);
    }
    await world.settled(a, longestMs);
    expect((await world.app.rows())[0]).toMatchObject({ visits: edits });
    expect(world.network.calls.mutations).toBeLessThanOrEqual(3);
  });

  test("1,000 edits of 1,000 documents are at most 12", async () => {
    const a = await world.openReader();
    for (let n = 0; n < edits; n++) a.col.insert({ id: `d${n}`, name: "new", country: "DE" });
    await world.settled(a, longestMs);
    expect(await world.app.rows()).toHaveLength(edits);
    expect(world.network.calls.mutations).toBeLessThanOrEqual(12);
  });
});

test("a write costs one operation of the database until it is pushed, offline and online", async () => {
  await world.seed(berlin);
  const a = await world.openReader();
  for (const isOnline of [false, true]) {
    if (isOnline) a.client.reconnect();
    else a.client.disconnect();
    await world.settled(a);
    const before = a.tab.asked.length;
    const writes = [1, 2, 3].map(() => a.col.update("x", (draft) => draft.visits.increment()));
    await Promise.all(writes.map(({ durable }) => durable));
    for (let n = 0; n < 20; n++) {
      await a.col.update("x", (draft) => draft.visits.increment()).durable;
      await world.pass(1);
    }
    expect(a.tab.asked.slice(before)).toEqual(Array(21).fill("append"));
    a.client.reconnect();
    await world.settled(a);
  }
});

describe("a reopened device", () => {
  test.each([1, 5])("asks one question per scope: %i", async (count) => {
    const scopes = Array.from({ length: count }, (_, n) => `C${n}`);
    for (const country of scopes)
      await world.seed(...many(20, country).map((site) => ({ ...site, id: country + site.id })));
    const first = await world.openReader({ scopes });
    await first.close();
    const before = world.network.calls.queries;
    const again = await world.openReader({ scopes, profile: first.profile });
    expect(again.col.size).toBe(20 * count);
    expect(world.network.calls.queries - before).toBe(count);
    await again.replica.close();
  });
});
