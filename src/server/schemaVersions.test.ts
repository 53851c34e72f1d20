import { makeFunctionReference, type FunctionReference } from "convex/server";
import { beforeEach, describe, expect, test } from "vitest";
import type { Operation } from "../shared/operations.js";
import { createVersionedApp, type VersionedApp } from "../testing/versionedApp.js";
import { VersionedDevice } from "../testing/versionedDevice.js";

const maintain = makeFunctionReference<"mutation">("replicate:maintain") as unknown as FunctionReference<
  "mutation",
  "internal",
  { collection: string; work: { type: "rows"; documents: string[] } }
>;
let app: VersionedApp;
beforeEach(() => {
  app = createVersionedApp(1);
});
class Device extends VersionedDevice {
  constructor(version: number, author: number) {
    super(app, version, author);
  }
}

const set = (field: string, value: string | number): Operation => ({ type: "set", field, value });
const visit: Operation = { type: "increment", field: "visits", by: 1 };
const insertV1: Operation = { type: "insert", fields: { name: "Bonn", people: 7, price: 2 } };
const insertV2: Operation = {
  type: "insert",
  fields: { name: "Bonn", population: 7, price: 200, status: "open" },
};
const row = async () => (await app.rows())[0];
const applied = expect.objectContaining({ status: "applied" });
const tooNew = expect.objectContaining({ status: "rejected", code: "schema_too_new" });

describe("a newer server", () => {
  test("I-9: the app's row is migrated with its next write, whatever that is of, and stays as it was until then", async () => {
    await new Device(1, 10).write([insertV1]);
    app.deploy(2);
    expect(await row()).toMatchObject({ people: 7, price: 2 });
    await (await new Device(2, 20).pull()).write([visit]);
    expect(await row()).toMatchObject({ name: "Bonn", population: 7, price: 200, visits: 1, status: "open" });
    const { version, registers } = (await new Device(2, 30).pull()).state;
    expect([version, registers.get("population"), registers.get("price")]).toEqual([2, 7, 200]);
  });

  test("takes what an older app still writes to a document of its version, and migrates it as it is read", async () => {
    const old = new Device(1, 10);
    await old.write([insertV1]);
    app.deploy(2);
    expect(await old.write([set("people", 8)])).toEqual(applied);
    expect(await row()).toMatchObject({ population: 8, price: 200 });
    expect(await old.write([set("price", 3)])).toEqual(applied);
    expect([await row(), old.state.version]).toMatchObject([{ population: 8, price: 300 }, 1]);
  });

  test("refuses an older app's write to what was migrated as schema_too_new, without an outcome", async () => {
    const old = new Device(1, 10);
    await old.write([insertV1]);
    app.deploy(2);
    await (await new Device(2, 20).pull()).write([visit]);
    const before = await row();
    await old.pull();
    expect(await old.write([set("price", 3)])).toEqual(tooNew);
    const status = await app.t.query(app.api.status, { client: "client10", transactions: ["10-1"] });
    expect([await row(), JSON.stringify(status)]).toEqual([before, expect.stringContaining("unknown")]);
  });

  test("its own writers migrate too, one version after the other", async () => {
    await app.writer((writer) => writer.insert({ id: "x", name: "Bonn", people: 7, price: 2 }));
    app.deploy(3);
    expect(await app.writer((writer) => writer.get("x"))).toMatchObject({ title: "Bonn (7)", price: 200 });
    await app.writer((writer) => writer.update("x", (draft) => void (draft["price"] = 201)));
    expect(await row()).toMatchObject({ title: "Bonn (7)", population: 7, price: 201 });
    expect((await new Device(3, 30).pull()).state.version).toBe(3);
  });
});

test("I-17: a version that was saved under an older one is shown, and restored, as the server's version has it", async () => {
  const old = new Device(1, 10);
  await old.write([insertV1]);
  const key = { collection: "places", document: "x" };
  const { version } = await app.t.mutation(app.api.saveVersion!, { ...key, label: "before" });
  app.deploy(2);
  await (
    await new Device(2, 20).pull()
  ).write([set("population", 99), set("price", 1), set("status", "shut")]);
  expect(await app.t.query(app.api.versionAt!, { ...key, version })).toMatchObject({
    row: { population: 7, price: 200, status: "open" },
  });
  await app.t.mutation(app.api.restoreVersion!, { ...key, version });
  expect(await row()).toMatchObject({ name: "Bonn", population: 7, price: 200, status: "open" });
  app.deploy(3);
  expect(await app.t.query(app.api.versionAt!, { ...key, version })).toMatchObject({
    row: { title: "Bonn (7)" },
  });
});

test("I-9: rows of the app are migrated without a write of their documents where the app asks for it", async () => {
  await new Device(1, 10).write([insertV1]);
  app.deploy(2);
  const work = { type: "rows" as const, documents: ["x"] };
  const done = await app.t.mutation(maintain, { collection: "places", work });
  expect([done, await row()]).toMatchObject([
    { written: 1, failed: [] },
    { population: 7, price: 200 },
  ]);
  expect((await new Device(2, 20).pull()).state.version).toBe(1);
});

describe("several who migrate at once", () => {
  test.each([
    [20, 30],
    [30, 20],
  ])(
    "one is accepted, the other stands on a gap: nothing that is written is hidden (authors %i, %i)",
    async (one, other) => {
      await new Device(1, 10).write([insertV1]);
      app.deploy(2);
      const [first, second] = [await new Device(2, one).pull(), await new Device(2, other).pull()];
      expect(await first.write([set("population", 99)])).toEqual(applied);
      expect(await second.write([set("name", "Köln")])).toMatchObject({ status: "gap" });
      expect(await row()).toMatchObject({ name: "Bonn", population: 99 });
      expect(await (await new Device(2, other + 1).pull()).write([set("name", "Köln")])).toEqual(applied);
      expect(await row()).toMatchObject({ name: "Köln", population: 99, price: 200 });
    },
  );

  test("who has not seen what an older app wrote last migrates in vain, and nothing of that is hidden", async () => {
    const old = new Device(1, 10);
    await old.write([insertV1]);
    app.deploy(2);
    const migrating = await new Device(2, 20).pull();
    await old.write([set("people", 8)]);
    expect(await migrating.write([visit])).toMatchObject({ status: "gap" });
    expect(await row()).toMatchObject({ population: 8 });
  });

  test("to two versions, whatever the order", async () => {
    await new Device(1, 10).write([insertV1]);
    app.deploy(3);
    const [two, three] = [await new Device(2, 20).pull(), await new Device(3, 30).pull()];
    expect(await two.write([visit])).toEqual(applied);
    expect(await three.write([visit])).toMatchObject({ status: "gap" });
    expect(await (await new Device(3, 31).pull()).write([visit])).toEqual(applied);
    expect(await row()).toMatchObject({ title: "Bonn (7)", price: 200, visits: 2 });
    await two.pull();
    expect(await two.write([visit])).toEqual(tooNew);
  });
});

describe("lives", () => {
  test("what was deleted and is inserted anew begins with the version of who inserts it", async () => {
    const old = new Device(1, 10);
    await old.write([insertV1]);
    app.deploy(2);
    expect(await old.write([{ type: "delete" }])).toEqual(applied);
    expect(await (await new Device(2, 20).pull()).write([insertV2])).toEqual(applied);
    expect(await row()).toMatchObject({ population: 7, price: 200 });
    await old.pull();
    expect(await old.write([{ type: "delete" }])).toEqual(tooNew);
  });

  test("a document that an older version deleted and inserted is of that version still", async () => {
    const old = new Device(1, 10);
    await old.write([insertV1]);
    app.deploy(2);
    expect(await old.write([{ type: "delete" }, insertV1])).toEqual(applied);
    expect([old.state.version, await row()]).toMatchObject([1, { population: 7, price: 200 }]);
  });
});

test("a server that was rolled back refuses writes to what a newer one migrated, from anybody, and shows it", async () => {
  app.deploy(2);
  const newer = new Device(2, 20);
  await newer.write([insertV2]);
  app.deploy(1);
  expect(await newer.write([visit])).toEqual(tooNew);
  const old = await new Device(1, 10).pull();
  expect(await old.write([visit])).toEqual(tooNew);
  const update = app.writer((writer) => writer.update("x", (draft) => draft.visits.increment()));
  await expect(update).rejects.toThrow(/schema_too_new/);
  expect(await row()).toMatchObject({ population: 7, visits: 0 });
});

describe("I-16: what no honest app writes", () => {
  test("an update that says nothing of the version with which it was made", async () => {
    const old = new Device(1, 10);
    await old.write([insertV1]);
    app.deploy(2);
    expect(await old.write([visit], 2)).toMatchObject({ status: "rejected", code: "invalid_update" });
  });

  test("an update that raises the version above the one with which it was made", async () => {
    app.deploy(3);
    expect(await new Device(3, 30).write([{ type: "insert", fields: {} }], 2)).toMatchObject({
      code: "invalid_update",
    });
  });

  test("a field that no version has, from an app of the server's version", async () => {
    app.deploy(2);
    const device = new Device(2, 20);
    await device.write([insertV2]);
    expect(await device.write([set("people", 3)])).toMatchObject({ status: "rejected", code: "invalid_row" });
  });

  test("what a step makes of an older app's write is checked as any row", async () => {
    const old = new Device(1, 10);
    await old.write([insertV1]);
    app.deploy(2);
    expect(await old.write([set("people", "many")])).toMatchObject({
      status: "rejected",
      code: "invalid_row",
    });
    expect(await row()).toMatchObject({ people: 7 });
  });
});
