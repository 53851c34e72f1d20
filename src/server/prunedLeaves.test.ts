// Where leaves were pruned: who may have missed one begins anew, and nobody else does. Found by the oracle of
// src/testing/model, seeds 37, 46 and 48.
import type { FunctionReference } from "convex/server";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { limits } from "../shared/limits.js";
import { startCursor, type PullArgs } from "../shared/wire.js";
import { PushDevice } from "../testing/pushDevice.js";
import { createServerApp, type ServerApp } from "../testing/serverApp.js";

vi.mock("../shared/limits.js", async (original) => {
  const { limits } = await original<typeof import("../shared/limits.js")>();
  return { limits: { ...limits, pageEntries: 2 } };
});

let app: ServerApp;
let device: PushDevice;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"] });
  app = createServerApp();
  device = new PushDevice(app, 11);
});
afterEach(() => vi.useRealTimers());

type Jobs = { leaves: { prune: FunctionReference<"mutation", "internal", Record<string, never>, number> } };
function prune(): Promise<number> {
  vi.setSystemTime(Date.now() + limits.leavesKeptMs + 60_000);
  return app.t.mutation((ctx) => ctx.runMutation((app.component as unknown as Jobs).leaves.prune, {}));
}

type Place = Pick<PullArgs, "cursor" | "horizon" | "epoch">;
async function next(place: Place) {
  const page = await app.pull({ collection: "sites", scope: "DE", ...place });
  if (page.type !== "page") return page.type;
  const { cursor, horizon, epoch } = page;
  const behind = horizon === undefined ? {} : { horizon };
  return { place: { cursor, epoch, ...behind }, done: page.done, ids: page.entries.map((e) => e.document) };
}
/** Reads to the end as a client does. */
async function readAll(from: Place = { cursor: startCursor }) {
  const ids: string[] = [];
  for (let place = from; ;) {
    const page = await next(place);
    if (typeof page === "string") throw new Error(`It was answered with ${page}.`);
    ids.push(...page.ids);
    place = page.place;
    if (page.done) return { ids, place };
  }
}

test("I-11: a first load comes to its end, and goes on from there, though the newest of the scope was a leave that is pruned", async () => {
  for (const id of ["a", "b", "c", "x"]) await device.send(device.insert(id));
  await device.send(device.set("x", "country", "FR"));
  expect(await prune()).toBe(1);
  const { ids, place } = await readAll();
  expect(ids).toEqual(["a", "b", "c"]);
  expect(await next(place)).toMatchObject({ ids: [], done: true });
  await device.send(device.insert("d"));
  expect((await readAll(place)).ids).toEqual(["d"]);
});

test("I-11: who has read a scope while its newest was a leave has not missed it once it is pruned", async () => {
  for (const id of ["a", "x"]) await device.send(device.insert(id));
  await device.send(device.set("x", "country", "FR"));
  const { place } = await readAll();
  expect(await prune()).toBe(1);
  expect(await next(place)).toMatchObject({ ids: [], done: true });
});

test("I-12: who stands within the commit of a leave when it is pruned begins anew, and keeps nothing that has left", async () => {
  for (const id of ["a", "x", "b", "y"]) await device.send(device.insert(id));
  const { place } = await readAll();
  await device.send(device.set("b", "name", "m"));
  const together = [device.set("a", "name", "m"), device.insert("c"), device.set("x", "country", "FR")];
  await device.push([device.transaction(together)]);
  const within = await next(place);
  expect(within).toMatchObject({ ids: ["b", "a"], done: false });
  expect(await prune()).toBe(1);
  expect(await next((within as { place: Place }).place)).toBe("reset");
  expect((await readAll()).ids).toEqual(["a", "b", "y", "b", "a", "c"]);
});

test("I-11: a first load that comes to stand within the commit of a leave that is pruned goes on", async () => {
  for (const id of ["a", "b", "x"]) await device.send(device.insert(id));
  const together = [device.set("a", "name", "m"), device.insert("c"), device.set("x", "country", "FR")];
  await device.push([device.transaction(together)]);
  expect(await prune()).toBe(1);
  const { ids } = await readAll();
  expect(ids).toEqual(["a", "b", "a", "c"]);
  await app.t.mutation((ctx) =>
    ctx.runMutation(app.component.compact.compact, { collection: "sites", document: "a" }),
  );
  const first = (await next({ cursor: startCursor })) as { place: Place; ids: string[]; done: boolean };
  expect(first).toMatchObject({ ids: ["b", "a"], done: false });
  expect(await next(first.place)).toMatchObject({ ids: ["c"], done: true });
});
