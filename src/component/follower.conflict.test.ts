import { makeFunctionReference } from "convex/server";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { PushOperation } from "../shared/wire.js";
import { conflictsBetween, recordMutation, type MutationRecord } from "../testing/conflictAuditor.js";
import { sites } from "../testing/fieldApp.js";
import { PushDevice } from "../testing/pushDevice.js";
import { createServerApp, type ServerApp } from "../testing/serverApp.js";

type Internal = Record<string, Record<string, Parameters<ServerApp["t"]["mutation"]>[0]>>;
let app: ServerApp;
let devices: [PushDevice, PushDevice];
let internal: Internal;
beforeEach(async () => {
  vi.useFakeTimers();
  app = createServerApp(undefined, { hasFollowers: true });
  internal = app.component as unknown as Internal;
  devices = [new PushDevice(app, 11), new PushDevice(app, 22)];
  await devices[0].send(devices[0].insert("x"), devices[0].insert("z"));
  await devices[1].pull();
});
afterEach(() => vi.useRealTimers());

async function recordPush(device: PushDevice, operation: PushOperation): Promise<MutationRecord> {
  let results: { status: string }[] = [];
  const record = await recordMutation(async () => (results = await device.send(operation)));
  expect(results).toMatchObject([{ status: "applied" }]);
  return record;
}
/** Runs a function of the component as a transaction of its own. */
const call = (file: string, name: string, args: object = {}) =>
  app.t.mutation((ctx) => ctx.runMutation(internal[file]![name]! as never, args as never));
const record = (file: string, name: string, args: object = {}) =>
  recordMutation(() => call(file, name, args));

/** One turn of the loop as batch-worker makes it: its query on a stale snapshot, and a real one before it sleeps. */
const turn = () =>
  app.t.mutation(async (ctx) => {
    const next = internal["follower"]!["next"] as never;
    const stale = (await ctx.runQuery(next, { name: "sites" } as never, {
      useStaleSnapshot: true,
    })) as { batch?: object };
    if (stale.batch === undefined) await ctx.runQuery(next, { name: "sites" } as never);
    else await ctx.runMutation(internal["follower"]!["follow"] as never, stale.batch as never);
    return stale.batch !== undefined;
  });

test("I-13: the follower never conflicts with a push, of the same document either, not even in its last look before it sleeps", async () => {
  const [a, b] = devices;
  const atWork = await recordMutation(turn);
  expect(atWork.writes.some(({ table }) => table === "heads")).toBe(true);
  const asleep = await recordMutation(turn);
  expect(asleep.reads.some(({ table }) => table === "deltas")).toBe(true);
  for (const follower of [atWork, asleep]) {
    expect(conflictsBetween(follower, await recordPush(a, a.set("x", "name", `A${Math.random()}`)))).toEqual(
      [],
    );
    expect(conflictsBetween(follower, await recordPush(b, b.insert(`new ${Math.random()}`)))).toEqual([]);
  }
});

test("I-13: pushes that wake the follower do not conflict with each other, nor with the wake-up", async () => {
  const [a, b] = devices;
  const [first, second] = [
    await recordPush(a, a.set("x", "name", "A")),
    await recordPush(b, b.set("z", "name", "B")),
  ];
  for (const push of [first, second])
    expect(push.writes.some(({ table }) => table === "_scheduled_functions" || table === "deltas")).toBe(
      true,
    );
  expect(await app.scheduled()).toBeGreaterThanOrEqual(2);
  expect(conflictsBetween(first, second)).toEqual([]);
  const wake = await record("follower", "wake", { collection: "sites" });
  expect(wake.writes.some(({ table }) => table === "followers")).toBe(true);
  expect(conflictsBetween(wake, first)).toEqual([]);
});

test("I-13: compaction, its end, and every step of the sweep and of retiring never conflict with a push", async () => {
  const [a, b] = devices;
  while (await turn());
  const context = { collection: "sites", document: "x", part: "" };
  const failed = { kind: "failed", error: "made up" };
  const jobs = [
    await record("compact", "compact", context),
    await record("compact", "finish", { workId: "w", context, result: failed }),
    await record("compact", "enqueue", { documents: [context] }),
    await record("sweep", "sweep"),
    await record("sweep", "followers", { after: "" }),
    await record("sweep", "revive", { collection: "sites" }),
    await record("sweep", "compactions"),
    await record("retire", "receipts", { after: "" }),
    await record("retire", "clients", { after: 0 }),
  ];
  const pushes = [await recordPush(a, a.set("x", "name", "A")), await recordPush(a, a.insert("later"))];
  pushes.push(await recordPush(b, b.insert("first of its client")));
  for (const job of jobs) for (const push of pushes) expect(conflictsBetween(job, push)).toEqual([]);
});

test("maintain and a push of the same document come one after the other, in the app's row", async () => {
  const [a] = devices;
  const maintain = makeFunctionReference<"mutation">("replicate:maintain");
  await app.t.mutation(async (ctx) => {
    for (const row of await ctx.db.query("sites").withIndex("by_replica_id").take(9))
      await ctx.db.delete("sites", row._id);
  });
  const repair = await recordMutation(() =>
    app.t.mutation(maintain, { collection: sites.name, work: { type: "rows", documents: ["x", "z"] } }),
  );
  expect(repair.writes).toHaveLength(2);
  const again = await recordMutation(() =>
    app.t.mutation(maintain, { collection: sites.name, work: { type: "rows", documents: ["x", "z"] } }),
  );
  expect(again.writes).toEqual([]);
  const conflicts = conflictsBetween(repair, await recordPush(a, a.set("x", "name", "A")));
  expect(conflicts.length).toBeGreaterThan(0);
  for (const conflict of conflicts) expect(conflict).toMatch(/^sites\(/);
});
