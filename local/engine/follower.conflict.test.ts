import { anyApi, makeFunctionReference, mutationGeneric, queryGeneric } from "convex/server";
import { v } from "convex/values";
import { expect, test } from "vitest";
import type { CollectionHealth } from "../../src/shared/wire.js";
import { sites } from "../../src/testing/fieldApp.js";
import { PushDevice } from "../../src/testing/pushDevice.js";
import type { ServerApp } from "../../src/testing/serverApp.js";
import { startFieldEngine, type FieldEngine } from "../fieldEngine.js";
import { PatientClock } from "../patientClock.js";
import type { EngineOptions } from "./localEngine.js";

const writers = 100;

/** With what an operator of the app would write. */
function start(options: EngineOptions & { clock: PatientClock }): Promise<FieldEngine> {
  return startFieldEngine({ seed: 5, ...options }, (replicate) => ({
    health: queryGeneric({ args: {}, handler: (ctx) => replicate.health(ctx as never) }),
    stats: queryGeneric({ args: {}, handler: (ctx) => replicate.stats(ctx as never, sites, "DE") }),
    rebuild: mutationGeneric({
      args: {},
      handler: (ctx) => replicate.admin(ctx as never).rebuildRows(sites),
    }),
    spoil: mutationGeneric({
      args: { id: v.string(), name: v.union(v.string(), v.null()) },
      handler: async (ctx, { id, name }) => {
        const row = await ctx.db
          .query("sites")
          .withIndex("by_replica_id", (q) => q.eq("id", id))
          .unique();
        if (name === null) await ctx.db.delete(row!._id);
        else await ctx.db.patch(row!._id, { name });
      },
    }),
    names: queryGeneric({
      args: {},
      handler: async (ctx) => {
        const rows = await ctx.db.query("sites").withIndex("by_replica_id").take(1000);
        return Object.fromEntries(rows.map((row) => [row["id"], row["name"]]));
      },
    }),
  }));
}

const planted = (name: string) => makeFunctionReference<"mutation">(`planted:${name}`);
const ask = async <T>(field: FieldEngine, name: string) =>
  (await field.query(makeFunctionReference<"query">(`planted:${name}`))) as T;
const health = async (field: FieldEngine) =>
  (await ask<CollectionHealth[]>(field, "health")).find(({ collection }) => collection === "sites")!;

/** Lets time pass until what the background does has come so far. */
async function until(clock: PatientClock, isSo: () => Promise<boolean>): Promise<void> {
  for (let seconds = 0; seconds < 1000; seconds++) {
    if (await isSo()) return;
    await clock.pass(1000);
  }
  throw new Error("It did not come to that.");
}

function deviceOf(field: FieldEngine, author: number): PushDevice {
  const app = { api: anyApi["replicate"], t: field } as unknown as ServerApp;
  return new PushDevice(app, author, `client${author}`, field as unknown as ServerApp["t"]);
}

test("I-13: 100 pushes at a time never conflict with the follower, its wake-ups and compaction beside them", async () => {
  const clock = new PatientClock();
  const field = await start({ clock, readLatencyMs: [0, 2] });
  const calls = new Map<string, number>();
  field.engine.onBackgroundCall(({ path }) => calls.set(path, (calls.get(path) ?? 0) + 1));
  const devices = Array.from({ length: writers }, (_, n) => deviceOf(field, 1000 + n));
  await Promise.all(devices.map((device, n) => device.send(device.insert(`site ${n}`))));
  for (let round = 0; round < 34; round++)
    await Promise.all(
      (round % 10 === 0 ? devices : devices.slice(0, 5)).map((device, n) =>
        device.send(device.set(`site ${n}`, "name", `name ${round}`)),
      ),
    );
  // The first five are to be compacted now: after a minute, or after ten, for everybody goes on.
  for (let round = 0; round < 8; round++) {
    const passing = clock.pass(20_000);
    for (let n = 0; n < 2; n++)
      await Promise.all(
        devices.map((device, at) => device.send(device.set(`site ${at}`, "note", `${round} ${n}`))),
      );
    await passing;
  }
  await until(clock, async () => {
    const { followerLagMs, snapshots } = await health(field);
    return followerLagMs === 0 && snapshots >= 5;
  });
  expect(calls.get("replicate/compact:finish")).toBe(5);
  expect(calls.get("replicate/batchWorker/loop:loop")).toBeGreaterThan(0);
  expect(field.conflicts.get("replicate:push")).toBe(0);
  expect(await ask(field, "stats")).toMatchObject({ documents: writers });
}, 60_000);

test("an app row that was deleted or made wrong by hand is brought back by the component, through maintain", async () => {
  const clock = new PatientClock();
  const field = await start({ clock });
  const device = deviceOf(field, 1000);
  await device.send(...["x", "y", "z"].map((id) => device.insert(id, { name: id })));
  await until(clock, async () => (await health(field)).deltas === 3);
  await field.mutation(planted("spoil"), { id: "x", name: null });
  await field.mutation(planted("spoil"), { id: "y", name: "wrong" });
  expect(await ask(field, "names")).toEqual({ y: "wrong", z: "z" });
  expect(await field.mutation(planted("rebuild"))).toBe(true);
  await until(clock, async () => JSON.stringify(await ask(field, "names")) === '{"x":"x","y":"y","z":"z"}');
});
