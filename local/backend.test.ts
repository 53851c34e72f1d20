import fs from "node:fs";
import path from "node:path";
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { ConvexReactClient } from "convex/react";
import { anyApi } from "convex/server";
import { ConvexError } from "convex/values";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import WebSocket from "ws";
import { deploy } from "./deploy.js";
import { startBackend, type Backend } from "./server.js";

// The fixture has no generated code: any function, any arguments.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
const { messages, notes, nowhere } = anyApi as any;
const webSocketConstructor = WebSocket as unknown as typeof globalThis.WebSocket;
const folder = path.resolve("local/.fixture");

let backend: Backend;
const open: { close(): unknown }[] = [];
let author: string;
let authors = 0;
const log: string[] = [];

beforeAll(async () => {
  fs.rmSync(folder, { recursive: true, force: true });
  fs.cpSync("local/fixture", folder, { recursive: true });
  backend = await startBackend({ log: (line) => log.push(line) });
  await deploy(backend.url, { cwd: folder });
}, 60_000);

afterAll(async () => {
  await backend.close();
  fs.rmSync(folder, { recursive: true, force: true });
});

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
  expect(await client.query(messages.list, { author })).toEqual([]);
});

test("when the user changes every query runs again as the new one", async () => {
  const client = connect();
  const seen = watch<string | null>(client, "whoAmI", {});
  await until(() => expect(seen).toEqual([null]));
  client.setAuth(async () => tokenOf({ sub: "ada", iss: "local", iat: 1, exp: 4e9 }));
  await until(() => expect(seen.at(-1)).toBe("local|ada"));
});

test("a transition of more than 5 MB arrives, in chunks", async () => {
  const client = connect();
  const seen = watch<string>(client, "large", { length: 12_000_000 });
  await until(() => expect(seen.at(-1)).toHaveLength(12_000_000));
}, 20_000);

test("a document over 1 MiB, an array over 8,192 and a result over 16 MiB are refused as Convex words it", async () => {
  const args = { bytes: 2 ** 20 + 1, items: 0 };
  await expect(backend.run("mutation", "messages:insertLarge", args)).rejects.toThrow(
    /too large.*maximum size/,
  );
  const items = { bytes: 1, items: 8193 };
  await expect(backend.run("mutation", "messages:insertLarge", items)).rejects.toThrow(
    /Array length is too long/,
  );
  const length = 17 * 2 ** 20;
  await expect(backend.run("query", "messages:large", { length })).rejects.toThrow(/return value too large/);
});

test("each call is a line of the log, and is counted with what it read and wrote", async () => {
  await backend.run("mutation", "messages:send", { author, text: "counted" });
  expect(backend.calls.at(-1)).toMatchObject({ path: "messages:send", ok: true, writes: { rows: 1 } });
  expect(log.at(-1)).toMatch(/^mutation messages:send .* ms {2}read 0 rows .* wrote 1 rows/);
});

test("a later push brings new modules, changed ones and new tables, and keeps the data", async () => {
  await backend.run("mutation", "messages:send", { author, text: "kept" });
  const file = (name: string) => path.join(folder, "convex", name);
  const schema = fs.readFileSync(file("schema.ts"), "utf8");
  fs.writeFileSync(
    file("schema.ts"),
    schema.replace("attempts:", 'notes: defineTable({ n: v.number() }).index("by_n", ["n"]),\n  attempts:'),
  );
  const source = fs.readFileSync(file("messages.ts"), "utf8");
  fs.writeFileSync(file("messages.ts"), source.replace('row["text"] as string', '`new ${row["text"]}`'));
  fs.writeFileSync(
    file("notes.ts"),
    `import { mutationGeneric } from "convex/server";
     export const add = mutationGeneric({ args: {}, handler: async (ctx) => {
       await ctx.db.insert("notes", { n: 1 });
       return (await ctx.db.query("notes").withIndex("by_n", (q) => q.eq("n", 1)).take(9)).length;
     } });`,
  );
  const client = connect();
  const seen = watch<string[]>(client, "list", { author });
  await until(() => expect(seen.at(-1)).toEqual(["kept"]));
  await deploy(backend.url, { cwd: folder });
  await until(() => expect(seen.at(-1)).toEqual(["new kept"]));
  expect(await client.mutation(notes.add, {})).toBe(1);
}, 60_000);

test("a push whose code throws fails with what it threw, and changes nothing", async () => {
  const broken = path.join(folder, "convex", "broken.ts");
  fs.writeFileSync(broken, `export const x = 1; throw new Error("broken on purpose");`);
  await expect(deploy(backend.url, { cwd: folder })).rejects.toThrow(/broken on purpose/);
  fs.rmSync(broken);
  await backend.run("mutation", "messages:send", { author, text: "still here" });
}, 60_000);

test("a taken port is told", async () => {
  const port = Number(new URL(backend.url).port);
  await expect(startBackend({ port })).rejects.toThrow(`Port ${port} is taken`);
});
