// Tabs of one browser write at once, and the one that leads dies, is frozen or is robbed of its lock meanwhile.
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { seededRandom } from "../../../local/engine/random.js";
import { chromiumPath } from "../chromium.js";
import { App } from "./app.js";
import { Device, waitFor, type Tab } from "./device.js";
import { installTimers, skipTime } from "./skippedTime.js";

/** So long tabs wait for a word of the leader before they ask for one. */
const silenceMs = 20_000;
const random = seededRandom(20261121);
let app: App;
let device: Device;
let writers = 0;

const startWriting = (...tabs: Tab[]) =>
  Promise.all(tabs.map((tab) => tab.call("startWriting", `writer ${++writers}`)));
const stopWriting = () => Promise.all(device.tabs.map((tab) => tab.call("stopWriting")));
const durableWrites = () => [...device.durable.values()].flat().length;
const push = "replicate:push";
const pushes = () => app.backend.calls.filter(({ path }) => path === push).length;

async function afterWrites(count: number): Promise<void> {
  const until = durableWrites() + count;
  await waitFor(durableWrites).toBeGreaterThanOrEqual(until);
}

/** Until the server has done what a push asked for. It says so once faults are cleared. */
async function untilUnanswered(): Promise<void> {
  app.backend.faults.holdAnswers(push);
  const before = pushes();
  await waitFor(pushes).toBeGreaterThan(before);
}

async function newDocument(tab: Tab): Promise<string> {
  const id = `document ${++writers}`;
  await tab.call("insert", id);
  for (const each of device.tabs) await waitFor(async () => (await each.row(id))?.id).toBe(id);
  await device.settled();
  return id;
}

const leaders = async () =>
  (await Promise.all(device.tabs.map((tab) => tab.state()))).filter(({ leader }) => leader).length;

describe.skipIf(chromiumPath === null)("tabs of one browser", { timeout: 120_000 }, () => {
  beforeAll(async () => void (app = await App.start()), 60_000);
  beforeEach(async () => void (device = await new Device().start()));
  afterEach(async () => {
    app.backend.faults.clear();
    await device.profile.remove();
  });
  afterAll(() => app?.close());

  test("I-3, I-4, I-19: the leader's process is killed again and again while four tabs write", async () => {
    const calls = app.backend.calls.length;
    await device.openMany(4, app.url);
    expect(new Set(device.tabs.map(({ pid }) => pid)).size).toBe(4);
    // A tab may show what the leader tells before the browser has its request for the lock.
    await waitFor(() => device.tabs[0]!.locks()).toEqual({ held: 1, waiting: 3 });
    await startWriting(...device.tabs);
    const moments: (() => Promise<void>)[] = [
      () => afterWrites(1 + random.below(30)),
      untilUnanswered,
      async () => {}, // it has just been elected
      () => afterWrites(1 + random.below(30)),
      untilUnanswered,
    ];
    for (const moment of moments) {
      await moment();
      await device.kill(await device.leader());
      app.backend.faults.clear();
      await device.leader();
      await startWriting(await device.open(app.url));
      await waitFor(() => app.sockets).toEqual({ open: 4, subscriptions: 1 });
    }
    await afterWrites(20);
    await stopWriting();
    await app.expectIntact(device);
    // Whoever has followed a leader pushes alone: none that was followed does so again.
    const pushers = app.pushersSince(calls);
    expect(pushers.length).toBeLessThanOrEqual(moments.length + 1);
    expect(new Set(pushers).size).toBe(pushers.length);
  });

  test("I-1, I-4: the whole browser is killed while four tabs write", async () => {
    await device.openMany(4, app.url);
    await startWriting(...device.tabs);
    await afterWrites(10 + random.below(30));
    await untilUnanswered();
    await device.restart();
    app.backend.faults.clear();
    await device.openMany(4, app.url);
    await app.expectIntact(device);
    expect(durableWrites()).toBeGreaterThan(10);
  });

  test("I-19: a leader that the browser freezes hands over at once, and is a tab like others when it runs again", async () => {
    await device.openMany(3, app.url);
    const leader = await device.leader();
    const others = device.tabs.filter((tab) => tab !== leader);
    const id = await newDocument(leader);
    const cursor = await others[0]!.call("cursor");
    await Promise.all([untilUnanswered(), leader.call("visit", id, "unanswered")]);
    // Not while it stores what the push has changed: a transaction would be frozen with it.
    await waitFor(() => others[0]!.call("cursor")).not.toBe(cursor);
    const session = await leader.session();
    await session.send("Page.setWebLifecycleState", { state: "frozen" });
    app.backend.faults.clear();
    device.tabs = others;
    await device.leader();
    await others[0]!.call("visit", id, "meanwhile");
    await app.expectIntact(device);
    await session.send("Page.setWebLifecycleState", { state: "active" });
    device.tabs = [leader, ...others];
    await leader.call("visit", id, "afterwards");
    await app.expectIntact(device);
    expect((await leader.state()).leader).toBe(false);
    expect((await app.row(id))?.tags).toEqual(["afterwards", "meanwhile", "unanswered"]);
  });

  test("I-19: a leader that stops without a word is replaced by force, and what it does later counts for nothing twice", async () => {
    await device.openMany(1, app.url);
    const [leader] = device.tabs as [Tab];
    const others = [
      await device.open(app.url, { prepare: installTimers }),
      await device.open(app.url, { prepare: installTimers }),
    ];
    for (const tab of others) await tab.live();
    const id = await newDocument(leader);
    await Promise.all([untilUnanswered(), leader.call("visit", id, "unanswered")]);
    leader.signal("SIGSTOP");
    app.backend.faults.clear();
    device.tabs = others;
    await others[0]!.call("visit", id, "meanwhile");
    expect((await others[0]!.state()).leader).toBe(false);
    for (const tab of others) await skipTime(tab.page, silenceMs);
    await waitFor(leaders).toBe(1);
    await app.expectIntact(device);
    leader.signal("SIGCONT");
    device.tabs = [leader, ...others];
    await leader.call("visit", id, "afterwards");
    await app.expectIntact(device);
    expect((await leader.state()).leader).toBe(false);
    expect((await app.row(id))?.tags).toEqual(["afterwards", "meanwhile", "unanswered"]);
  });

  test("I-3, I-19: a page that steals the lock stops the leader; when it lets go another leads, and nothing is done twice", async () => {
    await device.openMany(3, app.url);
    const leader = await device.leader();
    const id = await newDocument(leader);
    await Promise.all([untilUnanswered(), leader.call("visit", id, "unanswered")]);
    const thief = await device.profile.newPage();
    await thief.goto(app.pages.emptyUrl);
    await thief.evaluate(async () => {
      const { held = [] } = await navigator.locks.query();
      const name = held[0]!.name!;
      await new Promise<void>((stolen) => {
        void navigator.locks.request(name, { steal: true }, () => {
          stolen();
          return new Promise(() => {});
        });
      });
    });
    await waitFor(leaders).toBe(0);
    app.backend.faults.clear();
    const before = pushes();
    await device.tabs[1]!.call("visit", id, "meanwhile");
    await waitFor(async () => (await leader.row(id))?.tags).toContain("meanwhile");
    expect(pushes()).toBe(before);
    await thief.close();
    await app.expectIntact(device);
    expect(await leaders()).toBe(1);
    expect((await app.row(id))?.tags).toEqual(["meanwhile", "unanswered"]);
  });

  test("I-3, I-4: tabs without Web Locks lead each for itself, take turns, and do nothing twice", async () => {
    const prepare = async (page: Page) => {
      await installTimers(page);
      await page.addInitScript(() => void delete (Navigator.prototype as { locks?: unknown }).locks);
    };
    const tabs = [await device.open(app.url, { prepare }), await device.open(app.url, { prepare })];
    for (const tab of tabs) await tab.live();
    await startWriting(...tabs);
    await afterWrites(30);
    await device.kill(tabs[1]!);
    const stopped = tabs[0]!.call("stopWriting");
    const pendingLater = async () => {
      await skipTime(tabs[0]!.page, 5_000); // who was overtaken takes over again, after as long as a frozen leader is given
      return (await tabs[0]!.state()).pending;
    };
    await expect.poll(pendingLater, { timeout: 60_000, interval: 500 }).toBe(0);
    await stopped;
    await app.expectIntact(device);
    expect((await tabs[0]!.state()).leader).toBe(true);
  });
});
