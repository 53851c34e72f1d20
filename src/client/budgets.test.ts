// What the client may ask of the server, in calls. Times are measured in bench/client.
import { beforeEach, describe, expect, test } from "vitest";
import { createFieldApp, sites, type FieldApp } from "../testing/fieldApp.js";
import { ManualClock, until } from "../testing/manualClock.js";
import { SimulatedNetwork } from "../testing/simulatedNetwork.js";
import { openTestReplica, seededRandomness, TestProfile } from "../testing/testReplica.js";

const edits = 1000;
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

const waitUntil = (condition: () => boolean) => until({ clock, network }, condition, 25_000);

async function passMs(ms: number): Promise<void> {
  let hasPassed = false;
  clock.setTimer(() => void (hasPassed = true), ms);
  await waitUntil(() => hasPassed);
}

async function seed(count: number, country = "DE"): Promise<string[]> {
  const ids = Array.from({ length: count }, (_, n) => `${country}${n}`);
  for (let at = 0; at < count; at += 100)
    await app.writer((writer) =>
      writer.insertMany(ids.slice(at, at + 100).map((id) => ({ id, name: id, country }))),
    );
  return ids;
}

/** Opens a device, and waits until it has read these scopes. */
async function open(scopes: readonly string[], profile = new TestProfile(), tab = profile.openTab()) {
  const client = network.connect(app.t);
  const replica = openTestReplica({
    api: app.api,
    client,
    collections: [sites],
    clock,
    randomness,
    profile,
    tab,
  });
  replica.subscribe(sites, { scopes });
  await waitUntil(() => {
    const read = replica.status.get().scopes;
    return read.length === scopes.length && read.every(({ state }) => state === "live");
  });
  return { replica, client, col: replica.collection(sites) };
}

describe("pushes", () => {
  test("1,000 edits of one document in one go are at most 3", async () => {
    const [id = ""] = await seed(1);
    const { replica, col } = await open(["DE"]);
    for (let n = 0; n < edits; n++) col.update(id, (draft) => draft.visits.increment());
    await waitUntil(() => replica.status.get().pending === 0);
    expect((await app.rows())[0]).toMatchObject({ visits: edits });
    expect(network.calls.mutations).toBeLessThanOrEqual(3);
  });

  test("1,000 edits of one document, one a millisecond, are at most 3", async () => {
    const [id = ""] = await seed(1);
    const { replica, col } = await open(["DE"]);
    for (let n = 0; n < edits; n++) {
      col.update(id, (draft) => draft.visits.increment());
      await passMs(1);
    }
    await waitUntil(() => replica.status.get().pending === 0);
    expect((await app.rows())[0]).toMatchObject({ visits: edits });
    expect(network.calls.mutations).toBeLessThanOrEqual(3);
  });

  test("1,000 edits of 1,000 documents are at most 12", async () => {
    const { replica, col } = await open(["DE"]);
    for (let n = 0; n < edits; n++) col.insert({ id: `d${n}`, name: "new", country: "DE" });
    await waitUntil(() => replica.status.get().pending === 0);
    expect(await app.rows()).toHaveLength(edits);
    expect(network.calls.mutations).toBeLessThanOrEqual(12);
  });
});

test("a write costs one operation of the database until it is pushed, offline and online", async () => {
  const [id = ""] = await seed(1);
  const profile = new TestProfile();
  const tab = profile.openTab();
  const { replica, client, col } = await open(["DE"], profile, tab);
  for (const isOnline of [false, true]) {
    if (isOnline) client.reconnect();
    else client.disconnect();
    await waitUntil(() => replica.status.get().pending === 0);
    const before = tab.asked.length;
    const writes = [1, 2, 3].map(() => col.update(id, (draft) => draft.visits.increment()));
    await Promise.all(writes.map(({ durable }) => durable));
    for (let n = 0; n < 20; n++) {
      await col.update(id, (draft) => draft.visits.increment()).durable;
      await passMs(1);
    }
    expect(tab.asked.slice(before)).toEqual(Array(21).fill("append"));
    client.reconnect();
    await waitUntil(() => replica.status.get().pending === 0);
  }
});

describe("a reopened device", () => {
  test.each([1, 5])("asks one question per scope: %i", async (count) => {
    const scopes = Array.from({ length: count }, (_, n) => `C${n}`);
    for (const scope of scopes) await seed(20, scope);
    const profile = new TestProfile();
    const first = await open(scopes, profile);
    await first.replica.close();
    first.client.die();
    const before = network.calls.queries;
    const again = await open(scopes, profile);
    expect(again.col.size).toBe(20 * count);
    expect(network.calls.queries - before).toBe(count);
    await again.replica.close();
  });
});
