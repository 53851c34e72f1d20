import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { deploy } from "../../local/push/deploy.js";
import { startBackend, type Backend } from "../../local/server/backend.js";
import type { Site } from "../convex/collections.js";
import { chromiumPath } from "./chromium.js";
import { Device } from "./device.js";

const timeout = 20_000;
let backend: Backend;
const devices: Device[] = [];

beforeAll(async () => {
  if (chromiumPath === null) return;
  backend = await startBackend({ site: "example/dist" });
  await deploy(backend.url);
  for (const country of ["DE", "LU"])
    await backend.run("mutation", "seed:insert", { rows: seedRows(country) });
}, 120_000);

afterAll(() => backend?.close());

afterEach(async () => {
  backend.faults.clear();
  for (const device of devices.splice(0)) await device.profile.remove();
});

function seedRows(country: string): Site[] {
  return Array.from({ length: 30 }, (_, n) => ({
    id: `${country}-${String(n).padStart(2, "0")}`,
    name: `${country} ${n}`,
    country,
    status: "open" as const,
    population: 1000 + n,
    visits: 0,
    tags: [],
  }));
}

async function openDevice(country = "DE"): Promise<Device> {
  const device = new Device(backend.url);
  devices.push(device);
  return device.open(country);
}

const serverRow = async (id: string): Promise<Site | undefined> =>
  (await serverRows(id.slice(0, 2))).find((row) => row.id === id);
const serverRows = async (country = "DE"): Promise<Site[]> =>
  (await backend.run("query", "inspect:rows", { country })) as Site[];
const pushes = () => backend.calls.filter((call) => call.path === "replicate:push").length;
const waitFor = <T>(read: () => T | Promise<T>) => expect.poll(read, { timeout });

describe.skipIf(chromiumPath === null)("Fieldbook in Chromium", { timeout: 90_000 }, () => {
  test("an edit on A is on B, and a site added by hand too", async () => {
    const [a, b] = [await openDevice(), await openDevice()];
    await (await a.show("DE-00")).getByTestId("visit-increment").click();
    await waitFor(async () => (await b.site("DE-00"))?.visits).toBe(1);
    const id = await a.add("New Harbour");
    await waitFor(async () => (await b.site(id))?.name).toBe("New Harbour");
    await b.show(id);
  });

  test("I-1, I-9: 40 offline edits survive a reload without network and arrive in at most 3 pushes", async () => {
    const [a, b] = [await openDevice(), await openDevice()];
    await a.installed();
    await a.setOffline(true);
    await waitFor(() => backend.connections().length).toBe(1);
    const before = pushes();
    const over20 = Array.from({ length: 20 }, (_, n) => ({
      id: `DE-${String(n).padStart(2, "0")}`,
      set: { name: `offline ${n}` },
    }));
    const on1 = Array.from({ length: 20 }, (_, n) => ({
      id: "DE-29",
      set: { note: `note ${n}` },
      visits: 1,
    }));
    await a.edit([...over20, ...on1]);
    await a.durable();
    const mine = await a.rows();
    await a.profile.context.setOffline(true); // the page itself has to come from the device
    await a.reload();
    expect(await a.rows()).toEqual(mine);
    expect(await a.site("DE-29")).toMatchObject({ note: "note 19", visits: 20 });
    expect(await a.pending()).toBe(40);
    await a.profile.context.setOffline(false);
    expect(pushes()).toBe(before);
    await a.setOffline(false);
    await a.settled();
    expect(pushes() - before).toBeLessThanOrEqual(3);
    expect(await a.rows()).toEqual(mine);
    expect(await serverRows()).toEqual(mine);
    await waitFor(() => b.rows()).toEqual(mine);
  });

  test("I-1: an edit that is durable arrives although the browser was killed right then", async () => {
    const a = await openDevice();
    await a.setOffline(true);
    await a.edit([{ id: "DE-01", set: { name: "written before the end" } }]);
    await a.durable();
    await a.profile.kill();
    await a.open();
    await waitFor(async () => (await a.site("DE-01"))?.name).toBe("written before the end");
    await a.setOffline(false);
    await waitFor(async () => (await serverRow("DE-01"))?.name).toBe("written before the end");
  });

  test("I-4: a refused write falls back and is listed with its reason; later edits reach everyone", async () => {
    const [a, b] = [await openDevice("LU"), await openDevice("DE")];
    await (await a.show("LU-03")).getByTestId("visit-increment").click();
    const panel = a.page.getByTestId("failed-panel");
    await panel.getByText("Luxembourg is closed", { exact: false }).first().waitFor({ timeout });
    expect((await a.site("LU-03"))?.visits).toBe(0);
    expect((await serverRow("LU-03"))?.visits).toBe(0);
    await a.search("");
    await a.page.getByTestId("country-select").selectOption("DE");
    await waitFor(async () => (await a.site("DE-02"))?.country).toBe("DE");
    const before = (await a.site("DE-02"))!.visits;
    await a.edit([{ id: "DE-02", visits: 5 }]);
    await waitFor(async () => (await b.site("DE-02"))?.visits).toBe(before + 5);
    await a.page.getByTestId("failed-discard").first().click();
    await waitFor(() => a.page.getByTestId("failed-item").count()).toBe(0);
  });

  test("I-8: two devices offline change different fields of one site: both survive, and counters add up", async () => {
    const [a, b] = [await openDevice(), await openDevice()];
    const start = (await a.site("DE-05"))!.visits;
    await a.setOffline(true);
    await b.setOffline(true);
    await a.edit([{ id: "DE-05", set: { name: "named by A" }, visits: 3, tag: "a" }]);
    await b.edit([{ id: "DE-05", set: { status: "surveyed" }, visits: 4, tag: "b" }]);
    await a.setOffline(false);
    await b.setOffline(false);
    const merged = { name: "named by A", status: "surveyed", visits: start + 7, tags: ["a", "b"] };
    for (const read of [() => a.site("DE-05"), () => b.site("DE-05"), () => serverRow("DE-05")])
      await waitFor(read).toMatchObject(merged);
  });

  test("a deleted and re-inserted id lives, and starts empty", async () => {
    const [a, b] = [await openDevice(), await openDevice()];
    await a.edit([{ id: "DE-07", visits: 9, tag: "old" }]);
    await waitFor(async () => (await b.site("DE-07"))?.visits).toBe(9);
    await a.page.evaluate(() => {
      const { sites } = window.fieldbook!;
      sites.delete("DE-07");
      sites.insert({ id: "DE-07", name: "born again", country: "DE" });
    });
    const reborn = { name: "born again", visits: 0, tags: [] };
    await waitFor(() => b.site("DE-07")).toMatchObject(reborn);
    await a.settled();
    await a.reload();
    expect(await a.site("DE-07")).toMatchObject(reborn);
    expect(await serverRow("DE-07")).toMatchObject(reborn);
  });

  test("I-19: two windows of one profile see each other's offline edits, and one takes over from the other", async () => {
    const first = await openDevice();
    await first.setOffline(true);
    const second = await new Device(backend.url, first.profile).openWindow();
    await first.edit([{ id: "DE-08", set: { name: "by the first window" } }]);
    await second.edit([{ id: "DE-09", set: { name: "by the second window" } }]);
    await waitFor(async () => (await second.site("DE-08"))?.name).toBe("by the first window");
    await waitFor(async () => (await first.site("DE-09"))?.name).toBe("by the second window");
    await first.page.close();
    await second.setOffline(false);
    await waitFor(async () => (await serverRow("DE-08"))?.name).toBe("by the first window");
    await waitFor(async () => (await serverRow("DE-09"))?.name).toBe("by the second window");
    await second.settled();
  });
});
