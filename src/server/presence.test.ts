import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { limits } from "../shared/limits.js";
import { PushDevice, refusalOf } from "../testing/pushDevice.js";
import { createServerApp, type ServerApp } from "../testing/serverApp.js";
import { SessionTab } from "../testing/sessionTab.js";

let app: ServerApp;
let device: PushDevice;
/** Scopes that the user of this name may not read now. */
let denied: Record<string, string[]>;
let viewer: SessionTab;
/** `x` is there in scope `DE`, and `f` in `FR`. */
beforeEach(async () => {
  vi.useFakeTimers();
  denied = {};
  app = createServerApp(() => ({
    read: (_ctx, { user, scope }) => !denied[user ?? "anonymous"]?.includes(scope),
  }));
  device = new PushDevice(app, 11);
  await device.send(device.insert("x"), device.insert("f", { country: "FR" }));
  viewer = await joined("viewer");
});
afterEach(() => vi.useRealTimers());

async function joined(name: string, user?: string): Promise<SessionTab> {
  const caller = user === undefined ? app.t : app.t.withIdentity({ tokenIdentifier: user });
  const tab = new SessionTab(app, caller, name);
  await tab.join();
  return tab;
}
const rows = async () => (await app.tables())["presence"] as { scope: string; updatedAt: number }[];
const compact = (document: string) =>
  app.t.mutation((ctx) => ctx.runMutation(app.component.compact.compact, { collection: "sites", document }));

test("who is in a document is seen there, in the order in which they came, with the user that the server knows", async () => {
  const [ada, bob] = [await joined("a", "ada"), await joined("b", "bob")];
  await bob.show("x", { user: "ada" });
  await ada.show("x", { cursor: 1 });
  await ada.show("f", { cursor: 2 }, { scope: "FR" });
  expect(await viewer.watch("x")).toMatchObject({
    entries: [
      { peer: bob.peer, user: "bob", state: { user: "ada" } },
      { peer: ada.peer, user: "ada", state: { cursor: 1 } },
    ],
    more: false,
  });
  expect(await viewer.states("f", { scope: "FR" })).toEqual([{ cursor: 2 }]);
});

test("a session has one row in a document: a new state takes the place of the old, and null ends it", async () => {
  const tab = await joined("t");
  await tab.show("x", 1);
  vi.setSystemTime(Date.now() + 1000);
  await tab.show("x", { a: 2 });
  expect(await viewer.watch("x")).toMatchObject({ entries: [{ state: { a: 2 }, updatedAt: Date.now() }] });
  expect(await rows()).toHaveLength(1);
  expect(await tab.show("x", null)).toEqual({ type: "set" });
  expect(await tab.show("x", null)).toEqual({ type: "set" });
  expect(await rows()).toEqual([]);
});

test.each<[string, () => unknown, () => unknown]>([
  ["an object in another order", () => ({ a: 1, b: [2] }), () => ({ b: [2], a: 1 })],
  ["NaN", () => NaN, () => NaN],
  ["bytes", () => new Uint8Array([1, 2]).buffer, () => new Uint8Array([1, 2]).buffer],
  ["int64", () => 3n, () => 3n],
])("an equal state is not written again: %s", async (_name, first, second) => {
  const tab = await joined("t");
  await tab.show("x", first() as never);
  const before = await app.everything();
  vi.setSystemTime(Date.now() + 1000);
  expect(await tab.show("x", second() as never)).toEqual({ type: "set" });
  expect(await app.everything()).toEqual(before);
});

test("presence does not renew a session, and a heartbeat does not touch presence", async () => {
  const tab = await joined("t");
  const { sessions } = await app.tables();
  vi.setSystemTime(Date.now() + 30_000);
  await tab.show("x", 1);
  const before = await app.tables();
  expect(before["sessions"]).toEqual(sessions);
  await tab.beat();
  expect((await app.tables())["presence"]).toEqual(before["presence"]);
});

test("I-12: a scope that may not be read shows nobody, also once permission is lost", async () => {
  const tab = await joined("t");
  await tab.show("x", 1);
  const eve = await joined("e", "eve");
  expect(await eve.states("x")).toEqual([1]);
  denied["eve"] = ["DE"];
  expect(await eve.watch("x")).toEqual({ type: "denied" });
  expect(await viewer.states("x")).toEqual([1]);
});

test("I-12: nobody is shown in a scope that they may not read, and whoever has lost it can still take back", async () => {
  const eve = await joined("e", "eve");
  await eve.show("x", 1);
  denied["eve"] = ["DE"];
  expect(await refusalOf(eve.show("x", 2))).toMatchObject({ code: "denied" });
  expect(await viewer.states("x")).toEqual([1]);
  expect(await eve.show("x", null)).toEqual({ type: "set" });
  expect(await viewer.states("x")).toEqual([]);
});

test("I-12: the scope is that of the document's newest state, whatever the client says", async () => {
  const tab = await joined("t");
  for (const place of [{ scope: "FR" }, { scope: "" }])
    expect(await tab.show("x", 1, place)).toEqual({ type: "elsewhere" });
  expect(await tab.show("never was", 1)).toEqual({ type: "elsewhere" });
  expect(await tab.show("x", 1, { collection: "notes", scope: "" })).toEqual({ type: "elsewhere" });
  expect(await rows()).toEqual([]);
  expect(await tab.show("x", 1)).toEqual({ type: "set" });
  expect(await viewer.states("x", { scope: "FR" })).toEqual([]);
});

test("I-12: a document is found in its scope after compaction, and after a change that follows it", async () => {
  const tab = await joined("t");
  await compact("x");
  expect(await tab.show("x", 1)).toEqual({ type: "set" });
  expect(await tab.show("x", 1, { scope: "FR" })).toEqual({ type: "elsewhere" });
  await device.send(device.set("x", "name", "N"));
  expect(await tab.show("x", 2)).toEqual({ type: "set" });
});

test("I-12: of a document that has moved nothing new is shown in the old scope, and nothing old in the new one", async () => {
  const [mover, sleeper] = [await joined("m"), await joined("s")];
  await mover.show("x", "m1");
  await sleeper.show("x", "s1");
  await move("x", "FR");
  denied["eve"] = ["FR"];
  const eve = await joined("e", "eve"); // She may still read where it was.
  expect(await viewer.states("x", { scope: "FR" })).toEqual([]);
  // Its state is the same, its place is not.
  expect(await mover.show("x", "m1", { scope: "FR" })).toEqual({ type: "set" });
  expect(await eve.states("x")).toEqual(["s1"]);
  expect(await viewer.states("x", { scope: "FR" })).toEqual(["m1"]);
  // Who still believes in the old scope is not shown there any more.
  expect(await sleeper.show("x", "s2")).toEqual({ type: "elsewhere" });
  expect(await eve.states("x")).toEqual([]);
  expect(await rows()).toMatchObject([{ scope: "FR" }]);
});

test("a collection without an app table has presence too", async () => {
  await device.send(device.change("n", [{ type: "insert", fields: { text: "t" } }], "notes"));
  const tab = await joined("t");
  expect(await tab.show("n", 1, { collection: "notes", scope: "" })).toEqual({ type: "set" });
  expect(await viewer.states("n", { collection: "notes", scope: "" })).toEqual([1]);
  expect(await viewer.states("n", { collection: "sites", scope: "" })).toEqual([]);
});

test("I-14: of more sessions than are shown the first are shown, and that there are more", async () => {
  const tabs = [];
  for (let n = 0; n < limits.presenceShown; n++) {
    const tab = await joined(`t${n}`);
    await tab.show("x", n);
    tabs.push(tab);
  }
  const { presenceShown } = limits;
  expect(await viewer.watch("x")).toMatchObject({ more: false, entries: { length: presenceShown } });
  await viewer.show("x", "last");
  const shown = await viewer.watch("x");
  expect(shown).toMatchObject({ more: true, entries: { length: presenceShown } });
  expect(JSON.stringify(shown)).not.toContain("last");
  await (await joined("one more")).show("x", "really last");
  const { documentsRead } = await app.t.query(async (ctx) => {
    const place = { collection: "sites", scope: "DE", document: "x" };
    await ctx.runQuery(app.component.presence.list, place);
    return await ctx.meta.getTransactionMetrics();
  });
  expect(documentsRead.used).toBe(presenceShown + 1);
  await tabs[0]!.leave();
  expect((await viewer.states("x")).at(-1)).toBe("last");
});

test("I-14: a session is shown in so many documents at most, and in another once it has left one", async () => {
  const ids = Array.from({ length: limits.presenceDocuments + 1 }, (_, n) => `d${n}`);
  await device.send(...ids.map((id) => device.insert(id)));
  const tab = await joined("t");
  const last = ids.pop()!;
  for (const id of ids) await tab.show(id, 1);
  const before = await app.everything();
  const { code, message } = await refusalOf(tab.show(last, 1));
  expect({ code, message }).toEqual({
    code: "too_large",
    message: expect.stringContaining(`${limits.presenceDocuments}`),
  });
  expect(await app.everything()).toEqual(before);
  await tab.show(ids[0]!, 2);
  await tab.show(ids[0]!, null);
  expect(await tab.show(last, 1)).toEqual({ type: "set" });
  await tab.leave();
  expect(await rows()).toEqual([]);
});

/** Moves a document to another scope, as a client does. */
async function move(document: string, scope: string): Promise<void> {
  expect(await device.send(device.set(document, "country", scope))).toMatchObject([{ status: "applied" }]);
}
