import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { limits } from "../shared/limits.js";
import { startCursor, startOfPart, type PushOperation } from "../shared/wire.js";
import { sites } from "../testing/fieldApp.js";
import { PushDevice, refusalOf } from "../testing/pushDevice.js";
import { createServerApp, type ServerApp } from "../testing/serverApp.js";

let app: ServerApp;
let a: PushDevice;
let b: PushDevice;
beforeEach(async () => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) });
  app = createServerApp(undefined, { hasFollowers: true });
  [a, b] = [new PushDevice(app, 11), new PushDevice(app, 22)];
  await a.send(a.insert("x"));
  await b.pull();
});
afterEach(() => vi.useRealTimers());

const second = 1000;
const pass = (ms: number) => app.pass(ms, vi.advanceTimersByTimeAsync);
const text = (id: string, field: "log" | "report" = "log") =>
  app.t.query((ctx) => app.replicate.text(ctx, sites, id, field));
const pullPart = (
  document: string,
  part = "log",
  cursor = startOfPart,
  caller: Pick<typeof app.t, "query"> = app.t,
) => caller.query(app.api.pullPart!, { collection: "sites", document, part, cursor });
/** What the scope's stream tells of parts. */
async function told(scope: string) {
  const page = await app.pull({ collection: "sites", scope, cursor: startCursor });
  if (page.type !== "page") throw new Error(`Expected a page, got ${page.type}.`);
  return page.entries.filter((entry) => entry.type === "part");
}
async function storedParts() {
  const tables = (await app.tables()) as Record<string, { part?: string; body?: { part?: string } }[]>;
  return Object.entries(tables)
    .flatMap(([name, rows]) => (rows.some((row) => (row.part ?? row.body?.part ?? "") !== "") ? [name] : []))
    .sort();
}
const write = (device: PushDevice, at: number, words: string, part = "log") =>
  device.type("x", (typed) => typed.insert(at, words), part);

test("what two people type at once is there whole, for both", async () => {
  await a.send(write(a, 0, "Hello "));
  await b.pullPart("x");
  await Promise.all([a.send(write(a, 6, "from A. ")), b.send(write(b, 6, "from B. "))]);
  const [first, second] = [await a.pullPart("x"), await b.pullPart("x")];
  expect(first).toBe(second);
  expect(first).toMatch(/^Hello (from A\. from B\. |from B\. from A\. )$/);
});

test("a document and its text arrive in one transaction, in whatever order they are in it", async () => {
  const insert = a.insert("y");
  const typed = a.type("y", (log) => log.insert(0, "of y"));
  expect(await a.push([a.transaction([typed, insert])])).toMatchObject([{ status: "applied" }]);
  expect(await b.pullPart("y")).toBe("of y");
});

test("I-6: a transaction whose text is refused does not insert its document", async () => {
  const insert = a.insert("y");
  const typed = { ...a.type("y", (log) => log.insert(0, "of y")), part: "name" };
  const before = await app.tables();
  expect(await a.push([a.transaction([insert, typed])])).toMatchObject([{ status: "rejected" }]);
  const { receipts: _, authors: __, ...after } = await app.tables();
  expect(before).toMatchObject(after);
});

test("the app's row has no text, and is not written by typing", async () => {
  const rows = await app.rows();
  await a.send(write(a, 0, "typed"));
  expect(await app.rows()).toEqual(rows);
});

test("a list shows how a text begins a second after it was typed, and then every five seconds at most", async () => {
  await a.send(write(a, 0, "one"));
  await pass(2 * second);
  expect(await told("DE")).toMatchObject([{ document: "x", part: "log", preview: "one" }]);
  expect(await text("x")).toBe("one");
  const counts = new Set<string>();
  for (let n = 0; n < 10; n++) {
    await a.send(write(a, 0, `${n} `));
    await pass(second);
    counts.add((await told("DE"))[0]!.preview);
  }
  await pass(10 * second);
  expect(await told("DE")).toMatchObject([{ preview: "9 8 7 6 5 4 3 2 1 0 one" }]);
  expect(counts.size).toBeLessThanOrEqual(4);
});

test("a long text shows its first characters, and the app reads its first 64 KiB", async () => {
  await a.send(write(a, 0, "ä".repeat(40_000)));
  await pass(2 * second);
  expect((await told("DE"))[0]!.preview).toBe("ä".repeat(limits.previewCharacters));
  expect(await text("x")).toBe("ä".repeat(limits.textBytes / 2));
});

test("I-12: who may not read the scope of a document, or no more, gets nothing of its text", async () => {
  await a.send(write(a, 0, "secret"));
  await pass(2 * second);
  await a.send(a.set("x", "country", "XX"));
  expect(await pullPart("x")).toEqual({ type: "denied" });
  expect(await told("DE")).toEqual([]);
  expect(await pullPart("nowhere")).toEqual({ type: "gone" });
});

test("with its document a text goes to another scope, and is told of there", async () => {
  await a.send(write(a, 0, "moves"));
  await pass(2 * second);
  await a.send(a.set("x", "country", "FR"));
  expect([await told("DE"), await told("FR")]).toMatchObject([[], [{ document: "x", preview: "moves" }]]);
  await a.send(write(a, 5, " on"));
  await pass(10 * second);
  expect([await told("DE"), await told("FR")]).toMatchObject([[], [{ document: "x", preview: "moves on" }]]);
  const stats = await app.t.query((ctx) => app.replicate.stats(ctx, sites, "DE"));
  expect(stats).toEqual({ documents: 0, bytes: 0 });
});

test("the text of a deleted document is gone, and does not come back with a later insert of its id", async () => {
  await a.send(write(a, 0, "old"));
  await pass(2 * second);
  await a.send(a.change("x", [{ type: "delete" }]));
  const late = b.type("x", (log) => log.insert(0, "late"));
  expect(await b.send(late)).toMatchObject([{ status: "rejected", code: "unknown_document" }]);
  await pass(20 * second);
  expect(await storedParts()).toEqual([]);
  await a.send(a.insert("x"));
  expect(await b.push([b.transaction([late])])).toMatchObject([
    { status: "rejected", code: "unknown_document" },
  ]);
  await a.send(a.type("x", (log) => log.insert(0, "new"), "log\0" + "1"));
  await pass(10 * second);
  expect(await b.pullPart("x", "log\0" + "1")).toBe("new");
  expect(await new PushDevice(app, 33).pullPart("x")).toBe("");
  expect(await text("x")).toBe("new");
});

test("a purge leaves nothing of a document's texts, compacted or not", async () => {
  await a.send(write(a, 0, "personal"));
  await a.send(write(a, 0, "very ", "report"));
  const place = { collection: "sites", document: "x" };
  await app.t.mutation((ctx) => ctx.runMutation(app.component.compact.compact, { ...place, part: "log" }));
  await pass(2 * second);
  expect(await storedParts()).toEqual(["announcements", "deltas", "heads", "snapshots", "texts"]);
  await app.t.mutation((ctx) => app.replicate.admin(ctx).purge(sites, "x"));
  await pass(20 * second);
  expect(await storedParts()).toEqual([]);
  expect(await pullPart("x")).toEqual({ type: "gone" });
});

test("a document that is inserted at once after its purge has nothing of the old text", async () => {
  await a.send(write(a, 0, "personal"));
  await app.t.mutation((ctx) => app.replicate.admin(ctx).purge(sites, "x"));
  a.forget("x");
  await a.send(a.insert("x"));
  expect(await new PushDevice(app, 33).pullPart("x")).toBe("");
  const [typist] = [new PushDevice(app, 44)];
  await typist.send(write(typist, 0, "new"));
  await pass(20 * second);
  expect(await new PushDevice(app, 34).pullPart("x")).toBe("new");
});

test("I-10: a compacted text reads the same from every position, and waits for what it stands on", async () => {
  const cursors = [startOfPart];
  for (let n = 0; n < 5; n++) {
    await a.send(write(a, 0, `${n}`));
    const page = await pullPart("x");
    if (page.type === "page") cursors.push(page.cursor);
  }
  // Of what B types next the first half does not arrive before the compaction.
  const [missing, early] = [write(b, 0, "B1"), write(b, 2, "B2")];
  await b.send(early);
  const compact = () =>
    app.t.mutation((ctx) =>
      ctx.runMutation(app.component.compact.compact, { collection: "sites", document: "x", part: "log" }),
    );
  expect(await compact()).toBe(6);
  expect(await new PushDevice(app, 33).pullPart("x")).toBe("43210");
  await b.send(missing);
  expect(await new PushDevice(app, 34).pullPart("x")).toContain("B1B2");
  expect(await compact()).toBe(1);
  expect(await new PushDevice(app, 35).pullPart("x")).toContain("B1B2");
  for (const cursor of cursors) expect(await pullPart("x", "log", cursor)).toMatchObject({ done: true });
});

test("a full text takes no more, says so, and its document goes on", async () => {
  await a.send(write(a, 0, "x"));
  await pass(2 * second);
  const filler = "0123456789".repeat(110_000);
  await a.push([a.transaction([write(a, 0, filler)])]);
  await a.push([a.transaction([write(a, 0, filler)])]);
  await pass(20 * second);
  expect((await told("DE"))[0]).toMatchObject({ isFull: true });
  const [result] = await a.send(write(a, 0, "more"));
  expect(result).toMatchObject({ status: "rejected", code: "too_large" });
  expect((result as { message: string }).message).toContain(`${limits.partBytes}`);
  expect(await a.send(a.set("x", "name", "goes on"), write(a, 0, "r", "report"))).toMatchObject([
    { status: "applied" },
    { status: "applied" },
  ]);
});

test("`write` is asked about a text with its document's row, and `onWrite` told", async () => {
  const seen: object[] = [];
  const asked = createServerApp(() => ({
    write: (_ctx, request) => {
      if (request.type === "part") seen.push({ ...request });
      return request.type !== "part" || request.part !== "report";
    },
    onWrite: (_ctx, { type, id, source }) => void seen.push({ type, id, source }),
  }));
  const device = new PushDevice(asked, 11);
  await device.send(device.insert("x"));
  seen.length = 0;
  const typed = device.type("x", (log) => log.insert(0, "t"));
  const denied = device.type("x", (log) => log.insert(0, "t"), "report");
  expect(await device.send(typed, denied)).toMatchObject([
    { status: "applied" },
    { status: "rejected", code: "denied" },
  ]);
  const row = expect.objectContaining({ id: "x", country: "DE" }) as object;
  expect(seen[0]).toMatchObject({ type: "part", part: "log", scope: "DE", before: row, after: row });
  expect(seen.at(-1)).toEqual({ type: "part", id: "x", source: "client" });
});

const bytes = (...numbers: number[]) => new Uint8Array(numbers).buffer;
const refused: [string, (honest: PushOperation) => Partial<PushOperation>, string][] = [
  ["of no field", () => ({ part: "nowhere" }), "invalid_update"],
  ["of a field that is no text", () => ({ part: "name" }), "invalid_update"],
  ["of a method of all objects", () => ({ part: "toString" }), "invalid_update"],
  ["of a life that is none", () => ({ part: "log\0" + "01" }), "invalid_update"],
  ["of a life to come", () => ({ part: "log\0" + "7" }), "unknown_document"],
  ["of no document", () => ({ document: "nowhere" }), "unknown_document"],
  ["cut off", ({ bytes: whole }) => ({ bytes: whole.slice(0, whole.byteLength - 2) }), "invalid_update"],
  ["of no bytes", () => ({ bytes: bytes() }), "invalid_update"],
  ["that writes nothing", () => ({ bytes: bytes(1, 0, 0) }), "invalid_update"],
  [
    "of another format",
    ({ bytes: whole }) => ({ bytes: new Uint8Array([2, ...new Uint8Array(whole).slice(1)]).buffer }),
    "invalid_update",
  ],
  ["of a main document", () => ({ bytes: new PushDevice(app, 99).insert("x").bytes }), "invalid_update"],
  ["larger than a text may be", () => ({ bytes: new ArrayBuffer(limits.partBytes + 1) }), "too_large"],
  ["of a later definition", () => ({ schemaVersion: 2 }), "schema_too_new"],
];
test.each(refused)("I-16: an update %s is refused, and changes nothing", async (_what, change, code) => {
  const honest = a.type("x", (log) => log.insert(0, "honest"));
  const before = await app.everything();
  const [result] = await a.push([a.transaction([{ ...honest, ...change(honest) }])]);
  expect(result).toMatchObject({ status: "rejected", code });
  const after = await app.everything();
  expect({ ...after, receipts: [] }).toEqual({ ...before, receipts: [] });
});

test("I-16: an author of another client's is a gap: its honest owner writes under another", async () => {
  await a.send(write(a, 0, "mine"));
  const thief = new PushDevice(app, 11, "thief");
  expect(await thief.send(thief.type("x", (log) => log.insert(0, "stolen")))).toMatchObject([
    { status: "gap" },
  ]);
});

test("I-16: a flipped bit in an update of a text poisons nothing: it can be read, compacted, and typed on", async () => {
  for (let bit = 0; bit < 160; bit++) {
    const typist = new PushDevice(app, 1000 + bit);
    const update = typist.type("x", (log) => log.insert(0, "some words"));
    const flipped = new Uint8Array(update.bytes.slice(0));
    flipped[(bit >> 3) % flipped.length]! ^= 1 << (bit % 8);
    await typist.push([typist.transaction([{ ...update, bytes: flipped.buffer }])]).catch(() => {});
  }
  const place = { collection: "sites", document: "x", part: "log" };
  await app.t.mutation((ctx) => ctx.runMutation(app.component.compact.compact, place));
  await new PushDevice(app, 2000).pullPart("x");
  await a.send(write(a, 0, "goes on"));
  await pass(20 * second);
  expect(await a.pullPart("x")).toContain("goes on");
  expect(await text("x")).toContain("goes on");
  const [health] = await app.t.query((ctx) => app.replicate.health(ctx));
  expect(health).toMatchObject({ failedJobs: 0, followerLagMs: 0 });
});

const hostile: [string, Record<string, unknown>, string][] = [
  ["an unknown collection", { collection: "nowhere" }, "unknown_collection"],
  ["an empty id", { document: "" }, "invalid_update"],
  ["an id with NUL", { document: "a\0b" }, "invalid_update"],
  ["a field that is no text", { part: "name" }, "invalid_update"],
  ["a main document", { part: "" }, "invalid_update"],
  ["a name too long", { part: "x".repeat(5000) }, "invalid_update"],
  ["a negative position", { cursor: -1n }, "invalid_update"],
];
test.each(hostile)("I-16: pulling %s is refused", async (_what, args, code) => {
  const call = app.t.query(app.api.pullPart!, {
    ...{ collection: "sites", document: "x", part: "log", cursor: 0n },
    ...args,
  });
  expect(await refusalOf(call)).toMatchObject({ code });
});

test("I-18: a text of another epoch is to be read anew", async () => {
  await a.send(write(a, 0, "text"));
  const page = await pullPart("x");
  if (page.type !== "page") throw new Error("Expected a page.");
  await app.t.mutation((ctx) => app.replicate.admin(ctx).newEpoch(sites));
  const args = { collection: "sites", document: "x", part: "log", cursor: page.cursor, epoch: page.epoch };
  expect(await app.t.query(app.api.pullPart!, args)).toMatchObject({ type: "reset" });
});

test("I-15: a document whose row gives no scope any more takes its text all the same, and delays no other", async () => {
  const { bytes } = a.change("odd", [{ type: "insert", fields: { name: "n", status: "open" } }]);
  const odd = { collection: "sites", scope: "DE", document: "odd", part: "", bytes };
  await app.t.mutation((ctx) =>
    ctx.runMutation(app.component.append.append, {
      deltas: [{ ...odd, client: "", transactions: [], schemaVersion: 1 }],
    }),
  );
  const typed = a.type("odd", (log) => log.insert(0, "typed"));
  expect(await a.send(typed, a.set("x", "name", "goes on"))).toMatchObject([
    { status: "applied" },
    { status: "applied" },
  ]);
  expect(await b.pullPart("odd")).toBe("typed");
});
