// Texts that are restored in the background, because they are too large for the transaction that restores their document.
import type { FunctionReference } from "convex/server";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Admin } from "./admin.js";
import { limits } from "../shared/limits.js";
import { sites } from "../testing/fieldApp.js";
import { createHistoryApp, type HistoryApp } from "../testing/historyApp.js";
import { PushDevice } from "../testing/pushDevice.js";
import type { CollectionHealth } from "../shared/wire.js";

const large = "large text ".repeat(Math.ceil((1.1 * limits.restoredAtOnceBytes) / 11));
let app: HistoryApp;
let device: PushDevice;
const written: { type: string; part?: string }[] = [];

beforeEach(async () => {
  vi.useFakeTimers();
  written.length = 0;
  app = createHistoryApp(
    { keepDays: 30 },
    {
      onWrite: async (_ctx, change) => {
        written.push({ type: change.type, ...(change.type === "part" ? { part: change.part } : {}) });
      },
    },
  );
  device = new PushDevice(app, 11);
  await app.tellHistory();
  await device.send(device.insert("x", { name: "A" }));
  await device.send(device.type("x", (text) => text.insert(0, large)));
  await compacted("x");
});
afterEach(() => vi.useRealTimers());

/** What is too much to be read beside a snapshot is in it. */
const compacted = (document: string) =>
  app.t.mutation((ctx) =>
    ctx.runMutation(app.component.compact.compact, { collection: "sites", document, part: "log" }),
  );
const settled = () => app.t.finishAllScheduledFunctions(vi.runAllTimers);
const logOf = (document: string, part = "log") =>
  new PushDevice(app, 900 + Math.floor(Math.random() * 1e6)).pullPart(document, part);
const restores = async () => (await app.tables())["restores"] as { _id: string; failure?: object }[];
const deltasOf = async (part: string) =>
  ((await app.tables())["deltas"] as { part: string }[]).filter((delta) => delta.part === part);
const admin = <T>(work: (admin: Admin) => Promise<T>) =>
  app.t.mutation((ctx) => work(app.replicate.admin(ctx)));
const health = async (): Promise<CollectionHealth> =>
  (await app.t.query((ctx) => app.replicate.health(ctx))).find(({ collection }) => collection === "sites")!;

/** Saves it, changes all of it, and begins to restore it. */
async function restoreSaved(): Promise<string> {
  const { version } = await app.save("x");
  await device.send(device.set("x", "name", "B"));
  await device.send(device.type("x", (text) => text.insert(6, "changed since ")));
  expect(await app.restore("x", { version })).toMatchObject({ type: "restored", later: ["log"] });
  return version;
}

test("I-17: a large text follows its document in the background; what is typed meanwhile stays", async () => {
  written.length = 0;
  await restoreSaved();
  expect(written.slice(-2)).toEqual([{ type: "update" }, { type: "part", part: "log" }]);
  expect(await app.row("x")).toMatchObject({ name: "A" });
  await device.send(device.type("x", (text) => text.insert(text.length, "typed meanwhile")));
  await settled();
  expect(await logOf("x")).toBe(`${large}typed meanwhile`);
  expect(await restores()).toEqual([]);
});

test("I-17: also to a time, and back again; a text that was small then and is large now, too", async () => {
  vi.setSystemTime(Date.now() + 10);
  const then = Date.now();
  vi.setSystemTime(Date.now() + 10);
  await device.send(device.type("x", (text) => text.delete(5, text.length - 5)));
  const result = await app.restore("x", { at: then });
  if (result.type !== "restored") throw new Error(result.type);
  await settled();
  expect(await logOf("x")).toBe(large);
  await device.pullPart("x");
  await device.send(device.type("x", (text) => text.insert(0, large)));
  await compacted("x");
  expect(await app.restore("x", { version: result.replaced! })).toMatchObject({ later: ["log"] });
  await settled();
  expect(await logOf("x")).toBe("large");
});

test("I-17: a large text of a document that was deleted begins anew", async () => {
  const { version } = await app.save("x");
  await device.send(device.change("x", [{ type: "delete" }]));
  expect(await app.restore("x", { version })).toEqual({ type: "restored", replaced: null, later: ["log"] });
  await settled();
  expect(await logOf("x", "log\u00001")).toBe(large);
});

test("I-3: a job that is begun again, while it runs or after it has ended, appends nothing twice", async () => {
  await restoreSaved();
  const [restore] = await restores();
  const before = (await deltasOf("log")).length;
  const run = () =>
    app.t.action((ctx) =>
      ctx.runAction((app.component as never as Internal).restores.run, { restore: restore!._id }),
    );
  await Promise.all([run(), run()]);
  await run();
  await settled();
  expect((await deltasOf("log")).length - before).toBe(1);
  expect(await logOf("x")).toBe(large);
});
interface Internal {
  readonly restores: { readonly run: FunctionReference<"action", "internal"> };
}

test("a document that is purged, or deleted, while its text is on its way gets none of it back", async () => {
  await restoreSaved();
  const [restore] = await restores();
  const change = device.type("x", (text) => text.insert(0, "read before it was purged"));
  await admin((each) => each.purge(sites, "x"));
  await app.call("restores", "append", { restore: restore!._id, bytes: change.bytes });
  await settled();
  expect([await restores(), await deltasOf("log")]).toEqual([[], []]);
  await device.send(device.insert("y"));
  await device.send(device.type("y", (text) => text.insert(0, large)));
  await compacted("y");
  const { version } = await app.save("y");
  await device.send(device.type("y", (text) => text.insert(0, "more ")));
  await app.restore("y", { version });
  await device.send(device.change("y", [{ type: "delete" }]));
  await settled();
  expect([await restores(), await deltasOf("log")]).toEqual([[], []]);
});

test("a version that is deleted meanwhile leaves the text as it is", async () => {
  const version = await restoreSaved();
  await admin((each) => each.deleteVersion(sites, "x", version));
  const before = await logOf("x");
  await settled();
  expect(await logOf("x")).toBe(before);
  expect(await restores()).toEqual([]);
});

test("I-15: one that fails is told by health, and done when it is retried after the cause was mended", async () => {
  const version = await restoreSaved();
  const kept: { _id: never; bytes: ArrayBuffer }[] = [];
  const chunks = (work: (id: never, bytes: ArrayBuffer) => ArrayBuffer) =>
    app.inComponent(async (ctx) => {
      for (const row of await ctx.db.query("versionChunks").take(100))
        if ((row.version as string) === version && row.part === "log")
          await ctx.db.patch("versionChunks", row._id, { bytes: work(row._id as never, row.bytes) });
    });
  await chunks((_id, bytes) => (kept.push({ _id, bytes }), new ArrayBuffer(8)));
  await settled();
  expect(await health()).toMatchObject({ failedJobs: 1, lastError: { document: "x" } });
  expect(await restores()).toMatchObject([{ failure: { message: expect.any(String) as string } }]);
  await chunks((id) => kept.find(({ _id }) => _id === id)!.bytes);
  expect(await admin((each) => each.retryFailed(sites))).toBe(1);
  await settled();
  expect(await logOf("x")).toBe(large);
  expect(await health()).toMatchObject({ failedJobs: 0 });
});

test("one that was lost is begun anew by the hourly sweep", async () => {
  await restoreSaved();
  const at = Date.now();
  vi.clearAllTimers(); // what was scheduled is gone, as after a backup is restored
  vi.setSystemTime(at + limits.restoreLostMs + 1);
  await app.call("restores", "sweep");
  await settled();
  expect(await logOf("x")).toBe(large);
});
