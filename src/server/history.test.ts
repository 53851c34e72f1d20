import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { limits } from "../shared/limits.js";
import { openDocument } from "../shared/document.js";
import { plainText } from "../shared/partDocument.js";
import { conflictsBetween, recordMutation } from "../testing/conflictAuditor.js";
import { notes, sites } from "../testing/fieldApp.js";
import { createHistoryApp, type HistoryApp } from "../testing/historyApp.js";
import { PushDevice, refusalOf } from "../testing/pushDevice.js";

const dayMs = 24 * 60 * 60_000;
let app: HistoryApp;
let device: PushDevice;
beforeEach(async () => {
  vi.useFakeTimers();
  app = createHistoryApp({ keepDays: 30, automatic: "daily" });
  device = new PushDevice(app, 11);
  await app.tellHistory();
});
afterEach(() => vi.useRealTimers());

const wait = (ms: number) => vi.setSystemTime(Date.now() + ms);
/** A moment between what was and what will be. */
function moment(): number {
  wait(10);
  const now = Date.now();
  wait(10);
  return now;
}
const listed = async (document: string) => {
  const result = await app.versions(document);
  if (result.type !== "versions") throw new Error(result.type);
  return result.versions;
};
const seenAt = async (document: string, target: Parameters<HistoryApp["versionAt"]>[1]) => {
  const result = await app.versionAt(document, target);
  if (result.type !== "version") throw new Error(result.type);
  const texts = result.parts.map(({ part, bytes }) => [
    part,
    plainText(openDocument([new Uint8Array(bytes)])),
  ]);
  return { row: result.row as Record<string, unknown> | null, texts: Object.fromEntries(texts) as object };
};
const logOf = async (document: string) => {
  const fresh = new PushDevice(app, 900 + Math.floor(Math.random() * 1e6));
  return fresh.pullPart(document);
};
const purge = (document: string) => app.t.mutation((ctx) => app.replicate.admin(ctx).purge(sites, document));
/** Runs the daily work as the cron would, and all that it schedules. */
async function daily() {
  await app.call("sweepHistory", "sweep");
  await app.t.finishAllScheduledFunctions(vi.runAllTimers);
}
const archives = async () =>
  (await app.tables())["archives"] as { kind: string; document: string; part: string }[];

test("a version is saved, listed newest first, shown and restored; what was replaced is a version too, and undoes it", async () => {
  await device.send(device.insert("x", { name: "A" }));
  const { version } = await app.save("x", "before review");
  wait(1000);
  await device.send(device.set("x", "name", "B"));
  await app.save("x", "after");
  expect((await listed("x")).map(({ label, kind, author }) => [label, kind, author])).toEqual([
    ["after", "named", null],
    ["before review", "named", null],
  ]);
  expect((await seenAt("x", { version })).row).toMatchObject({ name: "A" });
  const result = await app.restore("x", { version });
  expect(await app.row("x")).toMatchObject({ name: "A" });
  if (result.type !== "restored") throw new Error(result.type);
  expect((await listed("x"))[0]).toMatchObject({ kind: "restore", version: result.replaced });
  await app.restore("x", { version: result.replaced! });
  expect(await app.row("x")).toMatchObject({ name: "B" });
  expect(await app.restore("x", { version: result.replaced! })).toEqual({ type: "unchanged" });
});

test("the list comes in pages, and each version once", async () => {
  await device.send(device.insert("x"));
  for (let n = 0; n < 7; n++) await app.save("x", `v${n}`);
  const labels: unknown[] = [];
  let cursor: number | null = null;
  do {
    const page = await app.versions("x", { cursor, limit: 3 });
    if (page.type !== "versions") throw new Error(page.type);
    labels.push(...page.versions.map(({ label }) => label));
    cursor = page.cursor;
  } while (cursor !== null);
  expect(labels).toEqual(["v6", "v5", "v4", "v3", "v2", "v1", "v0"]);
});

test("I-17: a text is shown and restored as it was, also of a document that was deleted since and dropped", async () => {
  await device.send(device.insert("x", { name: "A" }));
  await device.send(device.type("x", (text) => text.insert(0, "hello")));
  const first = moment();
  await device.send(device.type("x", (text) => text.insert(5, " world")));
  const second = moment();
  await app.t.mutation((ctx) =>
    ctx.runMutation(app.component.compact.compact, { collection: "sites", document: "x", part: "log" }),
  );
  await device.send(device.type("x", (text) => text.delete(0, 6)));
  expect(await logOf("x")).toBe("world");
  const third = moment();
  expect(await seenAt("x", { at: first })).toMatchObject({ texts: { log: "hello" } });
  expect(await seenAt("x", { at: second })).toMatchObject({ texts: { log: "hello world", report: "" } });
  await app.restore("x", { at: first });
  expect(await logOf("x")).toBe("hello");
  await device.send(device.change("x", [{ type: "delete" }]));
  await app.t.finishAllScheduledFunctions(vi.runAllTimers);
  const rows = (await app.tables())["deltas"] as { part: string }[];
  expect(rows.filter(({ part }) => part === "log")).toEqual([]); // the follower has dropped it
  for (const [at, log] of [
    [first, "hello"],
    [second, "hello world"],
    [third, "world"],
  ] as const)
    expect(await seenAt("x", { at })).toMatchObject({ texts: { log } });
  expect(await app.restore("x", { at: second })).toEqual({ type: "restored", replaced: null });
  expect(await app.row("x")).toMatchObject({ name: "A" });
  const parts = (await app.tables())["deltas"] as { part: string }[];
  expect(parts.filter(({ part }) => part === "log\u00001")).toHaveLength(1); // the text of its second life
});

test("I-17: what a device has written offline merges after a restore", async () => {
  await device.send(device.insert("x", { name: "A" }));
  const before = moment();
  const other = new PushDevice(app, 22);
  await other.pull();
  await device.send(
    device.change("x", [
      { type: "set", field: "name", value: "B" },
      { type: "increment", field: "visits", by: 5 },
      { type: "add", field: "tags", member: "t" },
    ]),
  );
  const late = other.change("x", [
    { type: "set", field: "note", value: "offline" },
    { type: "increment", field: "visits", by: 2 },
  ]);
  await app.restore("x", { at: before });
  expect(await app.row("x")).toMatchObject({ name: "A", visits: 0, tags: [] });
  expect(await other.send(late)).toMatchObject([{ status: "applied" }]);
  expect(await app.row("x")).toMatchObject({ name: "A", visits: 2, tags: [], note: "offline" });
});

test("who may not write may neither save nor restore; who may not read sees nothing, nor what was in a scope he may not read", async () => {
  const readable = new Set(["DE", "FR"]);
  const writable = new Set(["DE", "FR"]);
  const told: unknown[] = [];
  app = createHistoryApp(
    { keepDays: 30 },
    {
      read: (_ctx, { scope }) => readable.has(scope),
      write: (_ctx, { scope }) => writable.has(scope),
      onWrite: (_ctx, { type, source, after }) => void told.push([type, source, after?.name]),
    },
  );
  device = new PushDevice(app, 11);
  await device.send(device.insert("x", { name: "A" }));
  const { version } = await app.save("x");
  const at = moment();
  await device.send(device.change("x", [{ type: "set", field: "country", value: "FR" }]));
  readable.delete("DE");
  expect(await app.versionAt("x", { version })).toEqual({ type: "denied" });
  expect(await app.versionAt("x", { at })).toEqual({ type: "denied" });
  expect(await refusalOf(app.restore("x", { version }))).toMatchObject({ code: "denied" });
  expect(await app.versions("x")).toMatchObject({ type: "versions" });
  readable.add("DE");
  writable.delete("DE");
  const before = await app.everything();
  expect(await refusalOf(app.restore("x", { version }))).toMatchObject({ code: "denied" });
  writable.clear();
  expect(await refusalOf(app.save("x"))).toMatchObject({ code: "denied" });
  readable.clear();
  expect(await app.versions("x")).toEqual({ type: "denied" });
  expect(await app.versionAt("x", { version })).toEqual({ type: "denied" });
  expect(await refusalOf(app.save("x"))).toMatchObject({ code: "denied" });
  expect(await app.everything()).toEqual(before);
  for (const scope of ["DE", "FR"]) {
    readable.add(scope);
    writable.add(scope);
  }
  told.length = 0;
  await app.restore("x", { version });
  expect(told).toEqual([["update", "client", "A"]]);
  expect(await app.row("x")).toMatchObject({ country: "DE" });
});

test("I-16: hostile arguments are refused with a code, and change nothing", async () => {
  await device.send(device.insert("x"), device.insert("y"));
  const { version } = await app.save("y");
  const before = await app.everything();
  const codeOf = async (call: Promise<unknown>) => (await refusalOf(call)).code;
  for (const at of [NaN, -1, Infinity, -Infinity, Date.now() + limits.clockAheadMs + 1000, 1e300]) {
    expect(await codeOf(app.versionAt("x", { at }))).toBe("invalid_update");
    expect(await codeOf(app.restore("x", { at }))).toBe("invalid_update");
  }
  const someId = ((await app.tables())["deltas"] as { _id: string }[])[0]!._id;
  for (const wrong of [version, "", "nonsense", someId, "x".repeat(10_000), "\0"]) {
    expect(await codeOf(app.versionAt("x", { version: wrong }))).toBe("unknown_version");
    expect(await codeOf(app.restore("x", { version: wrong }))).toBe("unknown_version");
  }
  expect(await codeOf(app.versionAt("x", {}))).toBe("invalid_update");
  expect(await codeOf(app.restore("x", { version, at: 1 }))).toBe("invalid_update");
  for (const label of ["", "l".repeat(limits.labelLength + 1)])
    expect(await codeOf(app.save("x", label))).toBe("too_large");
  expect(await codeOf(app.save("x", "\ud800"))).toBe("invalid_update");
  for (const limit of [0, -1, 1.5, NaN, limits.versionsListed + 1])
    expect(await codeOf(app.versions("x", { limit }))).toBe("too_large");
  expect(await codeOf(app.versions("x", { cursor: NaN }))).toBe("invalid_update");
  expect(await codeOf(app.versions("never"))).toBe("unknown_document");
  expect(await codeOf(app.save("never"))).toBe("unknown_document");
  expect(await codeOf(app.versions("\0"))).toBe("invalid_update");
  const ofNotes = { collection: notes.name, document: "x" };
  expect(await codeOf(app.t.query(app.api.versions, ofNotes))).toBe("unknown_version");
  expect(await codeOf(app.t.query(app.api.versions, { ...ofNotes, collection: "none" }))).toBe(
    "unknown_collection",
  );
  expect(await app.everything()).toEqual(before);
});

test("I-14: named versions have a limit that says itself, an operator deletes one; of what restores replaced the oldest goes", async () => {
  await device.send(device.insert("x", { name: "A" }));
  for (let n = 0; n < limits.namedVersions; n++) await app.save("x", `v${n}`);
  const full = await refusalOf(app.save("x", "one more"));
  expect(full).toMatchObject({
    code: "too_large",
    message: expect.stringContaining(String(limits.namedVersions)),
  });
  const { version } = (await listed("x"))[0]!;
  const remove = () => app.t.mutation((ctx) => app.replicate.admin(ctx).deleteVersion(sites, "x", version));
  expect([await remove(), await remove()]).toEqual([true, false]);
  await app.save("x", "one more");
  const at = moment();
  for (let n = 0; n < limits.restoreVersions + 3; n++) {
    await device.pull();
    await device.send(device.set("x", "name", `B${n}`));
    await app.restore("x", { at });
  }
  const kinds = ((await app.tables())["versions"] as { kind: string }[]).map(({ kind }) => kind);
  expect(kinds.filter((kind) => kind === "restore")).toHaveLength(limits.restoreVersions);
}, 60_000);

test.each([false, true])(
  "a purge deletes all of a document's history and nothing of another's, and no late job brings any of it back; inserted anew: %s",
  async (isInsertedAnew) => {
    await device.send(device.insert("x", { name: "secret" }), device.insert("y", { name: "open" }));
    await device.send(device.type("x", (text) => text.insert(0, "secret too")));
    await app.save("x");
    await app.save("y");
    for (const id of ["x", "y"]) {
      await device.send(device.set(id, "note", "changed"));
      await app.compact(id);
    }
    await purge("x");
    await app.call("sweepHistory", "saveAutomatic", { collection: "sites", document: "x" });
    // A compaction that was queued before meets what is still stored of the text.
    await app.t.mutation((ctx) =>
      ctx.runMutation(app.component.compact.compact, { collection: "sites", document: "x", part: "log" }),
    );
    if (isInsertedAnew) {
      device.forget("x");
      await device.send(device.insert("x", { name: "another" }));
    }
    await app.t.finishAllScheduledFunctions(vi.runAllTimers);
    const {
      archives: kept,
      archiveChunks: bytes,
      versions: saved,
      versionChunks: blobs,
    } = await app.tables();
    const all = JSON.stringify({ kept, bytes, saved, blobs }, (_, value: unknown) =>
      value instanceof ArrayBuffer
        ? Buffer.from(value).toString("latin1")
        : typeof value === "bigint"
          ? `${value}`
          : value,
    );
    expect(all).not.toContain("secret");
    const { versions, versionChunks, archiveChunks } = await app.tables();
    expect(versions).toMatchObject([{ document: "y" }]);
    expect(versionChunks!.length).toBeGreaterThan(0);
    expect((await archives()).map(({ document }) => document)).toEqual(["y"]);
    expect(archiveChunks).toHaveLength(1);
    if (isInsertedAnew) expect(await listed("x")).toEqual([]);
    else expect(await refusalOf(app.versions("x"))).toMatchObject({ code: "unknown_document" });
  },
);

test("every day documents that changed get a version, others none; it and archives go when they are too old, named ones stay", async () => {
  await device.send(device.insert("x", { name: "A" }), device.insert("y"));
  await daily();
  expect(await listed("x")).toMatchObject([{ kind: "automatic", author: null }]);
  await device.send(device.set("x", "name", "B"));
  await app.compact("x");
  const at = moment();
  wait(dayMs);
  await app.save("y");
  await daily();
  expect((await listed("x")).map(({ kind }) => kind)).toEqual(["automatic", "automatic"]);
  expect((await listed("y")).map(({ kind }) => kind)).toEqual(["named", "automatic"]);
  await device.send(device.set("x", "name", "C"));
  await app.compact("x");
  expect((await archives()).map(({ kind }) => kind)).toEqual(["deltas", "deltas"]);
  wait(29 * dayMs - 60 * 60_000);
  await daily();
  expect((await seenAt("x", { at })).row).toMatchObject({ name: "B" });
  wait(2 * dayMs);
  await daily();
  expect(await archives()).toEqual([]);
  expect(await refusalOf(app.versionAt("x", { at }))).toMatchObject({
    code: "unknown_version",
    message: expect.stringContaining("kept from"),
  });
  expect((await listed("y")).map(({ kind }) => kind)).toEqual(["named"]);
}, 60_000);

test("history that was switched on late begins with what was there; switched off, nothing is added and the old still goes", async () => {
  app = createHistoryApp({ keepDays: 30 });
  device = new PushDevice(app, 11);
  await device.send(device.insert("x", { name: "A" }));
  const early = moment();
  await app.compact("x"); // the component has not been told yet
  expect(await archives()).toEqual([]);
  await app.tellHistory();
  await device.send(device.set("x", "name", "B"));
  const [later] = [moment()];
  await device.send(device.set("x", "name", "C"));
  await app.compact("x");
  expect((await archives()).map(({ kind }) => kind)).toEqual(["base", "deltas"]);
  expect((await seenAt("x", { at: early })).row).toMatchObject({ name: "A" });
  expect((await seenAt("x", { at: later })).row).toMatchObject({ name: "B" });
  expect(await refusalOf(app.versionAt("x", { at: early - 1000 }))).toMatchObject({
    code: "unknown_version",
  });
  await app.call("follower", "wake", { collection: "sites", history: [] });
  await device.send(device.set("x", "name", "D"));
  await app.call("follower", "wake", { collection: "sites", history: [] });
  await app.compact("x");
  expect(await archives()).toHaveLength(2);
  wait(31 * dayMs);
  await daily();
  expect(await archives()).toEqual([]);
});

test("I-14: ten thousand archived deltas are no matter: the state of any time is rebuilt from a base near it", async () => {
  await device.send(device.insert("x"));
  const moments: [number, number][] = [];
  for (let round = 0; round < 20; round++) {
    const deltas = Array.from({ length: 500 }, () => {
      const { part, ...change } = device.change("x", [{ type: "increment", field: "visits", by: 1 }]);
      return { ...change, part, scope: "DE", client: device.client, transactions: [] };
    });
    await app.t.mutation((ctx) =>
      ctx.runMutation(app.component.append.append, {
        deltas,
        history: [{ collection: "sites", keepDays: 30, automatic: "daily" }],
      }),
    );
    moments.push([moment(), (round + 1) * 500]);
    await app.compact("x");
  }
  expect((await archives()).filter(({ kind }) => kind === "base").length).toBeGreaterThan(2);
  for (const [at, visits] of moments) expect((await seenAt("x", { at })).row).toMatchObject({ visits });
}, 120_000);

test("I-13: saving a version, archiving and folding conflict with no push to the same document", async () => {
  await device.send(device.insert("x"));
  await device.send(device.set("x", "name", "A"));
  const push = (name: string) =>
    recordMutation(async () => {
      expect(await device.send(device.set("x", "name", name))).toMatchObject([{ status: "applied" }]);
    });
  const compaction = await recordMutation(() => app.compact("x"));
  expect(compaction.writes.some(({ table }) => table === "archives")).toBe(true);
  expect(conflictsBetween(compaction, await push("B"))).toEqual([]);
  const again = await recordMutation(() => app.compact("x"));
  expect(conflictsBetween(again, await push("C"))).toEqual([]);
  const saved = await recordMutation(() =>
    app.t.mutation((ctx) =>
      ctx.runMutation(app.component.versions.save, {
        ...{ collection: "sites", document: "x", fields: ["log"] },
        ...{ kind: "named", label: "v", author: null },
      }),
    ),
  );
  expect(saved.writes.some(({ table }) => table === "versions")).toBe(true);
  expect(conflictsBetween(saved, await push("D"))).toEqual([]);
  const whole = await recordMutation(() => app.save("x"));
  expect(conflictsBetween(whole, await push("E"))).toEqual([]);
  const typed = await recordMutation(() => device.send(device.type("x", (text) => text.insert(0, "t"))));
  for (const each of [compaction, saved, whole]) expect(conflictsBetween(each, typed)).toEqual([]);
  const automatic = await recordMutation(() =>
    app.call("sweepHistory", "saveAutomatic", { collection: "sites", document: "x" }),
  );
  expect(automatic.writes.some(({ table }) => table === "versions")).toBe(true);
  expect(conflictsBetween(automatic, await push("F"))).toEqual([]);
  wait(20 * dayMs);
  await push("G");
  await app.compact("x");
  wait(15 * dayMs);
  const folding = await recordMutation(() => app.fold("x"));
  expect(folding.writes.some(({ table }) => table === "archives")).toBe(true);
  expect(conflictsBetween(folding, await push("H"))).toEqual([]);
});

/** What a push reads and writes, as Convex counts it. */
async function cost(history: Parameters<typeof createHistoryApp>[0], isTold: boolean) {
  const own = createHistoryApp(history);
  if (isTold) await own.tellHistory();
  const author = new PushDevice(own, 11);
  await author.send(author.insert("x"));
  if (!isTold) await own.call("follower", "wake", { collection: "sites" });
  const operation = author.set("x", "name", "B");
  return own.t.mutation(async (ctx) => {
    await ctx.runMutation(own.api.push, author.toArgs([author.transaction([operation])]));
    const metrics = await ctx.meta.getTransactionMetrics();
    const { documentsRead, databaseQueries, documentsWritten, functionsScheduled } = metrics;
    return [documentsRead.used, databaseQueries.used, documentsWritten.used, functionsScheduled.used];
  });
}

test("a push reads and writes as much with history as without it", async () => {
  const without = await cost(undefined, false);
  expect(await cost({ keepDays: 30 }, true)).toEqual(without);
  expect(without[3]).toBe(0);
});

test("history that cannot be kept is refused where the collection is registered", () => {
  for (const keepDays of [0, -1, 1.5, NaN, 1e9])
    expect(() => createHistoryApp({ keepDays })).toThrow(/keepDays/);
  expect(() => createHistoryApp({ keepDays: 1, automatic: "hourly" as "daily" })).toThrow(/automatic/);
});
