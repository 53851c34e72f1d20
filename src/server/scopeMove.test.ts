import { beforeEach, expect, test, vi } from "vitest";
import { applyBlob, hasPending, openDocument } from "../shared/document.js";
import { limits } from "../shared/limits.js";
import { readMain } from "../shared/mainDocument.js";
import { isStateEntry, startCursor, type Cursor, type Page, type StreamEntry } from "../shared/wire.js";
import { PushDevice } from "../testing/pushDevice.js";
import { createServerApp, type ServerApp } from "../testing/serverApp.js";

let app: ServerApp;
let device: PushDevice;
const asked: object[] = [];

/** Moving to `NO` is not allowed. */
beforeEach(async () => {
  asked.length = 0;
  app = createServerApp(() => ({
    write: (_ctx, { id, type, scope, previousScope }) => {
      asked.push({ id, type, scope, previousScope });
      return scope !== "NO";
    },
  }));
  device = new PushDevice(app, 11);
  await device.send(device.insert("x", { name: "X" }));
});

async function page(scope: string, cursor: Cursor = startCursor, horizon?: bigint): Promise<Page> {
  const args = { collection: "sites", scope, cursor, ...(horizon === undefined ? {} : { horizon }) };
  const result = await app.pull(args);
  if (result.type !== "page") throw new Error(`Expected a page, got ${result.type}.`);
  return result;
}
const shape = (entries: readonly StreamEntry[]) => entries.map(({ type, document }) => `${type} ${document}`);
const in_ = async (scope: string, cursor?: Cursor) => shape((await page(scope, cursor)).entries);
/** What the entries of a document come to, as a client that holds nothing else would see it. */
function stateOf(entries: readonly StreamEntry[], document: string) {
  const doc = openDocument([]);
  for (const entry of entries)
    if (isStateEntry(entry) && entry.document === document) applyBlob(doc, new Uint8Array(entry.bytes));
  expect(hasPending(doc)).toBe(false);
  return readMain(doc);
}

const registersOf = (entries: readonly StreamEntry[], document: string) =>
  Object.fromEntries(stateOf(entries, document).registers);

test("I-12: a document that moves is gone from the scope it leaves, whole in the one it enters, and its leave says so", async () => {
  const { cursor } = await page("DE");
  const moved = device.change("x", [
    { type: "set", field: "country", value: "FR" },
    { type: "set", field: "name", value: "Y" },
  ]);
  expect(await device.send(moved)).toMatchObject([{ status: "applied" }]);
  expect(asked.at(-1)).toEqual({ id: "x", type: "update", scope: "FR", previousScope: "DE" });
  expect(await in_("DE", cursor)).toEqual(["leave x"]);
  expect(await in_("DE")).toEqual([]); // who begins now never met it
  const { entries } = await page("FR");
  expect(shape(entries)).toEqual(["snapshot x"]);
  expect(registersOf(entries, "x")).toMatchObject({ country: "FR", name: "Y" });
  expect(await app.rows()).toMatchObject([{ id: "x", country: "FR", name: "Y" }]);
  const { deltas } = await app.tables();
  expect(deltas).toEqual([]);
});

test("a move that may not be made changes nothing", async () => {
  const before = { ...(await app.everything()), receipts: [] };
  const results = await device.send(device.set("x", "country", "NO"));
  expect(results).toMatchObject([{ status: "rejected", code: "denied" }]);
  expect({ ...(await app.everything()), receipts: [] }).toEqual(before);
});

test("later writes go on in the new scope, and compaction too", async () => {
  await device.send(device.set("x", "country", "FR"));
  await device.send(device.set("x", "name", "Z"));
  expect(await in_("FR")).toEqual(["snapshot x", "update x"]);
  await app.t.mutation((ctx) =>
    ctx.runMutation(app.component.compact.compact, { collection: "sites", document: "x" }),
  );
  const { entries } = await page("FR");
  expect(shape(entries)).toEqual(["snapshot x"]);
  expect(registersOf(entries, "x")["name"]).toBe("Z");
});

test("a document that comes back leaves no leave behind", async () => {
  const { cursor } = await page("DE");
  await device.send(device.set("x", "country", "FR"));
  const { cursor: inFrance } = await page("FR");
  await device.send(device.set("x", "country", "DE"));
  expect(await in_("DE", cursor)).toEqual(["snapshot x"]);
  expect(await in_("FR", inFrance)).toEqual(["leave x"]);
});

test("a document that is inserted again in another scope stands whole there, its deletion too", async () => {
  await device.send(device.change("x", [{ type: "delete" }]));
  const { cursor } = await page("DE");
  await device.send(device.insert("x", { country: "FR", name: "again" }));
  expect(asked.at(-1)).toMatchObject({ type: "insert", scope: "FR", previousScope: null });
  const { entries } = await page("FR");
  expect(stateOf(entries, "x")).toMatchObject({ existence: "present", incarnation: 1 });
  expect(await in_("DE", cursor)).toEqual(["leave x"]);
});

test("I-11: a first load that meets a move in its middle learns of it, and of none from before it began", async () => {
  const others = Array.from({ length: limits.pageEntries + 10 }, (_, n) => `y${String(n).padStart(4, "0")}`);
  for (let from = 0; from < others.length; from += 100)
    await device.send(...others.slice(from, from + 100).map((id) => device.insert(id)));
  await device.send(device.set("y0001", "country", "FR"));
  const first = await page("DE");
  expect([first.done, first.entries[0]?.document, typeof first.horizon]).toEqual([false, "x", "bigint"]);
  await device.send(device.set("x", "country", "FR"));
  const second = await page("DE", first.cursor, first.horizon);
  expect(second.done).toBe(true);
  expect(shape(second.entries).filter((each) => each.startsWith("leave"))).toEqual(["leave x"]);
  expect(second).not.toHaveProperty("horizon");
});

test("the server's writer moves documents, twice in one mutation and right after an insert", async () => {
  await app.writer(async (writer) => {
    await writer.insert({ id: "w", name: "n", country: "DE" });
    await writer.update("w", (draft) => void (draft.country = "FR"));
    expect(await writer.get("w")).toMatchObject({ country: "FR" });
    await writer.update("w", (draft) => void (draft.name = "m"));
    await writer.update("w", (draft) => void (draft.country = "IT"));
    await writer.update("w", (draft) => draft.visits.increment(3));
  });
  expect(await in_("DE")).toEqual(["update x"]);
  expect(await in_("FR")).toEqual([]);
  const { entries } = await page("IT");
  expect(shape(entries)).toEqual(["snapshot w", "update w"]);
  expect(registersOf(entries, "w")).toMatchObject({ country: "IT", name: "m" });
  expect(await app.rows()).toMatchObject([{ id: "w", country: "IT", visits: 3 }, { id: "x" }]);
});

test("leaves are pruned after a month; who was away longer begins anew, who was not, reads on", async () => {
  const { cursor: old } = await page("DE");
  await device.send(device.insert("y"));
  vi.useFakeTimers();
  try {
    await device.send(device.set("x", "country", "FR"));
    const { cursor: current } = await page("DE", old);
    const prune = () =>
      app.t.mutation((ctx) => ctx.runMutation((app.component as unknown as Pruner).leaves.prune, {}));
    expect(await prune()).toBe(0);
    vi.setSystemTime(Date.now() + limits.leavesKeptMs + 60_000);
    expect(await prune()).toBe(1);
    expect(await app.pull({ collection: "sites", scope: "DE", cursor: old })).toMatchObject({
      type: "reset",
    });
    expect(await in_("DE", current)).toEqual([]);
    expect(await in_("DE")).toEqual(["update y"]);
    expect(await in_("FR")).toEqual(["snapshot x"]);
  } finally {
    vi.useRealTimers();
  }
});

type Pruner = {
  leaves: {
    prune: import("convex/server").FunctionReference<"mutation", "internal", Record<string, never>, number>;
  };
};
