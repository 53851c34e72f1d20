import fc from "fast-check";
import { expect, test } from "vitest";
import { validateFields } from "../collections/index.js";
import { PlacesWorld } from "../testing/placesWorld.js";
import { textOf } from "../testing/testWorld.js";
import { createVersionedApp, places } from "../testing/versionedApp.js";
import { ReplicaError } from "./base/errors.js";

const numRuns = Number(process.env["NUM_RUNS"] ?? 40);
const ids = ["a", "b"] as const;
const newest = 3;

/** Three devices with the app in one version or another, each on a profile of its own, and the server in one too. */
class World extends PlacesWorld {
  readonly devices = [1, 2, 3].map(() => this.openVersion(1));
  /** What was written to each document, in cents and people. */
  readonly written = new Map(
    ids.map((id) => [id, { visits: 0, tags: new Set<string>(), people: [7], prices: [200] }]),
  );

  write(
    index: number,
    id: (typeof ids)[number],
    kind: "visit" | "tag" | "people" | "price",
    value: number,
  ): void {
    const { col, version } = this.devices[index]!;
    const written = this.written.get(id)!;
    try {
      col.update(id, (draft) => {
        if (kind === "visit") draft.visits.increment();
        if (kind === "tag") (draft["tags"] as Set<string>).add(`${value}`);
        if (kind === "people") draft[version === 1 ? "people" : "population"] = value;
        if (kind === "price") draft["price"] = version === 1 ? value : value * 100;
      });
    } catch (error) {
      // Not read yet, or read-only: then nothing was written.
      if (ReplicaError.is(error, "unknown_document", "schema_too_new")) return;
      throw error;
    }
    if (kind === "visit") written.visits += 1;
    if (kind === "tag") written.tags.add(`${value}`);
    if (kind === "people") written.people.push(value);
    if (kind === "price") written.prices.push(value * 100);
  }

  /** The tab is killed, and the database opened by the same release of the app, or by another. */
  async reopen(index: number, version: number): Promise<void> {
    const device = this.devices[index]!;
    device.kill();
    this.devices[index] = this.openVersion(version, device.profile);
    await this.devices[index]!.replica.ready;
  }

  /** Everybody has the newest release, is connected, and has nothing to send or to read. */
  async settle(): Promise<void> {
    this.app.deploy(newest);
    for (const index of this.devices.keys()) await this.reopen(index, newest);
    await this.connectAll(this.devices);
    const isSame = async () => {
      const expected = await this.rows();
      return this.devices.every(({ col }) => textOf(col.rows()) === expected);
    };
    await this.waitUntil(isSame, 2_000).catch(() => {});
  }

  /** What the server makes of every document. */
  async rows(): Promise<string> {
    const rows = [];
    for (const id of ids) rows.push(await this.app.writer((writer) => writer.get(id)));
    return textOf(rows as (Record<string, unknown> & { id: string })[]);
  }
}

const device = fc.constantFrom(0, 1, 2);
const id = fc.constantFrom(...ids);
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      type: fc.constant("write" as const),
      device,
      id,
      kind: fc.constantFrom("visit" as const, "tag" as const, "people" as const, "price" as const),
      value: fc.integer({ min: 1, max: 9 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("upgrade" as const), device }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("crash" as const), device }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("downgrade" as const), device }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("deploy" as const) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("rollBack" as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constantFrom("offline" as const, "online" as const), device }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("loseAnswer" as const), device }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("compact" as const), id }) },
  { weight: 6, arbitrary: fc.record({ type: fc.constant("pass" as const) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

async function take(world: World, each: Step): Promise<void> {
  const { app, devices } = world;
  switch (each.type) {
    case "write":
      return world.write(each.device, each.id, each.kind, each.value);
    case "upgrade":
      return world.reopen(each.device, Math.min(newest, devices[each.device]!.version + 1));
    case "downgrade":
      return world.reopen(each.device, Math.max(1, devices[each.device]!.version - 1));
    case "crash":
      return world.reopen(each.device, devices[each.device]!.version);
    case "deploy":
      return app.deploy(Math.min(newest, app.version + 1));
    case "rollBack":
      return app.deploy(Math.max(1, app.version - 1));
    case "offline":
      return devices[each.device]!.client.disconnect();
    case "online":
      return devices[each.device]!.client.reconnect();
    case "loseAnswer":
      return devices[each.device]!.client.loseNextAnswer();
    case "compact":
      return void (await app.compact(each.id));
    case "pass":
      return world.runTimers(3);
  }
}

/** Rows are of the app's own version, but where what is there may be of a later one. */
function checkShape({ devices }: World): void {
  for (const { replica, col, version } of devices)
    if (replica.status.get().tooNew.length === 0)
      for (const row of col.rows()) expect(validateFields(places[version]!, row)).toBeNull();
}

test("I-3, I-4, I-8, I-9: whatever versions devices and server go through, all end with equal rows that hold what was written", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), fc.nat(), async (steps, seed) => {
      const app = createVersionedApp(1);
      for (const each of ids)
        await app.writer((writer) => writer.insert({ id: each, name: each, people: 7, price: 2 }));
      const world = new World(app, { seed });
      for (const { replica } of world.devices) await replica.ready;
      await world.runTimers(3);
      for (const each of steps) {
        await take(world, each);
        checkShape(world);
      }
      await world.settle();
      const expected = await world.rows();
      for (const { col, replica } of world.devices) {
        expect(replica.transactions.list()).toEqual([]);
        expect(textOf(col.rows())).toBe(expected);
      }
      for (const each of ids) {
        const written = world.written.get(each)!;
        const row = world.devices[0]!.col.get(each)!;
        expect([each, row["visits"]]).toEqual([each, written.visits]);
        expect([...(row["tags"] as string[])].sort()).toEqual([...written.tags].sort());
        expect(written.prices).toContain(row["price"]);
        expect(written.people).toContain(row["population"]);
        if (written.people.length === 2) expect(row["population"]).toBe(written.people[1]);
        if (written.prices.length === 2) expect(row["price"]).toBe(written.prices[1]);
        await app.writer((writer) => writer.update(each, (draft) => draft.visits.increment()));
        expect((await app.rows()).find((other) => other.id === each)).toMatchObject({
          ...row,
          visits: written.visits + 1,
        });
      }
    }),
    { seed: 1, numRuns },
  );
}, 120_000);
