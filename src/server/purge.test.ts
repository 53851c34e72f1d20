import { beforeEach, expect, test } from "vitest";
import { startCursor, type Cursor } from "../shared/wire.js";
import { notes, sites } from "../testing/fieldApp.js";
import { PushDevice } from "../testing/pushDevice.js";
import { createServerApp, type ServerApp } from "../testing/serverApp.js";

let app: ServerApp;
let device: PushDevice;
beforeEach(async () => {
  app = createServerApp();
  device = new PushDevice(app, 11);
  await device.send(device.insert("x", { name: "a secret" }), device.insert("y"));
});

const purge = (id: string, collection: typeof sites | typeof notes = sites) =>
  app.t.mutation((ctx) => app.replicate.admin(ctx).purge(collection, id));
async function entriesAfter(cursor: Cursor) {
  const page = await app.pull({ collection: "sites", scope: "DE", cursor });
  if (page.type !== "page") throw new Error(`Expected a page, got ${page.type}.`);
  return { cursor: page.cursor, entries: page.entries.map(({ type, document }) => `${type} ${document}`) };
}
/** What is stored anywhere that holds a text, in bytes too. */
async function tablesWith(secret: string): Promise<string[]> {
  const everything = Object.entries(await app.everything());
  const holds = (value: unknown): boolean =>
    value instanceof ArrayBuffer
      ? Buffer.from(value).includes(secret)
      : typeof value === "object" && value !== null
        ? Object.values(value).some(holds)
        : value === secret;
  return everything.filter(([, rows]) => holds(rows)).map(([table]) => table);
}

test("a purged document is gone from every table, compacted or not, and who holds it is told to drop it", async () => {
  for (const isCompacted of [false, true]) {
    const { cursor } = await entriesAfter(startCursor);
    const document = { collection: "sites", document: "x" };
    if (isCompacted) await app.t.mutation((ctx) => ctx.runMutation(app.component.compact.compact, document));
    expect((await tablesWith("a secret")).length).toBeGreaterThan(0);
    expect(await purge("x")).toBe(true);
    expect(await tablesWith("a secret")).toEqual([]);
    expect((await entriesAfter(cursor)).entries).toEqual(["leave x"]);
    expect((await entriesAfter(startCursor)).entries).toEqual(["update y"]);
    device.forget("x");
    await device.send(device.insert("x", { name: "a secret" }));
    expect((await entriesAfter(cursor)).entries).toEqual(["leave x", "update x"]);
  }
});

test("a change of what was purged is refused, and purging what is not there does nothing", async () => {
  const late = device.set("x", "name", "late");
  await purge("x");
  expect(await device.send(late)).toMatchObject([{ status: "gap" }]);
  const before = await app.everything();
  expect(await purge("x")).toBe(false);
  expect(await purge("never")).toBe(false);
  expect(await app.everything()).toEqual(before);
});

test("a document of a collection without an app table is purged with its guard", async () => {
  await device.send(device.change("n", [{ type: "insert", fields: { text: "noted" } }], "notes"));
  expect(await tablesWith("noted")).toEqual(["deltas"]);
  expect(await purge("n", notes)).toBe(true);
  expect(await tablesWith("noted")).toEqual([]);
  expect((await app.tables())["guards"]).toEqual([]);
});
