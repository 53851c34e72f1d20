import { makeFunctionReference, type FunctionReference } from "convex/server";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { projectRow } from "../collections/index.js";
import { openDocument } from "../shared/document.js";
import type { ImportJob } from "../shared/importWire.js";
import { limits } from "../shared/limits.js";
import { readMain } from "../shared/mainDocument.js";
import { startCursor } from "../shared/wire.js";
import { notes, sites } from "../testing/fieldApp.js";
import { PushDevice, refusalOf } from "../testing/pushDevice.js";
import { createServerApp, type ServerApp } from "../testing/serverApp.js";
import type { ImportOptions } from "./types.js";

let app: ServerApp;
beforeEach(() => {
  vi.useFakeTimers();
  app = createServerApp();
});
afterEach(() => vi.useRealTimers());

type SiteRow = Parameters<Parameters<Parameters<ServerApp["writer"]>[0]>[0]["insert"]>[0];
const site = (id: string, more: object = {}): SiteRow => ({ id, name: id, country: "DE", ...more });
const siteRows = (count: number) => Array.from({ length: count }, (_, n) => site(`s${n}`));
const start = (rows: readonly unknown[], options?: ImportOptions) =>
  app.writer((writer) => writer.import(rows as SiteRow[], options));
const runScheduled = () => app.t.finishAllScheduledFunctions(vi.runAllTimers);
const jobOf = (job: string) => app.t.query((ctx) => app.replicate.importJob(ctx, job)) as Promise<ImportJob>;
async function run(rows: readonly unknown[], options?: ImportOptions): Promise<ImportJob> {
  const job = await start(rows, options);
  await runScheduled();
  return jobOf(job);
}
const snapshots = async () =>
  (await app.tables())["snapshots"] as { document: string; scope: string; bytes: ArrayBuffer }[];
const ids = async () => (await app.rows()).map(({ id }) => id);
/** What an import leaves besides its job and its documents. */
const leftovers = async () => {
  const { importChunks, importRows, importResults } = await app.tables();
  return { importChunks, importRows, importResults };
};
const nothing = { importChunks: [], importRows: [], importResults: [] };

test("I-9: each row becomes a document of one snapshot and no delta, and a row that is its projection", async () => {
  const given = [
    site("a", { tags: new Set(["x", "y"]), visits: 3, note: undefined }),
    site("b", { country: "FR", status: "surveyed", note: "n\u0000\u{1F600}" }),
  ];
  const job = await run(given);
  expect(job).toMatchObject({
    collection: "sites",
    state: "done",
    total: 2,
    done: 2,
    failed: 0,
    failures: [],
  });
  expect(job.scopes).toEqual([
    { scope: "DE", documents: 1 },
    { scope: "FR", documents: 1 },
  ]);
  const rows = (await app.rows()).map(({ _id, ...row }) => row);
  expect(rows).toEqual([
    { id: "a", name: "a", country: "DE", status: "open", visits: 3, tags: ["x", "y"] },
    { id: "b", name: "b", country: "FR", status: "surveyed", note: "n\u0000\u{1F600}", visits: 0, tags: [] },
  ]);
  const stored = await snapshots();
  expect(
    stored.map(({ document, bytes }) =>
      projectRow(sites, document, readMain(openDocument([new Uint8Array(bytes)]))),
    ),
  ).toEqual(rows);
  expect((await app.tables())["deltas"]).toEqual([]);
  expect(await leftovers()).toEqual(nothing);
});

test("each scope is told once, after the last document, how many have arrived", async () => {
  const rows = siteRows(250).map((row, n) => (n % 5 === 0 ? { ...row, country: "FR" } : row));
  await app.writer((writer) => writer.insert(site("s1")));
  const job = await start(rows);
  await runScheduled();
  for (const [scope, count] of [
    ["DE", 199],
    ["FR", 50],
  ] as const) {
    const page = await app.pull({ collection: "sites", scope, cursor: startCursor });
    if (page.type !== "page") throw new Error(page.type);
    const bulk = page.entries.filter(({ type }) => type === "bulk");
    expect(bulk).toMatchObject([{ document: "", job, count }]);
    expect(page.entries.at(-1)).toEqual(bulk[0]);
    expect(page.entries.filter(({ type }) => type === "snapshot")).toHaveLength(count);
  }
});

test("who reads the scope meets imported documents whole, and they go on as any other", async () => {
  const device = new PushDevice(app, 11);
  await device.send(device.insert("before"));
  await device.pull();
  await run([site("a", { visits: 2 })]);
  await device.pull();
  await device.send(device.change("a", [{ type: "increment", field: "visits", by: 1 }]));
  await app.writer((writer) => writer.update("a", (draft) => draft.visits.increment()));
  await device.pull();
  expect(readMain(device.doc("a")).counters.get("visits")).toBe(4);
  expect((await app.rows()).find(({ id }) => id === "a")).toMatchObject({ visits: 4 });
});

test("I-15: rows that are invalid, there already or given twice are refused alone, with id, code and reason", async () => {
  await app.writer((writer) => writer.insert(site("there")));
  const job = await run([
    site("a"),
    site("there", { name: "other" }),
    site("wrong", { name: 3 }),
    site("odd", { population: 3 }),
    site("counts", { visits: "3" }),
    site("half", { name: "\ud800" }),
    site("far", { country: "X".repeat(300) }),
    site("a", { name: "again" }),
    site("big", { note: "x".repeat(limits.mainDocumentBytes + 1) }),
    site("b"),
  ]);
  expect(job).toMatchObject({ total: 10, done: 2, failed: 8 });
  const codes = Object.fromEntries(job.failures.map(({ id, code }) => [id, code]));
  expect(codes).toEqual({
    there: "exists",
    wrong: "invalid_row",
    odd: "invalid_row",
    counts: "invalid_row",
    half: "invalid_row",
    far: "invalid_row",
    a: "exists",
    big: "too_large",
  });
  const message = (id: string) => job.failures.find((each) => each.id === id)?.message;
  expect(message("wrong")).toBe('Field "name": expected string, got number 3.');
  expect(message("odd")).toContain('"population"');
  expect(message("big")).toMatch(/has at most 262144/);
  expect(await ids()).toEqual(["a", "b", "there"]);
  expect((await app.rows())[0]).toMatchObject({ name: "a" });
});

test("1,000 rows that are given twice: half arrive, all others are counted, and the first 100 shown", async () => {
  const half = siteRows(1000);
  const job = await run([...half, ...half]);
  expect(job).toMatchObject({ total: 2000, done: 1000, failed: 1000 });
  expect(job.failures).toHaveLength(limits.importFailures);
  expect(new Set(job.failures.map(({ code }) => code))).toEqual(new Set(["exists"]));
});

describe("I-16: what cannot even be kept is refused by the call, and nothing is written", () => {
  const loop: Record<string, unknown> = {};
  loop["self"] = loop;
  test.each([
    ["no array", "rows" as never, "invalid_row", /takes an array/],
    ["a row that is none", [null], "invalid_row", /Row 0: expected an object, got null/],
    ["an array as a row", [site("a"), []], "invalid_row", /Row 1: expected an object/],
    ["a hole", [site("a"), , site("b")] as unknown[], "invalid_row", /Row 1/],
    ["no id", [{ name: "n", country: "DE" }], "invalid_row", /Row 0: expected a string as id, got undefined/],
    ["a number as id", [site(7 as never)], "invalid_row", /got number 7/],
    ["an empty id", [site("")], "invalid_row", /1 to 256/],
    ["an id that is too long", [site("x".repeat(257))], "invalid_row", /1 to 256/],
    ["an id with NUL", [site("a"), site("x\0y")], "invalid_row", /Row 1: .*NUL/],
    ["half a surrogate pair in an id", [site("\ud800")], "invalid_row", /surrogates/],
    ["a Date", [site("a"), site("b", { note: new Date(0) })], "invalid_row", /Row 1 \("b"\): Field "note"/],
    ["a function", [site("a", { note: () => 1 })], "invalid_row", /Field "note"/],
    ["a value that contains itself", [site("a", { note: loop })], "invalid_row", /contains itself/],
    ["a bigint beyond 64 bits", [site("a", { visits: 2n ** 64n })], "invalid_row", /64 bits/],
    [
      "a row over the limit",
      [site("a", { note: "x".repeat(limits.rowBytes) })],
      "too_large",
      /Row 0 \("a"\) has \d+ bytes.* 786432/,
    ],
    [
      "too many rows for a mutation",
      siteRows(limits.importRowsAtOnce + 1),
      "too_large",
      /10000 rows at most, got 10001: call it from an action/,
    ],
    [
      "too many bytes for a mutation",
      Array.from({ length: 17 }, (_, n) => site(`s${n}`, { note: "x".repeat(512 * 1024) })),
      "too_large",
      /8388608 bytes/,
    ],
  ])("%s", async (_, rows, code, message) => {
    const before = await app.everything();
    const refusal = await refusalOf(start(rows));
    expect(refusal.code).toBe(code);
    expect(refusal.message).toMatch(message);
    expect(await app.everything()).toEqual(before);
  });
});

test("a mutation that fails after it began an import has begun none", async () => {
  const before = await app.everything();
  const call = app.writer(async (writer) => {
    await writer.import(siteRows(3));
    throw new Error("no");
  });
  await expect(call).rejects.toThrow("no");
  await runScheduled();
  expect(await app.everything()).toEqual(before);
});

test("an import of nothing is over at once", async () => {
  expect(await run([])).toMatchObject({ state: "done", total: 0, done: 0, scopes: [] });
});

test("a document that was deleted is imported anew, and nothing of its old life comes back", async () => {
  const device = new PushDevice(app, 11);
  await device.send(device.insert("a"));
  await device.send(device.change("a", [{ type: "increment", field: "visits", by: 7 }]));
  await app.writer((writer) => writer.delete("a"));
  expect(await run([site("a", { visits: 1, country: "FR" })])).toMatchObject({
    done: 1,
    scopes: [{ scope: "FR", documents: 1 }],
  });
  expect(await app.rows()).toMatchObject([{ id: "a", visits: 1, country: "FR" }]);
  const fresh = new PushDevice(app, 22);
  await fresh.pull("FR");
  expect(readMain(fresh.doc("a"))).toMatchObject({ existence: "present", incarnation: 1 });
  expect(readMain(fresh.doc("a")).counters.get("visits")).toBe(1);
});

test("a collection without an app table is imported too, and its documents are there once", async () => {
  const begin = () =>
    app.t.mutation((ctx) =>
      app.replicate.writer(ctx, notes).import([
        { id: "n1", text: "a" },
        { id: "n2", text: "b" },
      ]),
    );
  const [first, second] = [await begin(), await begin()];
  await runScheduled();
  const done = (await jobOf(first)).done + (await jobOf(second)).done;
  const failed = (await jobOf(first)).failed + (await jobOf(second)).failed;
  expect([done, failed]).toEqual([2, 2]);
  expect(await app.t.mutation((ctx) => app.replicate.writer(ctx, notes).get("n2"))).toEqual({
    id: "n2",
    text: "b",
  });
  expect((await app.tables())["guards"]).toHaveLength(2);
});

describe("a job in several calls", () => {
  test("stays open until the call without more, and takes rows in meanwhile", async () => {
    const job = await start(siteRows(2), { more: true });
    await runScheduled();
    expect(await jobOf(job)).toMatchObject({ state: "staging", total: 2, done: 2 });
    expect((await jobOf(job)).finishedAt).toBeUndefined();
    await start([site("t0")], { job, more: true });
    await start([], { job });
    await runScheduled();
    expect(await jobOf(job)).toMatchObject({ state: "done", total: 3, done: 3 });
  });

  test("is refused for a job that is closed, cancelled, another collection's, or none", async () => {
    const closed = await start([site("a")]);
    expect(await refusalOf(start([site("b")], { job: closed }))).toMatchObject({ code: "closed" });
    const cancelled = await start([], { more: true });
    await app.t.mutation((ctx) => app.replicate.cancelImport(ctx, cancelled));
    expect(await refusalOf(start([site("b")], { job: cancelled }))).toMatchObject({ code: "closed" });
    const other = await app.t.mutation((ctx) => app.replicate.writer(ctx, notes).import([], { more: true }));
    for (const job of [other, "x", "", "\0", "9".repeat(5000)])
      expect(await refusalOf(start([site("b")], { job }))).toMatchObject({ code: "unknown_document" });
    await runScheduled();
    expect(await ids()).toEqual(["a"]);
    expect(await jobOf("x")).toBeNull();
    expect(await app.t.mutation((ctx) => app.replicate.cancelImport(ctx, "x"))).toBe(false);
  });
});

describe("onWrite", () => {
  test("runs for each document, after all of its transaction are written, and may write them", async () => {
    const heard: unknown[] = [];
    app = createServerApp((replicate) => ({
      onWrite: async (ctx, { source, user, id, type }) => {
        if (source !== "import") return;
        heard.push([user, id, type]);
        await replicate.writer(ctx, sites).update(id, (draft) => draft.tags.add("seen"));
        if (id === "a") await replicate.writer(ctx, sites).update("b", (draft) => draft.visits.increment());
      },
    }));
    expect(await run([site("a"), site("b")])).toMatchObject({ done: 2, failed: 0 });
    expect(heard).toEqual([
      [null, "a", "insert"],
      [null, "b", "insert"],
    ]);
    expect(await app.rows()).toMatchObject([
      { id: "a", tags: ["seen"], visits: 0 },
      { id: "b", tags: ["seen"], visits: 1 },
    ]);
    const device = new PushDevice(app, 11);
    await device.pull();
    expect(readMain(device.doc("b")).counters.get("visits")).toBe(1);
  });

  test("I-15: that refuses or fails leaves out that row alone, with all that it wrote", async () => {
    app = createServerApp((replicate) => ({
      onWrite: async (ctx, { source, id }) => {
        if (source !== "import") return;
        if (id === "s7") await replicate.writer(ctx, sites).insert(site("written by the hook"));
        if (id === "s7") throw new Error("A bug.");
        if (id === "s150") throw (await import("./refuse.js")).refuse("Not this one.");
      },
    }));
    vi.spyOn(console, "error").mockImplementation(() => {});
    const job = await run(siteRows(230));
    expect(job).toMatchObject({ total: 230, done: 228, failed: 2 });
    const failures = [...job.failures].sort((a, b) => (a.id < b.id ? 1 : -1));
    expect(failures).toMatchObject([
      { id: "s7", code: "denied" },
      { id: "s150", code: "denied", message: "Not this one." },
    ]);
    const found = await ids();
    expect(found).toHaveLength(228);
    for (const id of ["s7", "s150", "written by the hook"]) expect(found).not.toContain(id);
    expect(await leftovers()).toEqual(nothing);
  });
});

describe("cancelImport", () => {
  test("ends a job before its time: what has arrived stays, what waits is thrown away", async () => {
    const job = await start(siteRows(1500));
    await app.t.finishInProgressScheduledFunctions();
    expect(await app.t.mutation((ctx) => app.replicate.cancelImport(ctx, job))).toBe(true);
    await runScheduled();
    const found = await jobOf(job);
    expect(found.state).toBe("cancelled");
    expect(found.finishedAt).toBeDefined();
    expect(found.done).toBeLessThan(1500);
    expect(await ids()).toHaveLength(found.done);
    expect(await leftovers()).toEqual(nothing);
    expect(await app.t.mutation((ctx) => app.replicate.cancelImport(ctx, job))).toBe(false);
  });
});

describe("where maintain is", () => {
  test("is found by convention, or told; one that knows nothing of the collection is refused", async () => {
    const maintain = makeFunctionReference<"mutation">("replicate:maintain") as never;
    expect(await run([site("a")], { maintain })).toMatchObject({ done: 1 });
    const wrong = makeFunctionReference<"mutation">("nowhere:maintain") as never;
    await expect(start([site("b")], { maintain: wrong })).rejects.toThrow(/nowhere/);
    await runScheduled();
    expect(await ids()).toEqual(["a"]);
  });
});

describe("the sweep", () => {
  const sweep = async () => {
    const reference = (
      app.component as unknown as { importJobs: { sweep: FunctionReference<"mutation", "internal"> } }
    ).importJobs.sweep;
    await app.t.mutation((ctx) => ctx.runMutation(reference, {}));
    await runScheduled();
  };

  test("deletes a job a week after its end, and cancels one that was left open for as long", async () => {
    const over = await start([site("a")]);
    const open = await start([site("b")], { more: true });
    await runScheduled();
    await sweep();
    expect(await jobOf(over)).not.toBeNull();
    vi.setSystemTime(Date.now() + limits.importsKeptMs + 1000);
    await sweep();
    expect(await jobOf(over)).toBeNull();
    expect(await jobOf(open)).toMatchObject({ state: "cancelled", done: 1 });
    vi.setSystemTime(Date.now() + limits.importsKeptMs + 1000);
    await sweep();
    const { imports, importScopes } = await app.tables();
    expect([imports, importScopes]).toEqual([[], []]);
    expect(await ids()).toEqual(["a", "b"]);
  });

  test("starts a job again whose scheduled functions are lost, as in a restored backup", async () => {
    const job = await start(siteRows(250));
    await app.inComponent(async (ctx) => {
      for (const { _id, state } of await ctx.db.system.query("_scheduled_functions").take(1000))
        if (state.kind === "pending") await ctx.scheduler.cancel(_id);
    });
    expect(await jobOf(job)).toMatchObject({ state: "running", done: 0 });
    await sweep();
    expect(await jobOf(job)).toMatchObject({ state: "running", done: 0 });
    vi.setSystemTime(Date.now() + limits.importStalledMs + 1000);
    await sweep();
    expect(await jobOf(job)).toMatchObject({ state: "done", done: 250, failed: 0 });
    expect(await ids()).toHaveLength(250);
  });
});
