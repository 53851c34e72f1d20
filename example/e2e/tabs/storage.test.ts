// What a browser's storage can do to tabs: be full, be denied, be gone with a private window, be of a newer format. And
// a device that has nothing but its storage: cold starts without a server.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { chromiumPath } from "../chromium.js";
import { App } from "./app.js";
import { Device, waitFor, type Tab } from "./device.js";
import { installTimers, skipTime } from "./skippedTime.js";

const push = "replicate:push";
const quotaBytes = 500_000;
/** After a few failures, what failed is tried again within so long. */
const retryMs = 10_000;
let folder: string;
let app: App;
let device: Device;
let documents = 0;

async function newDocument(tab: Tab): Promise<string> {
  const id = `document ${++documents}`;
  expect(await tab.call("insert", id)).toBeNull();
  await device.settled();
  return id;
}

/** From an empty page of the tabs' origin: how many bytes that may store; none: as many as the browser allows. */
async function takeQuota(): Promise<(quotaSize?: number) => Promise<void>> {
  const page = await device.profile.newPage();
  await page.goto(app.pages.emptyUrl);
  const session = await page.context().newCDPSession(page);
  return async (quotaSize) => {
    const size = quotaSize === undefined ? {} : { quotaSize };
    await session.send("Storage.overrideQuotaForOrigin", { origin: app.pages.origin, ...size });
  };
}

/** Until there is no room for the smallest write either. */
async function fill(tab: Tab, id: string): Promise<void> {
  for (const size of [100_000, 10_000, 1_000, 1, 1])
    expect(await tab.call("fill", id, size)).toBe("storage_full");
}

const pushes = () => app.backend.calls.filter(({ path }) => path === push).length;
const tagsOf = async (tab: Tab, id: string) => (await tab.row(id))?.tags;
const codesOf = async (tab: Tab) => (await tab.state()).errors.map(({ code }) => code);

describe.skipIf(chromiumPath === null)("the storage of a browser", { timeout: 120_000 }, () => {
  beforeAll(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), "tabs-"));
    app = await App.start({ data: folder }, ["now", "next"]);
  }, 60_000);
  beforeEach(async () => void (device = await new Device().start()));
  afterEach(async () => {
    app.backend.faults.clear();
    await device.profile.remove();
  });
  afterAll(async () => {
    await app?.close();
    fs.rmSync(folder, { recursive: true, force: true });
  });

  test("I-1, I-4: without room writes fail as storage_full and nothing is sent; with room again all that was durable arrives by itself", async () => {
    const setQuota = await takeQuota();
    await setQuota(quotaBytes); // before anything is stored: for 30 s Chromium remembers how much room there was
    const [first, second] = [
      await device.open(app.url),
      await device.open(app.url, { prepare: installTimers }),
    ];
    for (const tab of device.tabs) await tab.live();
    const id = await newDocument(first);
    app.backend.faults.blockConnections(true);
    // Before it has noticed it would still store what it sends, and send that once there is a connection again.
    await waitFor(async () => (await first.state()).connection).toBe("disconnected");
    expect(await first.call("visit", id, "before")).toBeNull();
    await fill(second, id);
    expect(await second.call("visit", id, "refused")).toBe("storage_full");
    const { failed, errors } = await second.state();
    expect(new Set(failed)).toEqual(new Set(["storage_full"]));
    expect(errors).toContainEqual({ code: "storage_full", dataAtRisk: true });
    expect(await tagsOf(second, id)).toEqual(["before"]);

    const before = pushes();
    app.backend.faults.blockConnections(false);
    await first.reconnect();
    await waitFor(() => codesOf(first)).toContain("storage_full");
    const third = await device.open(app.url, { prepare: installTimers });
    expect(await third.call("ready")).toBeNull();
    await waitFor(() => third.rows()).toEqual(await second.rows());
    await device.kill(first); // who is elected cannot take over
    await waitFor(async () => [...(await codesOf(second)), ...(await codesOf(third))]).toContain(
      "storage_full",
    );
    expect(pushes()).toBe(before);

    await setQuota();
    for (const tab of device.tabs) await skipTime(tab.page, retryMs);
    await waitFor(async () => (await app.row(id))?.tags).toEqual(["before"]);
    const made = await second.call("retryAll");
    expect(new Set(made)).toEqual(new Set([null]));
    await app.expectIntact(device, ["storage_full"]);
    expect((await app.row(id))?.tags).toEqual(["before", "refused"]);
  });

  test("I-1, I-3: a device that is started again and again with no server works on what it has, and all of it arrives once", async () => {
    await device.openMany(2, app.url);
    const id = await newDocument(device.tabs[0]!);
    await app.stopBackend();
    for (const tab of device.tabs)
      await waitFor(async () => (await tab.state()).connection).toBe("disconnected");
    const tags: string[] = [];
    for (let life = 0; life < 2; life++) {
      for (const [n, tab] of device.tabs.entries()) {
        tags.push(`life ${life}, tab ${n}`);
        expect(await tab.call("visit", id, tags.at(-1)!)).toBeNull();
      }
      for (const tab of device.tabs) await waitFor(() => tagsOf(tab, id)).toEqual(tags);
      await device.restart();
      for (let n = 0; n < 2; n++) expect(await (await device.open(app.url)).call("ready")).toBeNull();
      for (const tab of device.tabs) await waitFor(() => tagsOf(tab, id)).toEqual(tags);
    }
    await app.startBackend();
    for (const tab of device.tabs) await tab.reconnect();
    await app.expectIntact(device);
    expect((await app.row(id))?.tags).toEqual(tags);
  });

  test("I-3: a network that falls silent in the middle of a push, and comes back", async () => {
    await device.openMany(2, app.url);
    const id = await newDocument(device.tabs[0]!);
    app.backend.faults.holdAnswers(push);
    const before = pushes();
    await device.tabs[0]!.call("visit", id, "sent");
    await waitFor(pushes).toBe(before + 1);
    await device.profile.context.setOffline(true); // sockets stay open, and carry nothing
    app.backend.faults.clear();
    for (const tab of device.tabs) expect(await tab.page.evaluate(() => navigator.onLine)).toBe(false);
    expect(await device.tabs[1]!.call("visit", id, "written offline")).toBeNull();
    await waitFor(() => tagsOf(device.tabs[0]!, id)).toEqual(["sent", "written offline"]);
    await device.profile.context.setOffline(false);
    await app.expectIntact(device);
    expect((await app.row(id))?.tags).toEqual(["sent", "written offline"]);
  });

  test("I-4: a tab of a newer release takes the database over; the old one shows what it has, refuses to write, and cannot come back", async () => {
    await device.openMany(1, app.url);
    const [old] = device.tabs as [Tab];
    const id = await newDocument(old);
    app.backend.faults.blockConnections(true);
    expect(await old.call("visit", id, "by the old one")).toBeNull();
    const next = await device.open(app.pages.urlOf("next", app.backend.url));
    expect(await next.call("ready")).toBeNull();
    await waitFor(async () => (await old.state()).readOnly).toBe("storage_unavailable");
    expect(await tagsOf(old, id)).toEqual(["by the old one"]);
    expect(await old.call("visit", id, "too late")).toBe("storage_unavailable");
    const late = await device.open(app.url);
    expect(await late.call("ready")).toBe("storage_unavailable");
    expect(await late.rows()).toEqual([]);
    device.tabs = [next];
    app.backend.faults.blockConnections(false);
    await next.reconnect();
    await app.expectIntact(device);
    expect((await app.row(id))?.tags).toEqual(["by the old one"]);
  });

  test("I-1: a private window loses nothing while it is open, and leaves nothing behind", async () => {
    const openPrivate = async () => {
      const context = await device.profile.browser.newContext();
      return {
        context,
        tabs: [await device.open(app.url, { context }), await device.open(app.url, { context })],
      };
    };
    const { context, tabs } = await openPrivate();
    for (const tab of tabs) await tab.live();
    const id = await newDocument(tabs[0]!);
    app.backend.faults.blockConnections(true);
    expect(await tabs[0]!.call("visit", id, "private")).toBeNull();
    await waitFor(() => tagsOf(tabs[1]!, id)).toEqual(["private"]);
    await tabs[0]!.page.close();
    const again = await device.open(app.url, { context });
    await waitFor(() => tagsOf(again, id)).toEqual(["private"]);
    app.backend.faults.blockConnections(false);
    device.tabs = [tabs[1]!, again];
    for (const tab of device.tabs) await tab.reconnect();
    await app.expectIntact(device);
    await context.close();
    device.tabs = [];
    app.backend.faults.blockConnections(true);
    const fresh = await openPrivate();
    expect(await fresh.tabs[0]!.call("ready")).toBeNull();
    expect(await fresh.tabs[0]!.rows()).toEqual([]);
  });

  test("a page that the browser lets store nothing is told so, rather than shown nothing", async () => {
    const tab = await device.open(app.pages.urlOf("now", app.backend.url, true));
    expect(await tab.call("ready")).toBe("storage_unavailable");
  });
});
