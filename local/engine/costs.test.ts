// What calls cost, in counts: the same on every machine. bench/serverCost.ts measures more, beside another design.
import { anyApi, getFunctionName } from "convex/server";
import { convexToJson, jsonToConvex, type JSONValue, type Value } from "convex/values";
import { expect, test } from "vitest";
import type { PushOperation } from "../../src/shared/wire.js";
import { startCursor, type PullResult } from "../../src/shared/wire.js";
import { PushDevice } from "../../src/testing/pushDevice.js";
import type { ServerApp } from "../../src/testing/serverApp.js";
import { compactReference, startFieldEngine } from "../fieldEngine.js";
import { HeldClock } from "../heldClock.js";
import { Subscribers } from "../subscribers.js";
import type { Identity } from "./engine.js";

const subscribers = 100;

async function start() {
  const clock = new HeldClock();
  const field = await startFieldEngine({ clock, seed: 1 });
  const app = { api: anyApi["replicate"], t: field } as unknown as ServerApp;
  const device = new PushDevice(app, 1000, "client", field as unknown as ServerApp["t"]);
  const push = async (...operations: PushOperation[]) => {
    const args = device.toArgs(operations.map((operation) => device.transaction([operation])));
    const result = await field.engine.run({
      ...{ kind: "mutation", path: getFunctionName(app.api.push), identity: null },
      args: convexToJson(args as unknown as Value),
    });
    if (!result.ok) throw new Error(result.message);
    await clock.pass(0, () => field.engine.settled()); // What it wakes.
    expect(result.value).toMatchObject({ results: operations.map(() => ({ status: "applied" })) });
    return { read: result.read.rows, written: result.written.rows };
  };
  const compact = (document: string) => field.mutation(compactReference, { collection: "sites", document });
  return { field, device, push, compact };
}

/** A subscription as a client keeps it: it moves on after each answer that brings something. */
function watchScope(scope: string, cursor: JSONValue = convexToJson(startCursor as unknown as Value)) {
  const argsAt = (at: JSONValue) => ({ collection: "sites", scope, cursor: at });
  return {
    path: "replicate:pull",
    args: argsAt(cursor),
    next: (answer: JSONValue) => {
      const page = jsonToConvex(answer) as unknown as PullResult;
      const isNews = page.type === "page" && page.entries.length > 0;
      return isNews ? argsAt((answer as { cursor: JSONValue }).cursor) : null;
    },
  };
}

const identityOf = (n: number): Identity => ({
  ...{ subject: `${n}`, issuer: "https://test.invalid", tokenIdentifier: `${n}` },
});

test("a push of one document is one call that writes three rows, and reads those of that document and its client", async () => {
  const { device, push, compact } = await start();
  await push(device.insert("first"));
  // The client, its author, and whether the follower is awake.
  expect(await push(device.insert("x"))).toEqual({ read: 3, written: 3 });
  await compact("x");
  // And the snapshot, and the app's row: Convex reads it once more to patch it.
  expect(await push(device.set("x", "name", "A"))).toEqual({ read: 6, written: 3 });
  // And each delta since.
  expect(await push(device.set("x", "name", "B"))).toEqual({ read: 7, written: 3 });
});

test("a push of 20 documents writes three rows each, and reads the client once", async () => {
  const { device, push, compact } = await start();
  const ids = Array.from({ length: 20 }, (_, n) => `site ${n}`);
  await push(...ids.map((id) => device.insert(id)));
  for (const id of ids) await compact(id);
  const cost = await push(...ids.map((id) => device.set(id, "name", "A")));
  expect(cost).toEqual({ read: 3 + 20 * 3, written: 20 * 3 });
});

test("100 subscribers of one identity share one execution per change, and one to move on; compaction runs none again", async () => {
  const { field, device, push, compact } = await start();
  await push(device.insert("x"));
  const watching = new Subscribers(field.engine);
  for (let n = 0; n < subscribers; n++) watching.add(watchScope("DE"));
  await watching.settle();
  watching.takeCost();
  await push(device.set("x", "name", "A"));
  await watching.settle();
  expect(watching.takeCost()).toMatchObject({ executions: 2, shared: 2 * (subscribers - 1), rows: 1 });
  // Of another scope nobody hears here.
  await push(device.insert("y", { country: "FR" }));
  await compact("x");
  await watching.settle();
  expect(watching.takeCost()).toEqual({ executions: 0, shared: 0, rows: 0, bytes: 0 });
});

test("100 subscribers of 100 identities cost an execution each per change, and one each to move on", async () => {
  const { field, device, push } = await start();
  await push(device.insert("x"));
  const watching = new Subscribers(field.engine);
  for (let n = 0; n < subscribers; n++) watching.add(watchScope("DE"), identityOf(n));
  await watching.settle();
  watching.takeCost();
  await push(device.set("x", "name", "A"));
  await watching.settle();
  expect(watching.takeCost()).toMatchObject({ executions: 2 * subscribers, shared: 0, rows: subscribers });
});

test("a reopened client that has everything asks one question per scope, however many documents, and reads no row", async () => {
  const { field, device, push } = await start();
  const scopes = Array.from({ length: 10 }, (_, n) => `S${n}`);
  const operations = scopes.flatMap((scope) =>
    Array.from({ length: 10 }, (_, n) => device.insert(`${scope} ${n}`, { country: scope })),
  );
  await push(...operations);
  const first = new Subscribers(field.engine);
  const seen = new Map<string, JSONValue>();
  for (const scope of scopes) {
    const watched = watchScope(scope);
    const next = (answer: JSONValue) => {
      seen.set(scope, (answer as { cursor: JSONValue }).cursor);
      return watched.next(answer);
    };
    first.add({ ...watched, next });
  }
  await first.settle();
  const reopened = new Subscribers(field.engine);
  for (const scope of scopes) reopened.add(watchScope(scope, seen.get(scope)!));
  await reopened.settle();
  expect(reopened.takeCost()).toMatchObject({ executions: scopes.length, rows: 0 });
});
