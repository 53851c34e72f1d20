import { beforeEach, expect, test, vi } from "vitest";
import { openDocument } from "../shared/document.js";
import { limits } from "../shared/limits.js";
import { readMain } from "../shared/mainDocument.js";
import { isStateEntry, startCursor } from "../shared/wire.js";
import { notes, sites } from "../testing/fieldApp.js";
import { PushDevice, refusalOf } from "../testing/pushDevice.js";
import { createServerApp, type ServerApp } from "../testing/serverApp.js";

let app: ServerApp;
beforeEach(() => {
  app = createServerApp();
});
const site = (id: string, name = "n") => ({ id, name, country: "DE" });
const rowOf = (id: string, name = "n") => ({ ...site(id, name), status: "open", visits: 0, tags: [] });

/** The document as a client would hold it: I-9 compares it with the app's row. */
async function stateOf(id: string) {
  const page = await app.pull({ collection: "sites", scope: "DE", cursor: startCursor });
  if (page.type !== "page") throw new Error(`Expected a page, got ${page.type}.`);
  const blobs = page.entries.flatMap((entry) =>
    isStateEntry(entry) && entry.document === id ? [new Uint8Array(entry.bytes)] : [],
  );
  return readMain(openDocument(blobs));
}

test("inserts, updates, deletes and reads documents in the app's transaction, and clients get them", async () => {
  await app.writer(async (writer) => {
    await writer.insert({ ...site("x"), visits: 2, tags: ["big"] });
    expect(await writer.get("x")).toEqual({ ...rowOf("x"), visits: 2, tags: ["big"] });
    await writer.update("x", (draft) => {
      draft.status = "surveyed";
      draft.visits.increment();
      draft.tags.delete("big");
    });
    await writer.insert(site("y"));
    await writer.delete("y");
    expect(await writer.get("y")).toBeNull();
  });
  const expected = { ...rowOf("x"), status: "surveyed", visits: 3 };
  expect(await app.rows()).toEqual([{ _id: expect.any(String), ...expected }]);
  const device = new PushDevice(app, 11);
  await device.pull();
  expect(await device.send(device.set("x", "name", "B"))).toMatchObject([{ status: "applied" }]);
  expect(await app.rows()).toMatchObject([{ name: "B", visits: 3 }]);
});

test("I-9: writes started at once on one document come one after the other, and all count", async () => {
  await app.writer(async (writer) => {
    await writer.insert(site("x"));
    const increment = () => writer.update("x", (draft) => draft.visits.increment());
    await Promise.all(Array.from({ length: 10 }, increment));
  });
  expect(await app.rows()).toMatchObject([{ visits: 10 }]);
  expect((await stateOf("x")).counters.get("visits")).toBe(10);
});

test("a write that fails leaves those around it alone, and changes nothing itself", async () => {
  await app.writer(async (writer) => {
    await writer.insert(site("x"));
    const results = await Promise.allSettled([
      writer.update("x", (draft) => draft.visits.increment()),
      writer.update("none", (draft) => draft.visits.increment()),
      writer.insertMany([site("y"), { ...site("z"), name: 3 as unknown as string }]),
      writer.update("x", (draft) => draft.visits.increment()),
    ]);
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected", "fulfilled"]);
  });
  expect(await app.rows()).toMatchObject([{ id: "x", visits: 2 }]);
});

test("a server function that throws writes nothing", async () => {
  await expect(
    app.writer(async (writer) => {
      await writer.insert(site("x"));
      throw new Error("later");
    }),
  ).rejects.toThrow("later");
  expect(await app.rows()).toEqual([]);
  expect((await app.tables())["deltas"]).toEqual([]);
});

const refused: [
  string,
  string,
  (writer: Parameters<Parameters<typeof app.writer>[0]>[0]) => Promise<void>,
][] = [
  ["an insert of what is there", "exists", (writer) => writer.insert(site("x"))],
  ["one id twice", "exists", (writer) => writer.insertMany([site("y"), site("y")])],
  ["an update of what is not there", "unknown_document", (writer) => writer.update("y", () => {})],
  ["a delete of what is not there", "unknown_document", (writer) => writer.delete("y")],
  ["a value of the wrong type", "invalid_row", (writer) => writer.insert({ ...site("y"), name: 3 as never })],
  ["an unknown field", "invalid_row", (writer) => writer.insert({ ...site("y"), owner: "me" } as never)],
  ["no id", "invalid_row", (writer) => writer.insert({ name: "n", country: "DE" } as never)],
  ["an id that is too long", "invalid_row", (writer) => writer.insert(site("y".repeat(300)))],
  ["a document that is too large", "too_large", (writer) => writer.insert(site("y", "n".repeat(300_000)))],
  [
    "501 rows",
    "too_large",
    (writer) => writer.insertMany(Array.from({ length: 501 }, (_, index) => site(`y${index}`))),
  ],
  [
    "more than 4 MiB",
    "too_large",
    (writer) =>
      writer.insertMany(Array.from({ length: 50 }, (_, index) => site(`y${index}`, "n".repeat(90_000)))),
  ],
];
test.each(refused)("I-16: %s is refused as %s, and changes nothing", async (_name, code, write) => {
  await app.writer((writer) => writer.insert(site("x")));
  const before = await app.everything();
  expect(await refusalOf(app.writer(write))).toMatchObject({ code, message: /.{10}/ });
  expect(await app.everything()).toEqual(before);
});

test("I-14: 500 inserts are one append, within Convex's limits, and one more is refused", async () => {
  const rows = Array.from({ length: limits.insertMany }, (_, index) => site(`s${index}`));
  const metrics = await app.t.mutation(async (ctx) => {
    await app.replicate.writer(ctx, sites).insertMany(rows);
    return await ctx.meta.getTransactionMetrics();
  });
  expect((await app.rows()).length).toBe(500);
  expect(metrics.documentsRead.used).toBeLessThan(20);
  expect(metrics.databaseQueries.used).toBeLessThan(2100);
  expect(metrics.documentsWritten.used).toBeLessThan(1010);
});

test("I-14: one document takes 129 writes in one mutation, and not one more", async () => {
  app = createServerApp();
  const write = (count: number) =>
    app.t.mutation(async (ctx) => {
      const writer = app.replicate.writer(ctx, notes);
      for (let edit = 0; edit < count; edit++)
        if (edit === 0) await writer.insert({ id: "n", text: "0" });
        else await writer.update("n", (draft) => void (draft.text = String(edit)));
    });
  expect(await refusalOf(write(130))).toMatchObject({ code: "too_large" });
  expect((await app.tables())["deltas"]).toEqual([]);
  await write(129);
  expect((await app.tables())["deltas"]!.length).toBe(129);
});

test("onWrite is told of server writes, `write` and `read` are not asked", async () => {
  const [read, write, onWrite] = [vi.fn(() => false), vi.fn(() => false), vi.fn()];
  app = createServerApp(() => ({ read, write, onWrite: (_ctx, notice) => onWrite(notice) }));
  await app.writer((writer) => writer.insert(site("x")));
  expect([read, write].flatMap((hook) => hook.mock.calls)).toEqual([]);
  const notice = { source: "server", user: null, id: "x", type: "insert", before: null, after: rowOf("x") };
  expect(onWrite.mock.calls).toEqual([[notice]]);
});

test("an id that was deleted can be inserted again, and starts empty", async () => {
  await app.writer((writer) => writer.insert({ ...site("x"), visits: 5, tags: ["a"] }));
  await app.writer((writer) => writer.delete("x"));
  await app.writer((writer) => writer.insert(site("x")));
  expect(await app.rows()).toEqual([{ _id: expect.any(String), ...rowOf("x") }]);
});

test("a draft that changes nothing writes nothing", async () => {
  await app.writer((writer) => writer.insert(site("x")));
  const before = await app.everything();
  await app.writer((writer) => writer.update("x", (draft) => void (draft.name = "n")));
  expect(await app.everything()).toEqual(before);
});

test("I-18: the server takes another Yjs id in another epoch", async () => {
  await app.writer((writer) => writer.insert(site("x")));
  await app.writer((writer) => writer.insert(site("y")));
  expect((await app.tables())["authors"]!.length).toBe(1);
  await app.t.mutation((ctx) => app.replicate.admin(ctx).newEpoch(notes));
  await app.writer((writer) => writer.update("x", (draft) => void (draft.name = "B")));
  expect((await app.tables())["authors"]!.length).toBe(1);
  await app.t.mutation((ctx) => ctx.runMutation(app.component.epochs.newEpoch, { collection: "sites" }));
  await app.writer((writer) => writer.update("x", (draft) => void (draft.name = "C")));
  expect((await app.tables())["authors"]!.length).toBe(2);
});
