import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { components } from "../component/_generated/api.js";
import { defineCollection } from "../collections/index.js";
import { limits } from "../shared/limits.js";
import { sites } from "../testing/fieldApp.js";
import { PushDevice, refusalOf } from "../testing/pushDevice.js";
import { createServerApp, type ServerApp } from "../testing/serverApp.js";
import type { Admin, AdminReader } from "./index.js";

let app: ServerApp;
let device: PushDevice;
beforeEach(() => {
  vi.useFakeTimers();
  app = createServerApp(undefined, { hasFollowers: true });
  device = new PushDevice(app, 11);
});
afterEach(() => vi.useRealTimers());

const admin = <T>(work: (admin: Admin) => Promise<T>) =>
  app.t.mutation((ctx) => work(app.replicate.admin(ctx)));
const runScheduled = () => app.t.finishAllScheduledFunctions(vi.runAllTimers);
const minuteMs = 60_000;
const pass = (ms: number) => app.pass(ms, vi.advanceTimersByTimeAsync);
const tables = async () => (await app.tables()) as unknown as Record<string, Record<string, unknown>[]>;
const health = async () => (await app.t.query((ctx) => app.replicate.health(ctx)))[0]!;
const stats = (scope: string) => app.t.query((ctx) => app.replicate.stats(ctx, sites, scope));
const heads = async () =>
  (await tables())
    ["heads"]!.map(({ _id, ...head }) => head)
    .sort((a, b) => (String(a["document"]) < String(b["document"]) ? -1 : 1));
const garbage = new Uint8Array([1, 255, 255, 255, 7]).buffer;
const append = (document: string, bytes: ArrayBuffer) =>
  app.t.mutation((ctx) =>
    ctx.runMutation(app.component.append.append, {
      deltas: [
        {
          collection: "sites",
          scope: "DE",
          part: "",
          document,
          bytes,
          client: "c",
          transactions: [],
          schemaVersion: 1,
        },
      ],
    }),
  );
const idsOf = (count: number) =>
  Array.from({ length: count }, (_, n) => `site ${String(n).padStart(3, "0")}`);

test("a collection that the server does not have is refused by every admin function, and nothing changes", async () => {
  await device.send(device.insert("x"));
  const before = await app.everything();
  const other = defineCollection("other", { fields: {} });
  for (const work of [
    (each: Admin) => each.compact(other),
    (each: Admin) => each.compact(other, "x"),
    (each: Admin) => each.newEpoch(other),
    (each: Admin) => each.purge(other, "x"),
    (each: Admin) => each.rebuildRows(other),
    (each: Admin) => each.retryFailed(other),
    (each: Admin) => each.exportScope(other, ""),
  ] as ((each: Admin) => Promise<unknown>)[])
    expect(await refusalOf(admin(work))).toMatchObject({ code: "unknown_collection" });
  expect(await app.everything()).toEqual(before);
});

test("in a query there is what reads, and nothing else", async () => {
  const names = await app.t.query(async (ctx) => {
    const reader: AdminReader = app.replicate.admin(ctx);
    return Object.keys(reader);
  });
  expect(names).toEqual(["exportScope"]);
});

test("compact takes one document now, however few its deltas, and says how many it replaced", async () => {
  await device.send(device.insert("x"), device.insert("y"));
  await device.send(device.set("x", "name", "later"));
  expect(await admin((each) => each.compact(sites, "x"))).toBe(2);
  expect(await admin((each) => each.compact(sites, "x"))).toBe(0);
  expect(await admin((each) => each.compact(sites, "nobody"))).toBe(0);
  const { deltas, snapshots } = await tables();
  expect([deltas!.map(({ document }) => document), snapshots!.map(({ document }) => document)]).toEqual([
    ["y"],
    ["x"],
  ]);
});

test("I-15: compact takes all documents in the background; one that cannot be read is left, and shows in health", async () => {
  // More than two steps; one step ends with the last of its documents.
  const ids = idsOf(2 * limits.compactedByStep + 5);
  await device.send(...ids.map((id) => device.insert(id)));
  await append("poison", garbage);
  await runScheduled();
  expect((await tables())["deltas"]).toHaveLength(ids.length + 1);
  await admin((each) => each.compact(sites));
  await pass(2 * minuteMs);
  const { deltas, snapshots } = await tables();
  expect(deltas!.map(({ document }) => document)).toEqual(["poison"]);
  expect(snapshots).toHaveLength(ids.length);
  expect(await health()).toMatchObject({ failedJobs: 1, lastError: { document: "poison" }, deltas: 1 });
});

test("compact takes the texts of a document too, in the background, of this one or of all", async () => {
  const deltas = async () =>
    (await tables())["deltas"]!.map(({ document, part }) => `${String(document)} ${String(part)}`);
  await device.send(device.insert("x"), device.insert("y"));
  for (const id of ["x", "y"])
    await device.send(
      device.type(id, (text) => text.insert(0, "a")),
      device.type(id, (text) => text.insert(0, "b"), "report"),
    );
  await runScheduled();
  expect(await admin((each) => each.compact(sites, "x"))).toBe(1);
  expect(await deltas()).toEqual(expect.arrayContaining(["x log", "x report"]));
  await runScheduled();
  expect((await deltas()).sort()).toEqual(["y ", "y log", "y report"]);
  await admin((each) => each.compact(sites));
  await runScheduled();
  expect(await deltas()).toEqual([]);
  expect(await device.pullPart("x")).toBe("a");
});

test("compact takes also what the follower has not come to, and a step takes so many and no more", async () => {
  await device.send(...idsOf(limits.compactedByStep + 1).map((id) => device.insert(id)));
  const { compactAll } = app.component as unknown as Record<string, Record<string, never>>;
  const first = await app.t.query((ctx) =>
    ctx.runQuery(compactAll!["withDeltas"]!, {
      collection: "sites",
      after: { document: "", part: "" },
    } as never),
  );
  expect(first).toEqual(idsOf(limits.compactedByStep).map((document) => ({ document, part: "" })));
  await admin((each) => each.compact(sites));
  await runScheduled();
  expect((await tables())["deltas"]).toEqual([]);
});

test("I-18: a new epoch clears heads and totals that disagree with what was restored, and they are built anew", async () => {
  await device.send(device.insert("x"), device.insert("y"), device.insert("z", { country: "FR" }));
  await admin((each) => each.compact(sites, "x"));
  await runScheduled();
  const right = {
    heads: await heads(),
    health: await health(),
    DE: await stats("DE"),
    FR: await stats("FR"),
  };
  // A head of nothing, none of something, a wrong one; counts of what is not there; a job that nobody does.
  await app.inComponent(async (ctx) => {
    const all = await ctx.db.query("heads").take(10);
    const [x, y, z] = ["x", "y", "z"].map((id) => all.find(({ document }) => document === id)!);
    const { _id, _creationTime, ...fields } = x!;
    await ctx.db.insert("heads", { ...fields, document: "ghost", deltaCount: 7 });
    await ctx.db.delete("heads", y!._id);
    await ctx.db.patch("heads", z!._id, {
      scope: "IT",
      compacting: 1,
      failure: { at: 1, message: "?", attempts: 3 },
    });
    await ctx.runMutation(components.shardedCounter.public.add, {
      name: "deltas sites",
      count: 40,
      shard: 0,
    });
    for (const scope of ["DE", "XX"])
      await ctx.runMutation(components.aggregate.public.insert, {
        key: ["ghost", "ghost"],
        value: "ghost",
        summand: 5,
        namespace: ["sites", scope],
      } as never);
  });
  expect(await stats("XX")).toMatchObject({ documents: 1 });
  await admin((each) => each.newEpoch(sites));
  await runScheduled();
  expect(await heads()).toEqual(right.heads);
  expect(await stats("XX")).toEqual({ documents: 0, bytes: 0 });
  expect([await stats("DE"), await stats("FR")]).toEqual([right.DE, right.FR]);
  const { deltas, snapshots, bytes } = right.health;
  expect(await health()).toMatchObject({ deltas, snapshots, bytes, failedJobs: 0, followerLagMs: 0 });
  expect((await tables())["followers"]![0]).not.toHaveProperty("clearing");
});

test("I-18: pushes and another new epoch in the middle of clearing are counted once", async () => {
  await device.send(...idsOf(40).map((id) => device.insert(id)));
  await runScheduled();
  await admin((each) => each.newEpoch(sites));
  const epochs = async () => (await tables())["collections"]!.map(({ epoch }) => epoch as string);
  const push = async (id: string) => {
    const transaction = device.transaction([device.insert(id)]);
    await device.push([transaction], { epochs: { sites: (await epochs())[0]! } });
  };
  await push("x");
  await pass(1000);
  await admin((each) => each.newEpoch(sites));
  await push("y");
  await runScheduled();
  expect(await health()).toMatchObject({ deltas: 42, followerLagMs: 0 });
  expect(await stats("DE")).toMatchObject({ documents: 42 });
  expect(await heads()).toHaveLength(42);
});

test("I-18: while it is being cleared the follower looks for nothing, and takes in nothing that it read before", async () => {
  type Work = { kind: string; batch?: object };
  const { follower } = app.component as unknown as Record<string, Record<string, never>>;
  const next = () =>
    app.t.query((ctx) => ctx.runQuery(follower!["next"]!, { name: "sites" } as never)) as Promise<Work>;
  await device.send(device.insert("x"));
  const work = await next();
  expect(work).toMatchObject({ kind: "work" });
  await admin((each) => each.newEpoch(sites));
  expect(await next()).toEqual({ kind: "idle", cooldownMs: 0 });
  const before = await tables();
  await app.t.mutation((ctx) => ctx.runMutation(follower!["follow"]!, work.batch as never));
  expect(await tables()).toEqual(before);
  await runScheduled();
  expect(await health()).toMatchObject({ deltas: 1 });
});

test("clearing whose steps were lost is taken up again by the sweep", async () => {
  await device.send(device.insert("x"));
  await runScheduled();
  await admin((each) => each.newEpoch(sites));
  vi.clearAllTimers();
  const { sweep } = app.component as unknown as Record<string, Record<string, never>>;
  const swept = () => app.t.mutation((ctx) => ctx.runMutation(sweep!["sweep"]!, {} as never));
  vi.setSystemTime(Date.now() + 2 * minuteMs);
  await swept();
  await pass(5000);
  expect((await tables())["followers"]![0]).toHaveProperty("clearing");
  vi.setSystemTime(Date.now() + 10 * minuteMs);
  await swept();
  await runScheduled();
  expect((await tables())["followers"]![0]).not.toHaveProperty("clearing");
  expect(await health()).toMatchObject({ deltas: 1, followerLagMs: 0, isStalled: false });
});

test("retryFailed has what failed looked at again at once, as if it had never failed", async () => {
  await device.send(device.insert("x"), device.insert("y"));
  await append("x", garbage);
  await append("y", garbage);
  for (let n = 0; n < limits.compactDeltas; n++) await append("x", garbage);
  await pass(3 * minuteMs);
  expect(await health()).toMatchObject({ failedJobs: 2 });
  expect((await heads())[0]).toMatchObject({ document: "x", failure: { attempts: 1 } });
  // The cause is mended.
  await app.inComponent(async (ctx) => {
    for (const { _id, bytes, document } of await ctx.db.query("deltas").take(100))
      if (bytes.byteLength === garbage.byteLength && document === "x") await ctx.db.delete("deltas", _id);
  });
  expect(await admin((each) => each.retryFailed())).toBe(2);
  await pass(minuteMs);
  expect(await health()).toMatchObject({ failedJobs: 1, lastError: { document: "y" } });
  expect((await heads())[0]).not.toHaveProperty("failure");
  expect(await admin((each) => each.retryFailed(sites))).toBe(1);
});

test("retryFailed of more than one step's documents comes to an end, though all fail again", async () => {
  await device.send(device.insert("x"));
  await runScheduled();
  const many = limits.retriedFailures + 3;
  await app.inComponent(async (ctx) => {
    const [head] = await ctx.db.query("heads").take(1);
    const { _id, _creationTime, ...fields } = head!;
    for (let n = 0; n < many; n++)
      await ctx.db.insert("heads", {
        ...fields,
        document: `failed ${n}`,
        failure: { at: Date.now() - 1000, message: "no", attempts: 9 },
      });
  });
  expect(await admin((each) => each.retryFailed(sites))).toBe(limits.retriedFailures);
  await runScheduled();
  // They are heads of nothing: looked at, they go.
  expect(await heads()).toHaveLength(1);
}, 60_000);
