import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { ConvexReactClient } from "convex/react";
import { anyApi } from "convex/server";
import { ConvexError } from "convex/values";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import WebSocket from "ws";
import { startFixtureApp, type FixtureApp } from "../fixtureApp.js";
import { startBackend, type Backend } from "./backend.js";

// The fixture has no generated code: any function, any arguments.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
const { messages, probe, nowhere } = anyApi as any;
const webSocketConstructor = WebSocket as unknown as typeof globalThis.WebSocket;

let app: FixtureApp;
let backend: Backend;
const open: { close(): unknown }[] = [];
let author: string;
let authors = 0;

beforeAll(async () => {
  app = await startFixtureApp();
  backend = app.backend;
}, 60_000);

afterAll(() => app.close());

beforeEach(() => void (author = `author ${++authors}`));

afterEach(async () => {
  backend.faults.clear();
  for (const client of open.splice(0)) await client.close();
});

function connect(): ConvexClient {
  const client = new ConvexClient(backend.url, { webSocketConstructor, unsavedChangesWarning: false });
  open.push(client);
  return client;
}

/** What a subscription has shown so far, newest last. */
function watch<T>(client: ConvexClient, query: string, args: Record<string, unknown>): T[] {
  const seen: T[] = [];
  client.onUpdate(messages[query], args, (value: T) => seen.push(value));
  return seen;
}

const until = (check: () => void) => vi.waitFor(check, { timeout: 10_000, interval: 5 });
const tokenOf = (claims: object) =>
  ["{}", JSON.stringify(claims), "unsigned"].map((part) => Buffer.from(part).toString("base64url")).join(".");

test("a subscription shows what there is, then what another client writes", async () => {
  const [a, b] = [connect(), connect()];
  const seen = watch<string[]>(b, "list", { author });
  await until(() => expect(seen).toEqual([[]]));
  await a.mutation(messages.send, { author, text: "hello" });
  await until(() => expect(seen).toEqual([[], ["hello"]]));
});

test("a mutation resolves once its own client's queries show what it did", async () => {
  const client = connect();
  const seen = watch<string[]>(client, "list", { author });
  await until(() => expect(seen).toHaveLength(1));
  await client.mutation(messages.send, { author, text: "mine" });
  expect(seen.at(-1)).toEqual(["mine"]);
});

test("the React client subscribes and writes", async () => {
  const client = new ConvexReactClient(backend.url, { webSocketConstructor, unsavedChangesWarning: false });
  open.push(client);
  const list = client.watchQuery(messages.list, { author });
  list.onUpdate(() => {});
  await client.mutation(messages.send, { author, text: "react" });
  expect(list.localQueryResult()).toEqual(["react"]);
});

test("the HTTP client queries, writes and acts, and gets coded errors", async () => {
  const client = new ConvexHttpClient(backend.url);
  await client.mutation(messages.send, { author, text: "http" });
  expect(await client.action(messages.sendByAction, { author, text: "acted" })).toBe("sent acted");
  expect(await client.query(messages.list, { author })).toEqual(["http", "acted"]);
  const refused = client.mutation(messages.refuse, { reason: author });
  await expect(refused).rejects.toMatchObject({ data: { code: "refused", reason: author } });
});

test("a thrown ConvexError arrives with its data, and rolls back", async () => {
  const client = connect();
  const error: unknown = await client.mutation(messages.refuse, { reason: author }).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(ConvexError);
  expect((error as ConvexError<{ code: string }>).data).toEqual({ code: "refused", reason: author });
  expect(await client.query(messages.list, { author: "refused" })).toEqual([]);
});

test("a failed query is an error, an unknown or internal function says how to get it", async () => {
  const client = connect();
  await expect(client.query(messages.crash, {})).rejects.toThrow(/Server Error/);
  await expect(client.query(nowhere.list, {})).rejects.toThrow(/Could not find public function/);
  await expect(client.mutation(messages.noteAttempt, { job: "x" })).rejects.toThrow(/public function/);
});

test("actions and scheduled functions run", async () => {
  const client = connect();
  const seen = watch<string[]>(client, "list", { author });
  await client.action(messages.sendByAction, { author, text: "now" });
  await client.mutation(messages.sendLater, { author, text: "later" });
  await until(() => expect(seen.at(-1)).toEqual(["now", "later"]));
});

test("a workpool retries a job until it succeeds", async () => {
  const client = connect();
  const seen = watch<string[]>(client, "list", { author: "pool" });
  await client.mutation(messages.enqueue, { job: author });
  await until(() => expect(seen.at(-1)).toContain(author));
}, 20_000);

test("mutations sent while the socket is down arrive in their order", async () => {
  const client = connect();
  await client.query(messages.list, { author });
  backend.faults.blockConnections(true);
  await until(() => expect(backend.connections()).toEqual([]));
  const texts = Array.from({ length: 10 }, (_, n) => `m${n}`);
  const sent = texts.map((text) => client.mutation(messages.send, { author, text }));
  backend.faults.blockConnections(false);
  await Promise.all(sent);
  expect(await client.query(messages.list, { author })).toEqual(texts);
});

test("a mutation whose answer was lost is asked for again and not run twice", async () => {
  const client = connect();
  backend.faults.loseAnswer("messages:send");
  await client.mutation(messages.send, { author, text: "once" });
  expect(await client.query(messages.list, { author })).toEqual(["once"]);
});

test("a mutation that conflicts for ever closes the socket, and the client sends it again", async () => {
  const client = connect();
  backend.faults.failAsOcc("messages:send");
  await client.mutation(messages.send, { author, text: "at last" });
  expect(await client.query(messages.list, { author })).toEqual(["at last"]);
});

test("a refused call is an error without a code", async () => {
  const client = connect();
  backend.faults.refuse("messages:send");
  const error: unknown = await client
    .mutation(messages.send, { author, text: "no" })
    .catch((e: unknown) => e);
  expect(error).not.toBeInstanceOf(ConvexError);
  expect((error as Error).message).toMatch(/Server Error\s+Called by client$/);
  expect(await client.query(messages.list, { author })).toEqual([]);
});

test("when the user changes every query runs again as the new one", async () => {
  const client = connect();
  const seen = watch<string | null>(client, "whoAmI", {});
  await until(() => expect(seen).toEqual([null]));
  client.setAuth(async () => tokenOf({ sub: "ada", iss: "local", iat: 1, exp: 4e9 }));
  await until(() => expect(seen.at(-1)).toBe("local|ada"));
  client.setAuth(async () => tokenOf({ sub: "eve", iss: "local", iat: 1, exp: 4e9 }));
  await until(() => expect(seen.at(-1)).toBe("local|eve"));
});

test("a client whose token has expired fetches another and goes on", async () => {
  const client = connect();
  const seen = watch<string | null>(client, "whoAmI", {});
  const token = (exp: number) => tokenOf({ sub: "ada", iss: "local", iat: 1, exp });
  const asked: boolean[] = [];
  client.setAuth(async ({ forceRefreshToken }) => {
    asked.push(forceRefreshToken);
    return token(asked.length === 1 ? 2 : 4e9);
  });
  await until(() => expect(seen.at(-1)).toBe("local|ada"));
  expect(asked.slice(0, 2)).toEqual([false, true]);
});

test("the HTTP client is who its token says", async () => {
  const client = new ConvexHttpClient(backend.url);
  client.setAuth(tokenOf({ sub: "ada", iss: "local", exp: 4e9 }));
  expect(await client.query(messages.whoAmI, {})).toBe("local|ada");
});

test("a transition of more than 5 MB arrives, in chunks", async () => {
  const client = connect();
  const seen = watch<string>(client, "large", { length: 12_000_000 });
  await until(() => expect(seen.at(-1)).toHaveLength(12_000_000));
}, 20_000);

test("int64, bytes, infinite numbers and nested values arrive as they were", async () => {
  const bytes = new Uint8Array([0, 255, 7]).buffer;
  const value = { big: -(2n ** 63n), bytes, none: null, far: -Infinity, list: [[1.5], { deep: 9n }] };
  expect(await connect().query(probe.echo, { value })).toEqual(value);
  expect(await new ConvexHttpClient(backend.url).query(probe.echo, { value })).toEqual(value);
  expect(await backend.run("query", "probe:echo", { value })).toEqual(value);
});

test("a commit timestamp is a bigint", async () => {
  const { ts } = (await connect().mutation(probe.stamp, {})) as { ts: bigint };
  expect(ts).toBe(await backend.run("query", "probe:lastStamp"));
});

test("a document over 1 MiB is refused as Convex words it, inserted or patched", async () => {
  const insert = backend.run("mutation", "messages:insertLarge", { bytes: 2 ** 20 + 1, items: 0 });
  await expect(insert).rejects.toThrow(/too large.*maximum size 1 MiB/);
  const message = await backend.run("mutation", "probe:growTooLarge", { author });
  expect(message).toMatch(/too large.*maximum size/);
  expect(await backend.run("query", "messages:list", { author })).toEqual(["small"]);
});

test("an array over 8,192 is refused in documents, arguments and results", async () => {
  const refused = /Array length is too long \(8193 > maximum length 8192\)/;
  const inserted = backend.run("mutation", "messages:insertLarge", { bytes: 1, items: 8193 });
  await expect(inserted).rejects.toThrow(refused);
  const value = Array.from({ length: 8193 }, () => 0);
  await expect(backend.run("query", "probe:echo", { value })).rejects.toThrow(refused);
  await expect(backend.run("query", "probe:items", { length: 8193 })).rejects.toThrow(refused);
  expect(await backend.run("query", "probe:items", { length: 8192 })).toHaveLength(8192);
});

test("a result over 16 MiB is refused, and what was written with it is rolled back", async () => {
  const tooMuch = backend.run("mutation", "probe:insertAndReturnTooMuch", { author });
  await expect(tooMuch).rejects.toThrow(/return value is too large/);
  expect(await backend.run("query", "messages:list", { author })).toEqual([]);
});

test("the limits on a transaction hold", async () => {
  const rows = { author, rows: 17, bytes: 2 ** 20 - 200 };
  await expect(backend.run("mutation", "probe:insertAll", rows)).rejects.toThrow(/Too many bytes written/);
});

test("each call is a line of the log, and is counted with what it read and wrote", async () => {
  await backend.run("mutation", "messages:send", { author, text: "counted" });
  expect(backend.calls.at(-1)).toMatchObject({ path: "messages:send", ok: true, writes: { rows: 1 } });
  expect(app.log.at(-1)).toMatch(/^mutation messages:send .* ms {2}read 0 rows .* wrote 1 rows/);
  await backend.run("query", "messages:list", { author });
  expect(backend.calls.at(-1)).toMatchObject({ kind: "query", reads: { rows: 1 }, writes: { rows: 0 } });
});

test("a client's calls are counted with its session", async () => {
  const client = connect();
  await client.mutation(messages.send, { author, text: "mine" });
  const sessions = backend.connections().map(({ sessionId }) => sessionId);
  const call = backend.calls.findLast(({ path }) => path === "messages:send");
  expect(sessions).toContain(call?.sessionId);
});

test("scheduled functions are counted too, on their own, also while what scheduled them runs", async () => {
  await backend.run("action", "probe:scheduleAndWait", { author });
  const [sent, waited] = ["messages:send", "probe:scheduleAndWait"].map((path) =>
    backend.calls.findLast((call) => call.path === path),
  );
  expect(sent).toMatchObject({ kind: "mutation", ok: true, writes: { rows: 1 } });
  expect(waited).toMatchObject({ kind: "action", ok: true, writes: { rows: 0 } });
});

test("what a function writes to the console reaches the client's logger and the log", async () => {
  const lines: string[] = [];
  const note = (...words: unknown[]) => void lines.push(words.join(" "));
  const logger = { log: note, warn: note, error: note, logVerbose: () => {} };
  const client = new ConvexHttpClient(backend.url, { logger });
  await client.mutation(probe.speak, {});
  expect(lines.join("\n")).toContain("'said' 1 { deep: true }");
  expect(app.log).toContain("  [WARN] 'warned'");
});

test("an error over HTTP has status 560 and what was thrown", async () => {
  const body = JSON.stringify({ path: "messages:refuse", format: "json", args: [{ reason: author }] });
  const response = await fetch(`${backend.url}/api/mutation`, { method: "POST", body });
  expect(response.status).toBe(560);
  expect(await response.json()).toMatchObject({
    status: "error",
    errorMessage: expect.stringMatching(/^\[Request ID: \w+\] Server Error/) as string,
    errorData: { code: "refused", reason: author },
  });
});

test("an answer can be delayed, and sockets dropped: clients come back", async () => {
  const client = connect();
  const seen = watch<string[]>(client, "list", { author });
  await until(() => expect(seen).toHaveLength(1));
  backend.faults.dropSockets();
  await until(() => expect(backend.connections()).toEqual([]));
  await backend.run("mutation", "messages:send", { author, text: "while away" });
  await until(() => expect(seen.at(-1)).toEqual(["while away"]));
  backend.faults.delay(50);
  const start = performance.now();
  await client.mutation(messages.send, { author, text: "late" });
  expect(performance.now() - start).toBeGreaterThan(49);
});

test("a taken port is told", async () => {
  const port = Number(new URL(backend.url).port);
  await expect(startBackend({ port })).rejects.toThrow(`Port ${port} is taken`);
});
