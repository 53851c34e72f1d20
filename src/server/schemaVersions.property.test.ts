import fc from "fast-check";
import { expect, test } from "vitest";
import { validateFields } from "../collections/index.js";
import { canonicalJson } from "../shared/canonicalJson.js";
import type { Operation } from "../shared/operations.js";
import { createVersionedApp, places } from "../testing/versionedApp.js";
import { VersionedDevice } from "../testing/versionedDevice.js";

const numRuns = Number(process.env["NUM_RUNS"] ?? 20);
const newest = 3;

type Kind = "visit" | "tag" | "people" | "price" | "name";
/** What of a row a write may change, under whatever version it was made: `title` is made of two fields. */
const changed: Record<Kind, readonly string[]> = {
  visit: ["visits"],
  tag: ["tags"],
  people: ["people", "population", "title"],
  price: ["price"],
  name: ["name", "title"],
};

function operationOf(version: number, kind: Kind, value: number): Operation {
  switch (kind) {
    case "visit":
      return { type: "increment", field: "visits", by: value };
    case "tag":
      return { type: "add", field: "tags", member: String(value) };
    case "people":
      return { type: "set", field: version === 1 ? "people" : "population", value };
    case "price":
      return { type: "set", field: "price", value: version === 1 ? value : value * 100 };
    case "name":
      return { type: "set", field: version === 3 ? "title" : "name", value: String(value) };
  }
}

const writing = fc.record({
  type: fc.constant("write" as const),
  device: fc.nat({ max: 4 }),
  kind: fc.constantFrom<Kind>("visit", "tag", "people", "price", "name"),
  value: fc.integer({ min: 10, max: 99 }),
});
const step = fc.oneof(
  { weight: 8, arbitrary: writing },
  { weight: 6, arbitrary: fc.record({ type: fc.constant("pull" as const), device: fc.nat({ max: 4 }) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("deploy" as const) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("rollBack" as const) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("compact" as const) }) },
);

test("I-9: an accepted write changes what it writes and nothing else, whatever it migrates and whoever migrates beside it", async () => {
  let [accepted, migrated, gaps, tooNew] = [0, 0, 0, 0];
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 10, maxLength: 40 }),
      fc.boolean(),
      async (steps, isUpward) => {
        const app = createVersionedApp(1);
        await app.writer((writer) => writer.insert({ id: "x", name: "1", people: 7, price: 2 }));
        // Of two releases each, with higher author ids for the newer or for the older.
        const versions = [1, 1, 2, 2, 3];
        const devices = versions.map(
          (version, index) => new VersionedDevice(app, version, isUpward ? 10 + index : 90 - index),
        );
        for (const device of devices) await device.pull();
        const look = async () => (await app.writer((writer) => writer.get("x")))!;
        for (const each of steps) {
          if (each.type === "deploy") app.deploy(Math.min(newest, app.version + 1));
          if (each.type === "rollBack") app.deploy(Math.max(1, app.version - 1));
          if (each.type === "compact") await app.compact("x");
          if (each.type === "pull") await devices[each.device]!.pull();
          if (each.type !== "write") continue;
          const device = devices[each.device]!;
          const [before, versionBefore] = [await look(), await versionOf()];
          const outcome = await device.write([operationOf(device.version, each.kind, each.value)]);
          if (outcome === null) continue;
          const [after, versionAfter] = [await look(), await versionOf()];
          if (outcome.status === "gap") gaps++;
          if (outcome.code === "schema_too_new") tooNew++;
          else expect(outcome.code).toBeUndefined();
          if (outcome.status !== "applied") {
            expect(canonicalJson(after as never)).toBe(canonicalJson(before as never));
            await device.pull(); // what it made is void
            continue;
          }
          accepted++;
          if (versionAfter > versionBefore) migrated++;
          const others = Object.keys(before).filter((field) => !changed[each.kind].includes(field));
          for (const field of others) expect([field, after[field]]).toEqual([field, before[field]]);
          expect((await app.rows())[0]).toMatchObject(after);
          expect(validateFields(places[app.version]!, after)).toBeNull();
          expect(versionAfter).toBe(Math.max(versionBefore, device.version));
        }
        async function versionOf() {
          return (await new VersionedDevice(app, newest, 1).pull()).state.version;
        }
      },
    ),
    { seed: 1, numRuns },
  );
  expect(Math.min(accepted, migrated, gaps, tooNew)).toBeGreaterThan(numRuns / 4);
}, 120_000);
