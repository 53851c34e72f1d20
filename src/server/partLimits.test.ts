import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { limits } from "../shared/limits.js";
import { startCursor } from "../shared/wire.js";
import { sites } from "../testing/fieldApp.js";
import { PushDevice } from "../testing/pushDevice.js";
import { createServerApp, type ServerApp } from "../testing/serverApp.js";

// Small ones, so that a test goes over them: local/engine/largeParts.test.ts has the real ones.
vi.mock("../shared/limits.js", async (original) => {
  const real = await original<typeof import("../shared/limits.js")>();
  return {
    limits: {
      ...real.limits,
      partBytes: 30_000,
      partPieces: 100,
      partUpdatePieces: 60,
      partStatePieces: 150,
      partDeltaBytes: 1000,
      followedBytes: 20_000,
      announceBytesASecond: 511,
      announceChangeBytes: 5000,
    },
  };
});

let app: ServerApp;
let device: PushDevice;
beforeEach(async () => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) });
  app = createServerApp(undefined, { hasFollowers: true });
  device = await PushDevice.holding(app, "x");
});
afterEach(() => vi.useRealTimers());

const second = 1000;
const pass = (ms: number) => app.pass(ms, vi.advanceTimersByTimeAsync);
const type = (words: string, document = "x") => device.type(document, (log) => log.insert(0, words));
/** So many pieces: each letter stands before the one that was typed before it. */
const typeBackwards = (letters: number) =>
  device.type("x", (log) => {
    for (let n = 0; n < letters; n++) log.insert(0, "e");
  });
const erase = (at: number, length: number) => device.type("x", (log) => log.delete(at, length));
const tooLarge = { status: "rejected", code: "too_large" };
const applied = { status: "applied" };
async function told() {
  const page = await app.pull({ collection: "sites", scope: "DE", cursor: startCursor });
  if (page.type !== "page") throw new Error(`Expected a page, got ${page.type}.`);
  return page.entries.filter((entry) => entry.type === "part");
}
const health = async () =>
  (await app.t.query((ctx) => app.replicate.health(ctx))).find(({ collection }) => collection === "sites")!;
const rowsOf = async (table: "deltas" | "snapshots", document = "x") =>
  ((await app.tables())[table] as { part: string; document: string; bytes: ArrayBuffer }[]).filter(
    (row) => row.part !== "" && row.document === document,
  );

test("I-14: an update of more pieces than are applied in time is refused, inserted or deleted ones", async () => {
  expect(await device.send(type("x".repeat(200)))).toMatchObject([applied]);
  expect(await device.send(typeBackwards(60))).toMatchObject([applied]);
  expect(await device.send(typeBackwards(61))).toMatchObject([
    { ...tooLarge, message: expect.stringMatching(/60 pieces at most, that of "x" 61/) },
  ]);
  device.forget("x#log");
  await device.pullPart("x");
  const holes = device.type("x", (log) => {
    for (let at = 259; at > 130; at -= 2) log.delete(at, 1);
  });
  expect(await device.send(holes)).toMatchObject([{ ...tooLarge, message: expect.stringMatching(/pieces/) }]);
});

const full = async (reason: RegExp) => {
  expect(await told()).toMatchObject([{ isFull: true }]);
  const copy = new PushDevice(app, 12);
  await copy.pullPart("x");
  const more = copy.type("x", (log) => log.insert(0, "more"));
  expect(await copy.send(more)).toMatchObject([{ ...tooLarge, message: expect.stringMatching(reason) }]);
};

test("a full part can be deleted from, and when it has become small enough be written again", async () => {
  for (let n = 0; n < 2; n++) await device.send(type(`${n}`.repeat(20_000)));
  await pass(20 * second);
  await full(/is full: .* 30000 bytes/);
  // Typing over what is selected is both, and refused.
  const replaced = device.type("x", (log) => void (log.delete(0, 20_000), log.insert(0, "new")));
  expect(await device.send(replaced)).toMatchObject([tooLarge]);
  device.forget("x#log");
  await device.pullPart("x");
  expect(await device.send(erase(0, 20_000))).toMatchObject([applied]);
  await pass(10 * second);
  expect((await told())[0]).not.toHaveProperty("isFull");
  expect(await device.send(type("more"))).toMatchObject([applied]);
  expect(await new PushDevice(app, 13).pullPart("x")).toBe(`more${"0".repeat(20_000)}`);
});

test("a part of too many pieces is full, however few its bytes, and stays so: what is deleted leaves its place", async () => {
  for (let n = 0; n < 2; n++) await device.send(typeBackwards(55));
  await pass(20 * second);
  await full(/is full: .* 100 pieces/);
  expect(await device.send(erase(0, 110))).toMatchObject([applied]);
  await pass(20 * second);
  expect(await app.t.query((ctx) => app.replicate.text(ctx, sites, "x", "log"))).toBe("");
  await full(/is full/);
});

test("I-15: a part that nobody can open any more delays no other; it can be read, and nothing be written to it", async () => {
  for (let n = 0; n < 3; n++) await device.send(typeBackwards(60));
  const compact = () =>
    app.t.mutation((ctx) =>
      ctx.runMutation(app.component.compact.compact, { collection: "sites", document: "x", part: "log" }),
    );
  for (let n = 0; n < 3; n++) await compact();
  await device.send(erase(0, 1), device.insert("y"));
  await expect(compact()).rejects.toThrow("180 pieces");
  await pass(20 * second);
  expect(await health()).toMatchObject({ followerLagMs: 0, failedJobs: 1 });
  expect((await health()).lastError?.message).toMatch(
    /180 pieces, and a part that is opened has 150 at most/,
  );
  expect(await device.send(erase(0, 1), device.set("x", "name", "goes on"))).toMatchObject([
    tooLarge,
    applied,
  ]);
  expect(await new PushDevice(app, 13).pullPart("x")).toBe("e".repeat(179));
});

test("a part is compacted in bites, of one update at least, until none is left", async () => {
  for (let n = 0; n < 5; n++) await device.send(type(`${n}`.repeat(2000)));
  await device.send(type("end "));
  await pass(30 * second);
  expect(await rowsOf("snapshots")).toHaveLength(1);
  expect((await rowsOf("deltas")).length).toBeLessThanOrEqual(1);
  expect(await new PushDevice(app, 14).pullPart("x")).toMatch(/^end 4+3+2+1+0+$/);
  expect(await app.t.query((ctx) => app.replicate.text(ctx, sites, "x", "log"))).toMatch(/^end 4+/);
});

test("a large part is looked at more seldom while it is written, and at once when much is written", async () => {
  const begins = async () => (await told())[0];
  await device.send(type("0".repeat(20_000)));
  await pass(5 * second);
  expect(await begins()).toMatchObject({ preview: expect.stringMatching(/^000/) });
  await device.send(type("1"));
  await pass(30 * second);
  expect(await begins()).toMatchObject({ preview: expect.stringMatching(/^000/) });
  await pass(15 * second);
  expect(await begins()).toMatchObject({ preview: expect.stringMatching(/^100/) });
  await device.send(type("2".repeat(limits.announceChangeBytes)));
  await pass(3 * second);
  expect(await begins()).toMatchObject({ preview: expect.stringMatching(/^222/) });
});

test("a large part that was just looked at when its compaction ends is let alone until its time, by the follower too", async () => {
  await device.send(type("0".repeat(20_000)));
  await pass(5 * second);
  const finish = (app.component as unknown as { compact: Record<"finish", never> }).compact.finish;
  const context = { collection: "sites", document: "x", part: "log" };
  await app.t.mutation((ctx) =>
    ctx.runMutation(finish, {
      workId: "w",
      context,
      result: { kind: "success", returnValue: null },
    } as never),
  );
  const looks = new Set<number>();
  for (let n = 0; n < 30; n++) {
    await pass(second);
    for (const { at } of (await app.tables())["followers"] as { at: number }[]) looks.add(at);
  }
  expect(looks.size).toBeLessThan(4);
  // The worker takes whole milliseconds only.
  const heads = (await app.tables())["heads"] as { part: string; due?: number }[];
  expect(heads.filter(({ part }) => part !== "").map(({ due }) => Number.isInteger(due))).toEqual([true]);
});

test("I-14: large parts that change at once are looked at one after the other", async () => {
  await device.send(device.insert("y"), device.insert("z"));
  const documents = ["x", "y", "z"];
  for (const document of documents) await device.send(type(document.repeat(15_000), document));
  const places = documents.map((document) => ({ document, part: "log" }));
  const internal = app.component as unknown as {
    measure: Record<"measure", never>;
  };
  const { measured } = (await app.t.query((ctx) =>
    ctx.runQuery(internal.measure.measure, { collection: "sites", places } as never),
  )) as { measured: { document: string }[] };
  expect(measured.map(({ document }) => document)).toEqual(["x"]);
  await pass(10 * second);
  expect((await told()).map(({ document }) => document).sort()).toEqual(documents);
});
