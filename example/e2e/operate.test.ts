// What docs/operating.md tells an operator to type, typed: the stock CLI against a local backend.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { deploy } from "../../local/push/deploy.js";
import { startBackend, type Backend } from "../../local/server/backend.js";

let folder: string;
let backend: Backend;
const log: string[] = [];
const start = async () => {
  backend = await startBackend({ data: path.join(folder, "data"), log: (line) => log.push(line) });
};

beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "operate-"));
  await start();
  await deploy(backend.url);
}, 120_000);
afterAll(async () => {
  await backend.close();
  fs.rmSync(folder, { recursive: true, force: true });
});

/** `npx convex run operate:NAME '{…}'`. @returns what it printed, as a value */
async function run<T>(name: string, args: object = {}): Promise<T> {
  const printed = await deploy(backend.url, { args: ["run", `operate:${name}`, JSON.stringify(args)] });
  // What functions log is printed too, a line each.
  const result = printed.replace(/^\[CONVEX .*\n/gm, "");
  const start = result.search(/^([[{"\d]|true$|false$)/m);
  return (start < 0 ? null : JSON.parse(result.slice(start))) as T;
}
const row = (id: string, country = "DE") => ({
  id,
  name: `Site ${id}`,
  country,
  status: "open",
  population: 1,
  visits: 0,
  tags: [],
});
const insert = (...ids: string[]) =>
  backend.run("mutation", "seed:insert", { rows: ids.map((id) => row(id)) });
type Health = { collection: string; deltas: number; snapshots: number; isStalled: boolean };
const health = async () =>
  ((await backend.run("query", "operate:health", {})) as Health[]).find(
    ({ collection }) => collection === "sites",
  )!;
const waitFor = <T>(read: () => T) => expect.poll(read, { timeout: 60_000, interval: 100 });

test("health is printed, and nothing is wrong", async () => {
  await insert("a", "b", "c");
  await waitFor(async () => (await health()).deltas).toBe(3);
  expect(await run<Health[]>("health")).toMatchObject([{ collection: "sites", deltas: 3, isStalled: false }]);
  expect(await run("problems")).toEqual([]);
  expect(await run("alert")).toBe(0);
}, 60_000);

test("a document is compacted, then all of them, and what failed is tried again", async () => {
  expect(await run("compact", { collection: "sites", id: "a" })).toBe(1);
  await run("compact", { collection: "sites" });
  await waitFor(health).toMatchObject({ deltas: 0, snapshots: 3 });
  expect(await run("retryFailed")).toBe(0);
}, 120_000);

test("a scope is exported page by page", async () => {
  type Page = { documents: { id: string }[]; cursor: string; isDone: boolean };
  const first = await run<Page>("exportScope", { collection: "sites", scope: "DE", limit: 2 });
  expect([first.documents.length, first.isDone]).toEqual([2, false]);
  const { cursor } = first;
  const rest = await run<Page>("exportScope", { collection: "sites", scope: "DE", limit: 2, cursor });
  const ids = [...first.documents, ...rest.documents].map(({ id }) => id).sort();
  expect([ids, rest.isDone]).toEqual([["a", "b", "c"], true]);
}, 60_000);

test("the log level is set without a push, and back", async () => {
  const debugLines = () => log.filter((line) => line.includes('"level":"DEBUG"')).length;
  expect(debugLines()).toBe(0);
  await deploy(backend.url, { args: ["env", "set", "REPLICATE_LOG_LEVEL", "DEBUG"] });
  await insert("d");
  await waitFor(debugLines).toBeGreaterThan(0);
  await deploy(backend.url, { args: ["env", "remove", "REPLICATE_LOG_LEVEL"] });
}, 60_000);

test("a document is purged, and the log says so", async () => {
  expect(await run("purge", { collection: "sites", id: "d" })).toBe(true);
  expect(await run("purge", { collection: "sites", id: "d" })).toBe(false);
  expect(await backend.run("query", "inspect:rows", { country: "DE" })).toHaveLength(3);
  expect(log.filter((line) => line.includes('"event":"purge"'))).toHaveLength(2);
}, 60_000);

test("I-18: a backup is restored: after newEpoch clients begin anew, and what is derived is right", async () => {
  type Pulled = { type: string; epoch: string; cursor: { ts: bigint; document: string }; entries: unknown[] };
  const pull = async (args: object) =>
    (await backend.run("query", "replicate:pull", { collection: "sites", scope: "DE", ...args })) as Pulled;
  const [data, backup] = [path.join(folder, "data"), path.join(folder, "backup")];
  await backend.close();
  fs.cpSync(data, backup, { recursive: true });
  await start();
  await insert("late 1", "late 2");
  const { cursor, epoch } = await pull({ cursor: { ts: 0n, document: "\uffff" } });
  await backend.close();
  fs.rmSync(data, { recursive: true });
  fs.cpSync(backup, data, { recursive: true });
  await start();
  // Without the last step nobody notices.
  expect(await pull({ cursor, epoch })).toMatchObject({ type: "page", entries: [] });
  const { sites } = await run<{ sites: string }>("newEpoch");
  expect(await pull({ cursor, epoch })).toEqual({ type: "reset", epoch: sites });
  expect(await run("rebuildRows", { collection: "sites" })).toBeTypeOf("boolean");
  await waitFor(health).toMatchObject({ deltas: 0, snapshots: 3, isStalled: false });
  expect(await pull({ cursor: { ts: 0n, document: "\uffff" } })).toMatchObject({ epoch: sites, done: true });
}, 120_000);
