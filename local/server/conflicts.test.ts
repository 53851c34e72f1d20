// Mutations that meet, over real sockets and HTTP: reads take time here, as they do on a deployment.
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { anyApi } from "convex/server";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import WebSocket from "ws";
import { startFixtureApp, type FixtureApp } from "../fixtureApp.js";
import { RawSocket } from "./rawSocket.js";

// The fixture has no generated code: any function, any arguments.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
const { numbers } = anyApi as any;
const webSocketConstructor = WebSocket as unknown as typeof globalThis.WebSocket;

let app: FixtureApp;
const open: { close(): unknown }[] = [];
let series: string;
let count = 0;

beforeAll(async () => {
  app = await startFixtureApp({ engine: { seed: 1, readLatencyMs: [2, 6] } });
}, 60_000);
afterAll(() => app.close());
beforeEach(() => void (series = `series ${++count}`));
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

function connect(): ConvexClient {
  const options = { webSocketConstructor, unsavedChangesWarning: false, logger: false } as const;
  const client = new ConvexClient(app.backend.url, options);
  open.push(client);
  return client;
}

const until = (check: () => void) => vi.waitFor(check, { timeout: 20_000, interval: 5 });
const all = () => app.backend.run("query", "numbers:all", { series });
const upTo = (last: number) => Array.from({ length: last }, (_, n) => n + 1);
const conflictsOf = (path: string) =>
  app.backend.stats.report().functions.find((each) => each.path === path)?.conflicts ?? 0;

/** Writes, one after the other, what `takeNext` and `takeNextSlowly` read, until it is told to stop. */
function keepWriting(): { stop(): Promise<number> } {
  let isOver = false;
  const writing = (async () => {
    let written = 0;
    while (!isOver) {
      const result = await app.backend.run("mutation", "numbers:takeNext", { series });
      expect(result).toBe(++written);
    }
    return written;
  })();
  const writer = { stop: () => ((isOver = true), writing) };
  open.push({ close: () => writer.stop().catch(() => {}) });
  return writer;
}

test("I-3: of 30 clients that all take the next number at once each gets one, and none is given twice", async () => {
  const clients = Array.from({ length: 30 }, connect);
  await Promise.all(clients.map((client) => client.query(numbers.all, { series })));
  const before = conflictsOf("numbers:takeNext");
  const taken = await Promise.all(
    clients.map((client) => client.mutation(numbers.takeNext, { series }) as Promise<number>),
  );
  expect(taken.sort((a, b) => a - b)).toEqual(upTo(30));
  expect(await all()).toEqual(upTo(30));
  expect(conflictsOf("numbers:takeNext") - before).toBeGreaterThan(30); // they did meet
}, 60_000);

test("a mutation that conflicts at every retry closes its socket with 1013 unanswered, and the next one is run", async () => {
  const socket = await RawSocket.open(app.backend.url, "conflicting");
  open.push(socket);
  const writer = keepWriting();
  socket.mutate(0, "numbers:takeNextSlowly", { series });
  await until(() => expect(socket.closeCode).toBe(1013));
  expect(socket.all("MutationResponse")).toEqual([]);
  const written = await writer.stop();
  expect(await all()).toEqual(upTo(written));
  expect(app.backend.calls.findLast(({ path }) => path === "numbers:takeNextSlowly")).toMatchObject({
    ok: false,
    conflicts: 5, // the first attempt and four retries
    error: expect.stringContaining('Documents read from or written to the "numbers" table changed') as string,
  });
  const again = await RawSocket.open(app.backend.url, "conflicting");
  open.push(again);
  again.mutate(0, "numbers:takeNextSlowly", { series });
  const [response] = await again.until("MutationResponse");
  expect(response).toMatchObject({ requestId: 0, success: true, result: written + 1 });
}, 30_000);

test("I-3: the client sends a mutation that was closed on again by itself, and it takes effect once", async () => {
  const client = connect();
  await client.query(numbers.all, { series });
  const writer = keepWriting();
  const sent = client.mutation(numbers.takeNextSlowly, { series }) as Promise<number>;
  const failed = () =>
    app.backend.calls.filter(({ path, ok }) => path === "numbers:takeNextSlowly" && !ok).length;
  const before = failed();
  await until(() => expect(failed()).toBe(before + 1));
  const written = await writer.stop();
  expect(await sent).toBe(written + 1);
  expect(await all()).toEqual(upTo(written + 1));
}, 30_000);

test("over HTTP a mutation that conflicts at every retry is answered 503, with Convex's code", async () => {
  const writer = keepWriting();
  const body = JSON.stringify({ path: "numbers:takeNextSlowly", format: "json", args: [{ series }] });
  const [client, response] = await Promise.all([
    new ConvexHttpClient(app.backend.url)
      .mutation(numbers.takeNextSlowly, { series })
      .catch((error: unknown) => error),
    fetch(`${app.backend.url}/api/mutation`, { method: "POST", body }),
  ]);
  const written = await writer.stop();
  expect(response.status).toBe(503);
  const refusal = {
    code: "OptimisticConcurrencyControlFailure",
    message: expect.stringMatching(
      /^Documents read from or written to the "numbers" table changed while this mutation was being run and on every subsequent retry\. A call to "numbers:takeNext" changed the document with ID "\w+"\./,
    ) as string,
  };
  expect(await response.json()).toEqual(refusal);
  expect(client).toBeInstanceOf(Error);
  expect(JSON.parse((client as Error).message)).toEqual(refusal);
  expect(await all()).toEqual(upTo(written));
}, 30_000);
