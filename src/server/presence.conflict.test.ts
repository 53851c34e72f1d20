import type { FunctionReference } from "convex/server";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { limits } from "../shared/limits.js";
import { conflictsBetween, recordMutation, type MutationRecord } from "../testing/conflictAuditor.js";
import { PushDevice } from "../testing/pushDevice.js";
import { createServerApp, type ServerApp } from "../testing/serverApp.js";
import { SessionTab } from "../testing/sessionTab.js";

let app: ServerApp;
let device: PushDevice;
let tabs: [SessionTab, SessionTab];
/** `x` is there, two tabs of one browser are in it, and their next heartbeats are due. */
beforeEach(async () => {
  vi.useFakeTimers();
  app = createServerApp();
  device = new PushDevice(app, 11);
  await device.send(device.insert("x"));
  tabs = [new SessionTab(app, app.t, "a", "c"), new SessionTab(app, app.t, "b", "c")];
  for (const tab of tabs) await tab.join();
  vi.setSystemTime(Date.now() + limits.heartbeatMs);
});
afterEach(() => vi.useRealTimers());

/** @param writes - how many rows it must write: a record of nothing conflicts with nothing */
async function record(run: () => Promise<unknown>, writes: number): Promise<MutationRecord> {
  const mutation = await recordMutation(run);
  expect(mutation.writes).toHaveLength(writes);
  return mutation;
}
const beat = (tab: SessionTab) => record(() => tab.beat(), 1);
const show = (tab: SessionTab, state: number) => record(() => tab.show("x", state), 1);
const leave = (tab: SessionTab, writes: number) => record(() => tab.leave(), writes);
let edits = 0;
async function push(): Promise<MutationRecord> {
  const mutation = await recordMutation(() => device.send(device.set("x", "name", `N${edits++}`)));
  expect(mutation.writes.length).toBeGreaterThan(2);
  return mutation;
}

test("I-13: heartbeats of two tabs of one client do not conflict", async () => {
  expect(conflictsBetween(await beat(tabs[0]), await beat(tabs[1]))).toEqual([]);
});

test("I-13: heartbeats and presence, first and later, do not conflict with pushes to the document", async () => {
  const [a] = tabs;
  const mine = [await beat(a), await show(a, 1), await show(a, 2), await leave(a, 2)];
  const pushed = await push();
  for (const each of mine) expect(conflictsBetween(each, pushed)).toEqual([]);
});

test("I-13: two sessions set presence in one document, and leave, without a conflict", async () => {
  const [a, b] = tabs;
  const first = [await show(a, 1), await show(b, 1)] as const;
  const later = [await show(a, 2), await show(b, 2)] as const;
  expect(conflictsBetween(...first)).toEqual([]);
  expect(conflictsBetween(...later)).toEqual([]);
  expect(conflictsBetween(first[0], later[1])).toEqual([]);
  expect(conflictsBetween(first[0], await leave(b, 2))).toEqual([]);
});

test("I-13: presence does not conflict with a heartbeat of another session, nor of its own once it is shown", async () => {
  const [a, b] = tabs;
  expect(conflictsBetween(await show(a, 1), await beat(b))).toEqual([]);
  expect(conflictsBetween(await show(a, 2), await beat(a))).toEqual([]);
});

test("a session that ends conflicts with its own presence and heartbeat, so that no row is left behind", async () => {
  const [a, b] = tabs;
  const first = await show(a, 1);
  const later = await show(a, 2);
  await show(b, 1);
  const alive = await beat(a);
  const left = await leave(a, 2);
  expect(conflictsBetween(left, first)).not.toEqual([]);
  expect(conflictsBetween(left, later)).not.toEqual([]);
  expect(conflictsBetween(left, alive)).not.toEqual([]);
});

type Sweep<Args extends Record<string, unknown>> = FunctionReference<"mutation", "internal", Args, null>;
function sweep() {
  const { sweepSessions } = app.component as unknown as {
    sweepSessions: { wake: Sweep<{ sleeper: string; from: number }>; expire: Sweep<{ session: string }> };
  };
  return {
    wake: async () => {
      const [{ _id: sleeper }] = (await app.tables())["sleepers"] as [{ _id: string }];
      return recordMutation(() =>
        app.t.mutation((ctx) => ctx.runMutation(sweepSessions.wake, { sleeper, from: 0 })),
      );
    },
    expire: (session: string, writes: number) =>
      record(() => app.t.mutation((ctx) => ctx.runMutation(sweepSessions.expire, { session })), writes),
  };
}

test("I-13: the sweep does not conflict with heartbeats, joins, presence and pushes, of whomever", async () => {
  const [dead, live] = tabs;
  await show(dead, 1);
  await show(live, 1);
  vi.setSystemTime(Date.now() + limits.heartbeatMs);
  await beat(live);
  vi.setSystemTime(Date.now() + limits.heartbeatMs);
  const scheduled = await app.scheduled();
  const wake = await sweep().wake();
  expect((await app.scheduled()) - scheduled).toBe(2); // The dead one's removal, and the next wake-up.
  const late = await beat(dead);
  const others = [
    await beat(live),
    await show(live, 2),
    await push(),
    await recordMutation(() => new SessionTab(app, app.t, "new").join()),
  ];
  for (const each of [late, ...others]) expect(conflictsBetween(wake, each)).toEqual([]);
  // It has beaten in time: nothing is removed.
  await sweep().expire(dead.session, 0);
  vi.setSystemTime(Date.now() + limits.sessionDeadlineMs);
  const expired = await sweep().expire(dead.session, 2);
  for (const each of others) expect(conflictsBetween(expired, each)).toEqual([]);
  // With that session's own heartbeat it does: one of the two comes first.
  expect(conflictsBetween(expired, late)).not.toEqual([]);
});

test("a sweep that stops and a join conflict in whichever order they come, so that one of them sees the other", async () => {
  for (const tab of tabs) await tab.leave();
  const join = await recordMutation(() => new SessionTab(app, app.t, "new").join());
  await new SessionTab(app, app.t, "new").join().then(({ session }) => tabs[0].leave(session));
  const stop = await sweep().wake();
  expect(stop.writes).toMatchObject([{ table: "sleepers", after: null }]);
  const conflicts = conflictsBetween(stop, join).join(" ");
  expect(conflicts).toMatch(/sessions\(/); // The sweep, if the join comes first.
  expect(conflicts).toMatch(/sleepers\(/); // The join, if the sweep does.
});

test("joins of different clients do not conflict while a sleeper runs; those that would start one do", async () => {
  const join = (name: string) =>
    recordMutation(() => new SessionTab(app, app.t, name, `client ${name}`).join());
  const [first, second] = [await join("1"), await join("2")];
  expect(first.writes).toHaveLength(1);
  expect(conflictsBetween(first, second)).toEqual([]);
  expect(conflictsBetween(first, await beat(tabs[0]))).toEqual([]);
  // Later it looks whether the sleeper is alive.
  for (const tab of tabs) await tab.join();
  vi.setSystemTime(Date.now() + limits.sleeperLateMs);
  for (const tab of tabs) await tab.join();
  vi.setSystemTime(Date.now() + limits.heartbeatMs);
  expect(conflictsBetween(await join("3"), await beat(tabs[0]))).toEqual([]);
  app = createServerApp();
  const start = await join("1");
  expect(start.writes).toHaveLength(2);
  expect(conflictsBetween(start, first)).not.toEqual([]);
});

test("a subscribed presence query is re-run by changes of presence there, and by nothing else", async () => {
  const [a, b] = tabs;
  await device.send(device.insert("y"));
  const query = await recordMutation(() => a.watch("x"));
  expect(query.reads).toHaveLength(1);
  for (const each of [
    await beat(a),
    await push(),
    await record(() => b.show("y", 1), 1),
    await recordMutation(() => new SessionTab(app, app.t, "new").join()),
    await leave(b, 2),
  ])
    expect(conflictsBetween(query, each)).toEqual([]);
  const shown = await show(a, 1);
  expect(conflictsBetween(query, shown)).not.toEqual([]);
  expect(conflictsBetween(query, await show(a, 2))).not.toEqual([]);
  expect(conflictsBetween(query, await leave(a, 2))).not.toEqual([]);
});
