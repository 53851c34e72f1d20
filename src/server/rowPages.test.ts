import { anyApi, type FunctionReference } from "convex/server";
import { beforeEach, expect, test, vi } from "vitest";
import type { RowsArgs, RowsResult } from "../shared/rowsWire.js";
import { limits } from "../shared/limits.js";
import { PushDevice, refusalOf } from "../testing/pushDevice.js";
import { createServerApp, type ServerApp } from "../testing/serverApp.js";

const reference = anyApi["replicate"]!["rows"] as unknown as FunctionReference<
  "query",
  "public",
  RowsArgs,
  RowsResult
>;
let app: ServerApp;
let device: PushDevice;
beforeEach(() => {
  app = createServerApp();
  device = new PushDevice(app, 11);
});

const rowsOf = (args: Partial<RowsArgs> = {}) =>
  app.t.query(reference, { collection: "sites", scope: "DE", cursor: null, ...args });
async function page(args?: Partial<RowsArgs>) {
  const result = await rowsOf(args);
  if (result.type !== "page") throw new Error(`Got ${result.type}.`);
  return result;
}

test("a page has the rows of its scope, as the app's table has them", async () => {
  await device.send(device.insert("x", { name: "A" }), device.insert("y"));
  await device.send(device.insert("z", { country: "FR" }));
  const { rows, ...rest } = await page();
  expect(rest).toMatchObject({ collection: "sites", scope: "DE", removed: [], isDone: true });
  const inTable = (await app.rows()).filter(({ country }) => country === "DE");
  expect(rows).toEqual(inTable.map(({ _id, ...row }) => row));
  const pulled = await app.pull({ collection: "sites", scope: "DE", cursor: { ts: 0n, document: "" } });
  const entries = pulled.type === "page" ? pulled.entries : [];
  expect(rest.positions).toEqual(entries.map(({ ts }) => String(ts)));
});

test("pages follow one another, and a later one tells of what has gone meanwhile", async () => {
  await device.send(...["a", "b", "c"].map((id) => device.insert(id)));
  const first = await page({ limit: 2 });
  expect(first.rows.map(({ id }) => id as string)).toEqual(["a", "b"]);
  expect(first.isDone).toBe(false);
  await device.send(device.change("a", [{ type: "delete" }]));
  const rest = await page({ cursor: first.cursor });
  expect(rest).toMatchObject({ rows: [{ id: "c" }], removed: ["a"], isDone: true });
});

test("a text is in its row by how it begins, as on a device", async () => {
  vi.useFakeTimers();
  try {
    app = createServerApp(undefined, { hasFollowers: true });
    device = new PushDevice(app, 11);
    await device.send(device.insert("x"));
    await device.send(device.type("x", (text) => text.insert(0, "word ".repeat(100))));
    await app.t.finishAllScheduledFunctions(vi.runAllTimers);
    const [row] = (await page()).rows;
    expect(row).toMatchObject({ id: "x", log: expect.stringMatching(/^word word /) });
    expect((row?.["log"] as string).length).toBeLessThanOrEqual(limits.previewCharacters);
    const pulled = await app.pull({ collection: "sites", scope: "DE", cursor: { ts: 0n, document: "" } });
    expect(pulled).toMatchObject({
      entries: expect.arrayContaining([expect.objectContaining({ type: "part", preview: row?.["log"] })]),
    });
  } finally {
    vi.useRealTimers();
  }
});

test("I-12: nothing of a scope that the user may not read", async () => {
  await device.send(device.insert("x", { country: "XX" }));
  expect(await rowsOf({ scope: "XX" })).toEqual({ type: "denied" });
});

test("I-16: what cannot be is refused with a code", async () => {
  expect(await refusalOf(rowsOf({ collection: "none" }))).toMatchObject({ code: "unknown_collection" });
  expect(await refusalOf(rowsOf({ scope: "x".repeat(limits.idLength + 1) }))).toMatchObject({
    code: "too_large",
  });
  expect(await refusalOf(rowsOf({ limit: limits.exportedDocuments + 1 }))).toMatchObject({
    code: "too_large",
  });
  expect(await refusalOf(rowsOf({ cursor: "[]" }))).toMatchObject({ code: "invalid_cursor" });
});
