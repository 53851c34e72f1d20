import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { limits } from "../shared/limits.js";
import type { ScopeCursor } from "../shared/sessionWire.js";
import { PushDevice } from "../testing/pushDevice.js";
import { createServerApp, type ServerApp } from "../testing/serverApp.js";
import { SessionTab } from "../testing/sessionTab.js";
import type { MutationCtx } from "./_generated/server.js";
import type { Measured } from "./measure.js";
import { countSessions, lowestCursors, readPassage } from "./readers.js";

let app: ServerApp;
let device: PushDevice;
beforeEach(() => {
  vi.useFakeTimers();
  app = createServerApp(undefined, { hasFollowers: true });
  device = new PushDevice(app, 11);
});
afterEach(() => vi.useRealTimers());

const minuteMs = 60_000;
/** Lets time pass while tabs beat; what is scheduled runs. */
const pass = (ms: number, beat: () => Promise<unknown> = async () => null) =>
  app.pass(ms, vi.advanceTimersByTimeAsync, (passedMs) =>
    passedMs % limits.heartbeatMs === 0 ? beat() : null,
  );
const tab = (name: string) => new SessionTab(app, app.t, name);
const at = (ts: bigint, scope = "DE", collection = "sites"): ScopeCursor[] => [{ collection, scope, ts }];
async function stored() {
  const { deltas, snapshots } = await app.tables();
  return { deltas: deltas!.length, snapshots: snapshots!.length };
}
/** A document that is due, and the position of its newest change. */
async function makeDue(): Promise<bigint> {
  await device.send(device.insert("x"));
  for (let n = 0; n < limits.compactDeltas; n++)
    await device.send(device.change("x", [{ type: "increment", field: "visits", by: 1 }]));
  const { deltas } = (await app.tables()) as unknown as { deltas: { ts: bigint }[] };
  return deltas.at(-1)!.ts;
}
const due = { deltas: limits.compactDeltas + 1, snapshots: 0 };
const done = { deltas: 0, snapshots: 1 };

test("fault 13: a document waits for a live session that has not passed its newest change, and no longer", async () => {
  const newest = await makeDue();
  const [ahead, behind] = [tab("ahead"), tab("behind")];
  await ahead.join(at(newest));
  await behind.join(at(newest - 1n));
  const beat = () => Promise.all([ahead.beat(), behind.beat()]);
  await pass(4 * minuteMs, beat);
  expect(await stored()).toEqual(due);
  await behind.beat(at(newest));
  await pass(minuteMs, beat);
  expect(await stored()).toEqual(done);
});

test("it waits ten minutes at most, whatever a session says", async () => {
  await makeDue();
  const behind = tab("behind");
  await behind.join(at(0n));
  await pass(9 * minuteMs, () => behind.beat());
  expect(await stored()).toEqual(due);
  await pass(2 * minuteMs, () => behind.beat());
  expect(await stored()).toEqual(done);
});

test("sessions that are gone, or read something else, are not waited for", async () => {
  await makeDue();
  const others = [tab("other scope"), tab("other collection"), tab("nothing")];
  await others[0]!.join(at(0n, "FR"));
  await others[1]!.join(at(0n, "DE", "notes"));
  await others[2]!.join();
  await tab("gone").join(at(0n)); // It never beats.
  await pass(2 * minuteMs, () => Promise.all(others.map((each) => each.beat())));
  expect(await stored()).toEqual(done);
});

const measuredOf = (count: number, deltaCount: number) =>
  Array.from({ length: count }, (_, n) => {
    const sizes = { deltaCount, deltaBytes: 100, snapshotBytes: 0 };
    return { document: `d${n}`, part: "", scope: `s${n % 3}`, ...sizes } as unknown as Measured;
  });

test("I-14: sessions are looked at once a batch, on a stale snapshot, and only if something in it could be compacted", async () => {
  const asked: unknown[][] = [];
  const runQuery = async (...args: unknown[]) => {
    asked.push(args.slice(1));
    return [{ scope: "s1", ts: 5n }];
  };
  const ctx = { runQuery } as unknown as MutationCtx;
  const few = await readPassage(ctx, "sites", measuredOf(32, 3), 7);
  const overdue = await readPassage(ctx, "sites", measuredOf(32, limits.compactInPlaceDeltas + 1), 7);
  expect([asked, few("s1", 9n), overdue("s1", 9n)]).toEqual([[], true, true]);
  const hasPassed = await readPassage(ctx, "sites", measuredOf(32, limits.compactDeltas), 7);
  expect(asked).toEqual([
    [{ collection: "sites", scopes: ["s0", "s1", "s2"], now: 7 }, { useStaleSnapshot: true }],
  ]);
  expect([hasPassed("s1", 5n), hasPassed("s1", 6n), hasPassed("s0", 6n)]).toEqual([true, false, true]);
});

/** Sessions as they are stored, of so many cursors each. */
async function insertSessions(count: number, cursors: ScopeCursor[], aliveMs = 1000): Promise<void> {
  const now = Date.now();
  await app.inComponent(async (ctx) => {
    for (let n = 0; n < count; n++)
      await ctx.db.insert("sessions", {
        client: "c",
        tab: `t${n}`,
        user: null,
        peer: `p${n}`,
        seenAt: now,
        deadline: now + aliveMs + n,
        cursors,
      });
  });
}

type Handler = (ctx: MutationCtx, args: object) => Promise<unknown>;
/** Runs a query of the component in a mutation of it, and counts the sessions it read. */
async function count(query: unknown, args: object) {
  let [read, result] = [0, undefined as unknown];
  await app.inComponent(async (ctx) => {
    const table = ctx.db.query.bind(ctx.db);
    const counted = (rows: AsyncIterable<unknown>) => ({
      [Symbol.asyncIterator]: async function* () {
        for await (const row of rows) {
          read += 1;
          yield row;
        }
      },
    });
    const sessions = () => ({
      withIndex: (...index: [never]) => ({
        order: (...order: [never]) =>
          counted(
            table("sessions")
              .withIndex(...index)
              .order(...order),
          ),
      }),
    });
    const counting = { ...ctx, db: { query: sessions } } as unknown as MutationCtx;
    result = await (query as { _handler: Handler })._handler(counting, args);
  });
  return { read, result };
}

test("I-14: of 200 sessions each is read once; of too many, or too large ones, no more than the limits", async () => {
  const now = Date.now();
  await insertSessions(200, at(3n));
  const args = { collection: "sites", scopes: ["DE"], now };
  expect(await count(lowestCursors, args)).toEqual({ read: 200, result: [{ scope: "DE", ts: 3n }] });
  await insertSessions(limits.countedSessions, at(3n));
  expect(await count(countSessions, { now })).toEqual({
    read: limits.countedSessions,
    result: [{ collection: "sites", sessions: limits.countedSessions }],
  });
  const large = Array.from({ length: limits.sessionCursors }, () =>
    at(1n, "s".repeat(limits.idLength)),
  ).flat();
  await insertSessions(400, large, 9000);
  expect((await count(lowestCursors, args)).read).toBeLessThan(500);
});

test("health tells how many live sessions read a collection, as of a minute ago at most", async () => {
  const sessions = async () => {
    const all = await app.t.query((ctx) => app.replicate.health(ctx));
    return Object.fromEntries(all.map((each) => [each.collection, each.sessions]));
  };
  expect(await sessions()).toEqual({ sites: 0, notes: 0 });
  const tabs = ["a", "b", "c"].map(tab);
  await tabs[0]!.join([...at(1n), ...at(1n, "FR"), ...at(1n, "", "notes")]);
  await tabs[1]!.join(at(1n));
  await tabs[2]!.join();
  const beat = () => Promise.all(tabs.map((each) => each.beat()));
  await pass(minuteMs, beat);
  expect(await sessions()).toEqual({ sites: 2, notes: 1 });
  await tabs[0]!.leave();
  tabs.shift();
  await pass(minuteMs, beat);
  expect(await sessions()).toEqual({ sites: 1, notes: 0 });
  await pass(2 * minuteMs); // Nobody beats any more.
  expect(await sessions()).toEqual({ sites: 0, notes: 0 });
});
