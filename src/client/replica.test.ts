import { afterEach, beforeEach, expect, test } from "vitest";
import { createFieldApp, sites, type FieldApp } from "../testing/fieldApp.js";
import { ManualClock, until } from "../testing/manualClock.js";
import { SimulatedNetwork } from "../testing/simulatedNetwork.js";
import { openTestReplica, seededRandomness, TestProfile } from "../testing/testReplica.js";

let app: FieldApp;
let network: SimulatedNetwork;
let clock: ManualClock;
let errors: Error[];
let randomness: ReturnType<typeof seededRandomness>;

beforeEach(() => {
  app = createFieldApp();
  network = new SimulatedNetwork();
  clock = new ManualClock();
  randomness = seededRandomness(1);
  errors = [];
});

afterEach(() => {
  expect(errors).toEqual([]);
});

function openDevice(profile = new TestProfile(), hasTabs = false) {
  const client = network.connect(app.t);
  const collections = [sites] as const;
  const replica = openTestReplica({ api: app.api, client, collections, clock, randomness, profile, hasTabs });
  replica.events.on("error", ({ error }) => errors.push(error));
  return { client, replica, profile, col: replica.collection(sites) };
}

const settled = (device: ReturnType<typeof openDevice>) =>
  until({ clock, network }, () => device.replica.status.get().pending === 0);

test("an edit on A is on B", async () => {
  const [a, b] = [openDevice(), openDevice()];
  a.replica.subscribe(sites, { scopes: ["DE"] });
  b.replica.subscribe(sites, { scopes: ["DE"] });
  a.col.insert({ id: "x", name: "Berlin", country: "DE", visits: 2, tags: ["big"] });
  expect(a.col.get("x")).toEqual({
    id: "x",
    name: "Berlin",
    country: "DE",
    status: "open",
    visits: 2,
    tags: ["big"],
  });
  expect(a.col.status("x")).toBe("pending");
  await until({ clock, network }, () => b.col.has("x"));
  expect(b.col.get("x")).toEqual(a.col.get("x"));
  await settled(a);
  expect(a.col.status("x")).toBe("synced");
  expect(await app.rows()).toEqual([a.col.get("x")]);
});
