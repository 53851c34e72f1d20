import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { limits } from "../shared/limits.js";
import { PushDevice, refusalOf } from "../testing/pushDevice.js";
import { createServerApp, type ServerApp } from "../testing/serverApp.js";
import { SessionTab } from "../testing/sessionTab.js";

const { heartbeatMs, sessionDeadlineMs } = limits;
let app: ServerApp;
let device: PushDevice;
/** `x` is there, in scope `DE`. */
beforeEach(async () => {
  vi.useFakeTimers();
  app = createServerApp();
  device = new PushDevice(app, 11);
  await device.send(device.insert("x"));
});
afterEach(() => vi.useRealTimers());

async function joined(name: string, client?: string): Promise<SessionTab> {
  const tab = new SessionTab(app, app.t, name, client);
  await tab.join();
  return tab;
}
const as = (user: string) => app.t.withIdentity({ tokenIdentifier: user });
const sessions = async () =>
  (await app.tables())["sessions"] as { _id: string; tab: string; seenAt: number; deadline: number }[];
const presence = async () => (await app.tables())["presence"]!;

test("a join begins a session, tells how often to beat, and sets a deadline of two and a half beats", async () => {
  const tab = new SessionTab(app, as("ada"), "t", "c");
  const cursors = [{ collection: "sites", scope: "DE", ts: 7n }];
  const { session, peer, heartbeatMs: interval } = await tab.join(cursors);
  expect(interval).toBe(heartbeatMs);
  const seenAt = Date.now();
  const deadline = seenAt + 2.5 * interval;
  expect(await sessions()).toEqual([
    { _id: session, client: "c", tab: "t", user: "ada", peer, seenAt, deadline, cursors },
  ]);
});

test("a tab that joins again keeps its session, and has a new deadline", async () => {
  const tab = await joined("t");
  const { session, peer } = tab;
  vi.setSystemTime(Date.now() + 30_000);
  await tab.join([{ collection: "sites", scope: "FR", ts: 1n }]);
  expect(tab).toMatchObject({ session, peer });
  expect(await sessions()).toMatchObject([
    { deadline: Date.now() + sessionDeadlineMs, cursors: [{ ts: 1n }] },
  ]);
});

test("another user with the same client and tab has another session", async () => {
  const ada = new SessionTab(app, as("ada"), "t", "c");
  const bob = new SessionTab(app, as("bob"), "t", "c");
  const nobody = new SessionTab(app, app.t, "t", "c");
  for (const tab of [ada, bob, nobody]) await tab.join();
  expect(new Set([ada, bob, nobody].map(({ session }) => session)).size).toBe(3);
  expect(await sessions()).toHaveLength(3);
});

test("of a client and user over the limit the session not seen for longest leaves, with its presence", async () => {
  const [first, second] = [await joined("t0", "c"), await joined("t1", "c")];
  await second.show("x", 2);
  for (let n = 2; n < limits.clientSessions; n++) await joined(`t${n}`, "c");
  const others = await joined("other", "another client");
  vi.setSystemTime(Date.now() + 15_000);
  await first.beat();
  await joined("one more", "c");
  const tabs = (await sessions()).map(({ tab }) => tab);
  expect(tabs).toHaveLength(limits.clientSessions + 1);
  expect(tabs).not.toContain("t1");
  expect(await presence()).toEqual([]);
  expect(await second.beat()).toEqual({ type: "gone" });
  expect([await first.beat(), await others.beat()]).toEqual([{ type: "alive" }, { type: "alive" }]);
});

test("a heartbeat puts the deadline off, keeps the cursors that it does not tell, and touches no other row", async () => {
  const tab = await joined("t");
  await tab.join([{ collection: "sites", scope: "DE", ts: 7n }]);
  await joined("other");
  const { sessions: before, ...others } = await app.everything();
  vi.setSystemTime(Date.now() + heartbeatMs);
  expect(await tab.beat()).toEqual({ type: "alive" });
  const { sessions: after, ...othersAfter } = await app.everything();
  expect(othersAfter).toEqual(others);
  const deadline = Date.now() + sessionDeadlineMs;
  expect(after).toEqual([{ ...before![0], seenAt: Date.now(), deadline }, before![1]]);
  vi.setSystemTime(Date.now() + heartbeatMs);
  await tab.beat([{ collection: "sites", scope: "DE", ts: 9n }]);
  expect(await sessions()).toMatchObject([{ cursors: [{ ts: 9n }] }, {}]);
});

test("a heartbeat that comes within half an interval writes nothing", async () => {
  const tab = await joined("t");
  const before = await app.everything();
  vi.setSystemTime(Date.now() + heartbeatMs / 2 - 1);
  expect(await tab.beat([{ collection: "sites", scope: "DE", ts: 9n }])).toEqual({ type: "alive" });
  expect(await app.everything()).toEqual(before);
  vi.setSystemTime(Date.now() + 1);
  await tab.beat();
  expect(await app.everything()).not.toEqual(before);
});

test("leave ends a session and its presence at once, and only its own; leaving twice is no fault", async () => {
  const [tab, other] = [await joined("t"), await joined("other")];
  await device.send(device.insert("y"));
  for (const document of ["x", "y"]) await tab.show(document, 1);
  await other.show("x", 2);
  await tab.leave();
  expect(await sessions()).toMatchObject([{ tab: "other" }]);
  expect(await presence()).toMatchObject([{ state: 2 }]);
  expect(await tab.leave()).toBeNull();
  expect(await tab.beat()).toEqual({ type: "gone" });
  expect(await tab.show("x", 1)).toEqual({ type: "gone" });
  expect(await presence()).toHaveLength(1);
});

test("who is gone joins again, as a new session, and shows itself", async () => {
  const tab = await joined("t");
  const { session } = tab;
  await tab.leave();
  await tab.join();
  expect(tab.session).not.toBe(session);
  expect(await tab.show("x", 1)).toEqual({ type: "set" });
});

test("a session of another user, or of one who is signed out now, is denied, and nothing changes", async () => {
  const ada = new SessionTab(app, as("ada"), "t");
  await ada.join();
  await ada.show("x", 1);
  const nobody = await joined("n");
  await nobody.show("x", 2);
  vi.setSystemTime(Date.now() + heartbeatMs);
  const before = await app.everything();
  for (const [tab, session] of [
    [new SessionTab(app, as("bob"), "b"), ada.session],
    [new SessionTab(app, app.t, "b"), ada.session],
    [new SessionTab(app, as("bob"), "b"), nobody.session],
  ] as const)
    for (const call of [
      () => tab.beat([], session),
      () => tab.leave(session),
      () => tab.show("x", 9, { session }), // It has a row there.
      () => tab.show("x", null, { session }),
    ])
      expect(await refusalOf(call())).toMatchObject({ code: "denied" });
  await device.send(device.insert("y"));
  const bob = new SessionTab(app, as("bob"), "b");
  expect(await refusalOf(bob.show("y", 9, { session: ada.session }))).toMatchObject({ code: "denied" });
  expect((await app.everything())["presence"]).toEqual(before["presence"]);
  expect((await app.everything())["sessions"]).toEqual(before["sessions"]);
});

test("what others are shown does not hold the id by which a session is addressed", async () => {
  const tab = await joined("t");
  await tab.show("x", { cursor: 3 });
  const shown = await new SessionTab(app, app.t, "viewer").watch("x");
  expect(shown).toEqual({
    type: "presence",
    entries: [{ peer: tab.peer, user: null, state: { cursor: 3 }, updatedAt: Date.now() }],
    more: false,
  });
  expect(JSON.stringify(shown)).not.toContain(tab.session);
  expect(tab.peer).not.toContain(tab.session);
});
