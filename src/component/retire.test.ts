import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { limits } from "../shared/limits.js";
import { PushDevice } from "../testing/pushDevice.js";
import { createServerApp, type ServerApp } from "../testing/serverApp.js";

const dayMs = 24 * 60 * 60 * 1000;
let app: ServerApp;
let device: PushDevice;
beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) });
  app = createServerApp();
  device = new PushDevice(app, 11);
});
afterEach(() => vi.useRealTimers());

const later = (ms: number) => void vi.setSystemTime(Date.now() + ms);
const sequences = async () => {
  const { receipts } = (await app.tables()) as unknown as {
    receipts: { client: string; sequence: number }[];
  };
  return receipts.map(({ client, sequence }) => `${client} ${sequence}`).sort();
};
async function retire(): Promise<void> {
  const { retire: file } = app.component as unknown as Record<string, Record<string, never>>;
  await app.t.mutation((ctx) => ctx.runMutation(file!["retire"]!, {} as never));
  await app.t.finishAllScheduledFunctions(vi.runAllTimers);
}
/** Tells the server that what is below a sequence is settled. */
const settle = (settledBelow: number) =>
  device.push([device.transaction([device.insert(`settled ${settledBelow}`)])], { settledBelow });

test("receipts go after 30 days, and only those that their client has settled", async () => {
  await device.send(...["a", "b", "c"].map((id) => device.insert(id)));
  later(limits.receiptsKeptMs + dayMs);
  await retire();
  expect(await sequences()).toHaveLength(3);
  await settle(2);
  await retire();
  expect(await sequences()).toEqual(["client11 2", "client11 3"]);
});

test("a settled receipt younger than 30 days stays: it may be asked for again", async () => {
  await device.send(...["a", "b"].map((id) => device.insert(id)));
  later(2 * dayMs);
  await settle(2);
  later(limits.receiptsKeptMs - 3 * dayMs);
  await retire();
  expect(await sequences()).toHaveLength(3);
});

test("I-14: more receipts than one transaction deletes go in several", async () => {
  const ids = (from: number, count: number) => Array.from({ length: count }, (_, n) => `t${from + n}`);
  for (let n = 0; n < 3; n++)
    await device.push([device.transaction([device.insert(`d${n}`)], ids(n * 500, 500))]);
  later(limits.receiptsKeptMs + dayMs);
  await settle(3);
  await retire();
  expect(await sequences()).toEqual(["client11 3"]);
}, 30_000);

test("a client that was not seen for 400 days goes with its authors and receipts; one that was, stays", async () => {
  const other = new PushDevice(app, 22);
  await device.send(device.insert("a"));
  await other.send(other.insert("b"));
  later(limits.clientsKeptMs - dayMs);
  await other.send(other.set("b", "name", "B"));
  await retire();
  expect((await app.tables())["clients"]).toHaveLength(2);
  later(2 * dayMs);
  await retire();
  const { clients, authors } = await app.tables();
  expect(clients).toMatchObject([{ client: "client22" }]);
  expect(authors).toMatchObject([{ author: 22 }]);
  expect(await sequences()).toEqual(["client22 0", "client22 1"]);
  expect(await app.rows()).toHaveLength(2);
});

test("a client that comes back in the middle of being retired stays", async () => {
  await device.send(device.insert("a"));
  later(limits.clientsKeptMs + dayMs);
  const { clients } = (await app.tables()) as unknown as { clients: { _id: string }[] };
  await device.send(device.set("a", "name", "back"));
  const { retire: file } = app.component as unknown as Record<string, Record<string, never>>;
  await app.t.mutation((ctx) => ctx.runMutation(file!["client"]!, { id: clients[0]!._id } as never));
  expect((await app.tables())["clients"]).toHaveLength(1);
  expect(await sequences()).toHaveLength(2);
});
