import { beforeEach, expect, test, vi } from "vitest";
import { limits } from "../shared/limits.js";
import { notes, sites } from "../testing/fieldApp.js";
import { PushDevice, refusalOf } from "../testing/pushDevice.js";
import { createServerApp, type ServerApp } from "../testing/serverApp.js";
import type { ExportOptions } from "./index.js";

let app: ServerApp;
let device: PushDevice;
beforeEach(() => {
  app = createServerApp();
  device = new PushDevice(app, 11);
});

const page = (options?: ExportOptions, scope = "DE") =>
  app.t.query((ctx) => app.replicate.admin(ctx).exportScope(sites, scope, options));
const compact = (document: string) =>
  app.t.mutation((ctx) => app.replicate.admin(ctx).compact(sites, document));
const ids = ({ documents }: { documents: { id: string }[] }) => documents.map(({ id }) => id);

test("a page has the documents of its scope, whole, as the app's rows have them, and when they changed", async () => {
  const before = Date.now();
  await device.send(
    device.insert("x", { name: "A" }),
    device.insert("y"),
    device.insert("z", { country: "FR" }),
  );
  await device.send(device.change("x", [{ type: "increment", field: "visits", by: 2 }]));
  const { documents, removed, failed, isDone } = await page();
  expect([ids({ documents }), removed, failed, isDone]).toEqual([["x", "y"], [], [], true]);
  const rows = await app.rows();
  for (const { id, row, scope, updatedAt } of documents) {
    const { _id, ...expected } = rows.find((each) => each.id === id)!;
    expect(row).toEqual(expected);
    expect(scope).toBe("DE");
    expect(updatedAt).toBeGreaterThanOrEqual(before - 1);
    expect(updatedAt).toBeLessThanOrEqual(Date.now() + 1000);
  }
});

test("it works from a mutation too, and for a collection without scopes and table", async () => {
  await device.send(device.change("n", [{ type: "insert", fields: { text: "t" } }], "notes"));
  const found = await app.t.mutation((ctx) => app.replicate.admin(ctx).exportScope(notes, ""));
  expect(found.documents).toMatchObject([{ id: "n", row: { id: "n", text: "t" }, scope: "" }]);
});

test("pages are as long as asked for, of one commit too, and each document comes once where nothing changes", async () => {
  await device.send(...["a", "b", "c", "d", "e"].map((id) => device.insert(id)));
  await device.send(device.set("b", "name", "later"));
  await compact("c");
  const found: string[] = [];
  let [cursor, pages] = [null as string | null, 0];
  for (let isDone = false; !isDone; pages++) {
    const next = await page({ cursor, limit: 2 });
    expect(next.documents.length).toBeLessThanOrEqual(2);
    found.push(...ids(next));
    ({ cursor, isDone } = next);
  }
  expect([...new Set(found)].sort()).toEqual(["a", "b", "c", "d", "e"]);
  // Document "b" stands at two positions: met at the first, it is met again where it changed.
  expect(found.filter((id) => id !== "b").sort()).toEqual(["a", "c", "d", "e"]);
  expect(await page({ cursor })).toMatchObject({ documents: [], removed: [], isDone: true });
});

test("what changes, goes and comes between two pages is told by the later one", async () => {
  await device.send(...["a", "b", "c", "d"].map((id) => device.insert(id)));
  const first = await page({ limit: 3 });
  expect(ids(first)).toEqual(["a", "b", "c"]);
  await device.send(
    device.set("a", "name", "later"),
    device.change("b", [{ type: "delete" }]),
    device.set("c", "country", "FR"),
    device.insert("e"),
  );
  const rest = await page({ cursor: first.cursor });
  expect(ids(rest).sort()).toEqual(["a", "d", "e"]);
  expect(rest.removed.sort()).toEqual(["b", "c"]);
  expect(rest.documents.find(({ id }) => id === "a")!.row.name).toBe("later");
  await app.t.mutation((ctx) => app.replicate.admin(ctx).purge(sites, "a"));
  expect(await page({ cursor: rest.cursor })).toMatchObject({ documents: [], removed: ["a"], isDone: true });
});

test("an export that was begun before leaves were pruned goes on; one that is older than these is begun anew", async () => {
  await device.send(...["a", "b", "c"].map((id) => device.insert(id)));
  await device.send(device.set("c", "country", "FR"));
  const first = await page({ limit: 1 });
  await app.inComponent(async (ctx) => {
    const { ts, scope, collection } = (await ctx.db.query("leaves").first())!;
    await ctx.db.insert("scopes", { collection, scope, prunedTo: ts as unknown as bigint });
  });
  expect(ids(await page({ cursor: first.cursor }))).toEqual(["b"]);
  await app.inComponent(async (ctx) => {
    const row = (await ctx.db.query("scopes").first())!;
    await ctx.db.patch("scopes", row._id, { prunedTo: 2n ** 62n });
  });
  expect(await refusalOf(page({ cursor: first.cursor }))).toMatchObject({ code: "invalid_cursor" });
});

test("texts come with their document, as far as the follower has come, and the document again when they change", async () => {
  vi.useFakeTimers();
  try {
    app = createServerApp(undefined, { hasFollowers: true });
    device = new PushDevice(app, 11);
    const settle = () => app.t.finishAllScheduledFunctions(vi.runAllTimers);
    await device.send(device.insert("x"), device.insert("y"));
    await device.send(device.type("x", (text) => text.insert(0, "What was seen.")));
    await settle();
    const first = await page();
    expect(first.documents.map(({ id, texts }) => [id, texts])).toEqual(
      expect.arrayContaining([
        ["x", { log: "What was seen." }],
        ["y", {}],
      ]),
    );
    expect(first.documents.find(({ id }) => id === "x")!.row).not.toHaveProperty("log");
    await device.send(device.type("x", (text) => text.insert(0, "Later. ")));
    await settle();
    expect((await page({ cursor: first.cursor })).documents).toMatchObject([
      { id: "x", texts: { log: "Later. What was seen." } },
    ]);
  } finally {
    vi.useRealTimers();
  }
});

test("I-15: a document that cannot be read is named, and keeps no other from being exported", async () => {
  await device.send(device.insert("x"), device.insert("y"));
  const bytes = new Uint8Array([1, 255, 255, 255, 7]).buffer;
  const bad = {
    collection: "sites",
    scope: "DE",
    part: "",
    document: "x",
    bytes,
    client: "c",
    transactions: [],
  };
  await app.t.mutation((ctx) =>
    ctx.runMutation(app.component.append.append, { deltas: [{ ...bad, schemaVersion: 1 }] }),
  );
  const { documents, failed } = await page();
  expect(ids({ documents })).toEqual(["y"]);
  expect(failed).toMatchObject([{ id: "x", message: expect.any(String) }]);
});

test("I-14: what is read of documents ends a page as their number does", async () => {
  const large = "x".repeat(limits.mainDocumentBytes / 2);
  const count = Math.ceil(limits.exportedBytes / large.length) + 2;
  for (let n = 0; n < count; n++) await device.send(device.insert(`d${n}`, { name: large }));
  for (let n = 0; n < count; n++) await compact(`d${n}`);
  const first = await page({ limit: 256 });
  expect(first.isDone).toBe(false);
  expect(first.documents.length).toBeLessThan(count);
  const found = ids(first);
  for (let { cursor, isDone } = first; !isDone;) {
    const next = await page({ cursor, limit: 256 });
    found.push(...ids(next));
    ({ cursor, isDone } = next);
  }
  expect(found).toHaveLength(count);
});

test("I-16: cursors and limits that cannot be are refused with a code", async () => {
  await device.send(device.insert("x"), device.insert("y"), device.insert("z", { country: "FR" }));
  const { cursor } = await page({ limit: 1 });
  const parts = JSON.parse(cursor) as string[];
  const spoilt = (at: number, part: unknown) =>
    JSON.stringify(parts.map((each, n) => (n === at ? part : each)));
  const hostile = [
    "",
    "null",
    "[]",
    "{}",
    "{",
    cursor.slice(0, -1),
    JSON.stringify([...parts, ""]),
    spoilt(0, "notes"),
    spoilt(1, "FR"),
    spoilt(2, "another epoch"),
    spoilt(2, 0),
    spoilt(3, "-1"),
    spoilt(3, "1e9"),
    spoilt(3, ""),
    spoilt(3, String(2n ** 63n)),
    spoilt(3, "9".repeat(400)),
    spoilt(4, "x".repeat(limits.idLength + 1)),
    spoilt(4, null),
    spoilt(5, "12n"),
    spoilt(5, String(2n ** 64n)),
    "[".repeat(1_000_000),
    "x".repeat(10_000_000),
  ];
  for (const each of hostile)
    expect(await refusalOf(page({ cursor: each })), each.slice(0, 100)).toMatchObject({
      code: "invalid_cursor",
    });
  expect(await refusalOf(page({ cursor }, "FR"))).toMatchObject({ code: "invalid_cursor" });
  await app.t.mutation((ctx) => app.replicate.admin(ctx).newEpoch(sites));
  expect(await refusalOf(page({ cursor }))).toMatchObject({ code: "invalid_cursor" });
  for (const limit of [0, -1, 1.5, NaN, Infinity, limits.exportedDocuments + 1])
    expect(await refusalOf(page({ limit })), String(limit)).toMatchObject({ code: "too_large" });
  expect(await refusalOf(page({}, "s".repeat(limits.idLength + 1)))).toMatchObject({ code: "too_large" });
});
