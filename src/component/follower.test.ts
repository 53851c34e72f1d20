import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Admin } from "../server/index.js";
import { limits } from "../shared/limits.js";
import { readMain } from "../shared/mainDocument.js";
import { PushDevice } from "../testing/pushDevice.js";
import { createServerApp, type ServerApp } from "../testing/serverApp.js";
import { sites } from "../testing/fieldApp.js";

/** How many of the next calls fail, to crash a transaction in the middle. */
const faults = vi.hoisted(() => ({ totals: 0, chunks: 0 }));
vi.mock("./totals.js", async (original) => {
  const real = await original<typeof import("./totals.js")>();
  const addTotals: typeof real.addTotals = async (...args) => {
    await real.addTotals(...args);
    if (faults.totals-- > 0) throw new Error("Crashed after the totals.");
  };
  return { ...real, addTotals };
});
/** No push wakes anybody any more. */
const followers = vi.hoisted(() => ({ areOff: false }));
vi.mock("./follower.js", async (original) => {
  const real = await original<typeof import("./follower.js")>();
  const wakeFollowers: typeof real.wakeFollowers = async (...args) => {
    if (!followers.areOff) await real.wakeFollowers(...args);
  };
  return { ...real, wakeFollowers };
});
vi.mock("./chunks.js", async (original) => {
  const real = await original<typeof import("./chunks.js")>();
  const splitChunks: typeof real.splitChunks = (bytes) => {
    if (faults.chunks-- > 0) throw new Error("Crashed before the snapshot.");
    return real.splitChunks(bytes);
  };
  return { ...real, splitChunks };
});

let app: ServerApp;
let device: PushDevice;
beforeEach(() => {
  vi.useFakeTimers();
  Object.assign(faults, { totals: 0, chunks: 0 });
  followers.areOff = false;
  app = createServerApp(undefined, { hasFollowers: true });
  device = new PushDevice(app, 11);
});
afterEach(() => vi.useRealTimers());

const component = () => app.component as unknown as Record<string, Record<string, never>>;
/** Runs an internal mutation of the component. */
const call = (file: string, name: string, args: object = {}) =>
  app.t.mutation((ctx) => ctx.runMutation(component()[file]![name]!, args as never));
const append = (document: string, bytes: ArrayBuffer, scope = "DE") =>
  app.t.mutation((ctx) =>
    ctx.runMutation(app.component.append.append, {
      deltas: [
        {
          collection: "sites",
          scope,
          document,
          part: "",
          bytes,
          client: "c",
          transactions: [],
          schemaVersion: 1,
        },
      ],
    }),
  );
const garbage = new Uint8Array([1, 255, 255, 255, 7]).buffer;
const minuteMs = 60_000;
/** Lets so much time pass, and whatever is scheduled within it. */
const pass = (ms: number) => app.pass(ms, vi.advanceTimersByTimeAsync);
const runScheduled = () => app.t.finishAllScheduledFunctions(vi.runAllTimers);
const admin = <T>(work: (admin: Admin) => Promise<T>) =>
  app.t.mutation((ctx) => work(app.replicate.admin(ctx)));
const health = async () => {
  const all = await app.t.query((ctx) => app.replicate.health(ctx));
  return all.find(({ collection }) => collection === "sites")!;
};
const stats = (scope: string) => app.t.query((ctx) => app.replicate.stats(ctx, sites, scope));
const increment = (id: string) => device.change(id, [{ type: "increment", field: "visits", by: 1 }]);
/** What the follower says of a document. */
const head = async (document: string) => {
  const heads = (await app.tables())["heads"] as { document: string }[];
  return heads.find((each) => each.document === document) as Record<string, unknown> | undefined;
};

test("after a push the follower knows what is stored of each document, and has told the totals", async () => {
  await device.send(device.insert("x"), device.insert("y"));
  await device.send(increment("x"));
  await runScheduled();
  expect(await head("x")).toMatchObject({ scope: "DE", deltaCount: 2, snapshotBytes: 0, deleted: false });
  expect(await health()).toMatchObject({
    deltas: 3,
    snapshots: 0,
    followerLagMs: 0,
    isStalled: false,
    failedJobs: 0,
  });
  expect(await stats("DE")).toMatchObject({ documents: 2 });
  expect(await stats("FR")).toEqual({ documents: 0, bytes: 0 });
});

test("an app row that was deleted or made wrong by hand is brought back by the component, through maintain", async () => {
  await device.send(device.insert("x", { name: "A" }), device.insert("y", { name: "B" }), device.insert("z"));
  await runScheduled();
  const before = await app.rows();
  await app.t.mutation(async (ctx) => {
    const rows = await ctx.db.query("sites").withIndex("by_replica_id").take(10);
    for (const { _id, id } of rows) {
      if (id === "x") await ctx.db.delete("sites", _id);
      if (id === "y") await ctx.db.patch("sites", _id, { name: "wrong", note: "made up", score: 7 });
    }
  });
  expect(await app.rows()).not.toEqual(before);
  expect(await admin((each) => each.rebuildRows(sites))).toBe(true);
  await runScheduled();
  const plain = (rows: { _id?: unknown; score?: unknown }[]) =>
    rows.map(({ _id, score: _score, ...row }) => row);
  expect(plain(await app.rows())).toEqual(plain(before));
  expect((await app.rows()).find(({ id }) => id === "y")).toMatchObject({ score: 7 });
});

test("a document is compacted after a minute of quiet, and its head and the totals say so", async () => {
  await device.send(device.insert("x"));
  for (let n = 0; n < limits.compactDeltas; n++) await device.send(increment("x"));
  await runScheduled();
  const { deltas, snapshots } = await app.tables();
  expect([deltas!.length, snapshots!.length]).toEqual([0, 1]);
  expect(await head("x")).toMatchObject({ deltaCount: 0, deltaBytes: 0 });
  expect(await head("x")).not.toHaveProperty("compacting");
  expect(await health()).toMatchObject({ deltas: 0, snapshots: 1, oldestUncompacted: null });
});

test("a crash in the middle of following leaves nothing done, and all of it is done once afterwards", async () => {
  await device.send(device.insert("x"), device.insert("y"));
  faults.totals = 1;
  await pass(minuteMs / 2);
  expect(faults.totals).toBe(0);
  expect((await app.tables())["heads"]).toEqual([]);
  expect(await health()).toMatchObject({ deltas: 0 });
  await pass(3 * minuteMs);
  expect(await head("x")).toMatchObject({ deltaCount: 1 });
  expect(await health()).toMatchObject({ deltas: 2 });
  expect(await stats("DE")).toMatchObject({ documents: 2 });
});

test("woken twice, and started anew beside itself, it counts everything once", async () => {
  await device.send(device.insert("x"), device.insert("y"));
  for (let n = 0; n < 3; n++) await call("follower", "wake", { collection: "sites" });
  await pass(2000);
  await call("sweep", "revive", { collection: "sites" });
  await runScheduled();
  expect(await health()).toMatchObject({ deltas: 2 });
  expect(await stats("DE")).toMatchObject({ documents: 2 });
});

test("fault 14: a crash in the middle of compaction loses nothing; the job is noted as failed and tried again after an hour", async () => {
  await device.send(device.insert("x"));
  for (let n = 0; n < limits.compactDeltas; n++) await device.send(increment("x"));
  faults.chunks = 1;
  await pass(3 * minuteMs);
  expect(faults.chunks).toBe(0);
  const { deltas, snapshots } = await app.tables();
  expect([deltas!.length, snapshots!.length]).toEqual([limits.compactDeltas + 1, 0]);
  expect(await health()).toMatchObject({
    failedJobs: 1,
    lastError: { document: "x", message: expect.stringContaining("Crashed before the snapshot.") },
  });
  await runScheduled();
  expect((await app.tables())["deltas"]).toEqual([]);
  expect(await health()).toMatchObject({ failedJobs: 0, lastError: null, deltas: 0, snapshots: 1 });
});

test("I-15: a document with bytes that cannot be decoded fails alone, is not tried in a hot loop, and shows in health", async () => {
  await device.send(device.insert("x"), device.insert("y"));
  await append("x", garbage);
  for (let n = 0; n < limits.compactDeltas; n++) await append("x", garbage);
  for (let n = 0; n < limits.compactDeltas; n++) await device.send(increment("y"));
  await pass(5 * minuteMs);
  expect(await head("y")).toMatchObject({ deltaCount: 0 });
  expect(await head("x")).toMatchObject({ failure: { attempts: 1 }, deltaCount: limits.compactDeltas + 2 });
  expect(await health()).toMatchObject({ failedJobs: 1, isStalled: false, lastError: { document: "x" } });
  const jobs = async () => ((await head("x")) as { failure: { attempts: number } }).failure.attempts;
  await pass(50 * minuteMs);
  expect(await jobs()).toBe(1);
  await pass(20 * minuteMs);
  expect(await jobs()).toBe(2);
}, 60_000);

test("a document that waits for what it stands on keeps it over a compaction", async () => {
  const other = new PushDevice(app, 22);
  const [first, second] = [other.insert("x"), other.set("x", "name", "later")];
  await append("x", second.bytes);
  await app.t.mutation((ctx) =>
    ctx.runMutation(app.component.compact.compact, { collection: "sites", document: "x" }),
  );
  await append("x", first.bytes);
  await app.t.mutation((ctx) =>
    ctx.runMutation(app.component.compact.compact, { collection: "sites", document: "x" }),
  );
  await device.pull();
  expect(readMain(device.doc("x")).registers.get("name")).toBe("later");
});

test("deleted documents leave the count of their scope, moved ones change it, purged ones leave everything", async () => {
  await device.send(...["a", "b", "c", "d"].map((id) => device.insert(id)));
  await runScheduled();
  await device.send(device.change("a", [{ type: "delete" }]), device.set("b", "country", "FR"));
  await runScheduled();
  expect(await stats("DE")).toMatchObject({ documents: 2 });
  expect(await stats("FR")).toMatchObject({ documents: 1 });
  expect(await head("a")).toMatchObject({ deleted: true });
  expect(await head("b")).toMatchObject({ scope: "FR" });
  await admin((each) => each.purge(sites, "c"));
  await runScheduled();
  expect(await head("c")).toBeUndefined();
  expect(await stats("DE")).toMatchObject({ documents: 1 });
  expect(await health()).toMatchObject({ deltas: 3, snapshots: 1 });
});

test("I-18: in a new epoch the follower begins anew, and counts nothing twice", async () => {
  await device.send(device.insert("x"), device.insert("y"));
  await runScheduled();
  const before = [await health(), await stats("DE")];
  await admin((each) => each.newEpoch(sites));
  await call("follower", "wake", { collection: "sites" });
  await runScheduled();
  expect([await stats("DE")]).toEqual(before.slice(1));
  const { followers, collections } = await app.tables();
  expect((followers![0] as { epoch: string }).epoch).toBe((collections![0] as { epoch: string }).epoch);
  expect(await health()).toMatchObject({ deltas: 2, followerLagMs: 0 });
});

test("a follower that nobody woke shows as stalled after minutes, not before; the sweep wakes it", async () => {
  await device.send(device.insert("x"));
  await runScheduled();
  expect((await health()).isStalled).toBe(false);
  vi.setSystemTime(Date.now() + 24 * 60 * minuteMs);
  expect((await health()).isStalled).toBe(false); // It stands where it stood a day ago, and there is nothing to do.
  followers.areOff = true;
  await device.send(device.insert("y"));
  vi.setSystemTime(Date.now() + 2 * minuteMs);
  expect(await health()).toMatchObject({ isStalled: false, followerLagMs: 2 * minuteMs });
  vi.setSystemTime(Date.now() + 4 * minuteMs);
  expect((await health()).isStalled).toBe(true);
  await call("sweep", "sweep");
  await runScheduled();
  expect(await health()).toMatchObject({ isStalled: false, followerLagMs: 0, deltas: 2 });
});

test("a compaction whose job was lost is asked for again by the sweep", async () => {
  await device.send(device.insert("x"));
  await runScheduled();
  for (let n = 0; n < limits.compactDeltas; n++) await device.send(increment("x"));
  await call("follower", "wake", { collection: "sites" });
  await pass(30_000);
  followers.areOff = true;
  // Handed over, and then nothing: what was scheduled is not in a restored backup.
  const next = () =>
    app.t.mutation(async (ctx) => {
      const work: { batch?: object } = await ctx.runQuery(component()["follower"]!["next"]!, {
        name: "sites",
      } as never);
      if (work.batch) await ctx.runMutation(component()["follower"]!["follow"]!, work.batch as never);
    });
  vi.setSystemTime(Date.now() + 2 * minuteMs);
  await next();
  expect(await head("x")).toHaveProperty("compacting");
  expect(await head("x")).not.toHaveProperty("due");
  // One at a time: however much comes meanwhile.
  const { compacting } = (await head("x")) as { compacting: number };
  await device.send(increment("x"));
  vi.setSystemTime(Date.now() + 2 * minuteMs);
  await next();
  expect(await head("x")).toMatchObject({ compacting, deltaCount: limits.compactDeltas + 2 });
  vi.setSystemTime(Date.now() + 2 * 60 * minuteMs);
  await call("sweep", "compactions");
  expect(await head("x")).not.toHaveProperty("compacting");
  expect(await head("x")).toHaveProperty("due");
});

test("while the follower is awake no push schedules a wake-up", async () => {
  await device.send(device.insert("x"));
  await pass(1000);
  const scheduled = await app.scheduled();
  for (let n = 0; n < 20; n++) await device.send(increment("x"));
  expect(await app.scheduled()).toBe(scheduled);
  await runScheduled();
  expect(await head("x")).toMatchObject({ deltaCount: 21 });
  await device.send(increment("x"));
  expect(await app.scheduled()).toBe(scheduled + 1);
});

test("a follower whose loop was lost, as in a restored backup, is started anew by the sweep", async () => {
  await device.send(device.insert("x"));
  await vi.advanceTimersByTimeAsync(0);
  await app.t.finishInProgressScheduledFunctions();
  vi.clearAllTimers(); // It is said to be running, and nothing of it is scheduled any more.
  expect(await head("x")).toBeUndefined();
  vi.setSystemTime(Date.now() + 10 * minuteMs);
  expect((await health()).isStalled).toBe(true);
  await call("follower", "wake", { collection: "sites" });
  await pass(2000);
  expect(await head("x")).toBeUndefined();
  vi.setSystemTime(Date.now() + 10 * minuteMs);
  await call("sweep", "sweep");
  await pass(5000);
  expect(await head("x")).toMatchObject({ deltaCount: 1 });
});
