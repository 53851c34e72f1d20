// The backend as a process, with a data directory: stopped, killed, started again.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { anyApi } from "convex/server";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { BackendProcess } from "../backendProcess.js";
import { startFixtureApp, type FixtureApp } from "../fixtureApp.js";
import { deploy } from "../push/deploy.js";
import { startBackend } from "./backend.js";

// The fixture has no generated code: any function, any arguments.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
const { messages, keeping } = anyApi as any;

interface Job {
  readonly name: string;
  readonly scheduledTime: number;
  readonly state: { readonly kind: string; readonly error?: string };
}

let app: FixtureApp;
/** A data directory that an app with a cron and a route was pushed to. */
let pushed: string;
let folder: string;
const started: BackendProcess[] = [];
const temporary = (name: string) => fs.mkdtempSync(path.join(os.tmpdir(), name));
const until = <T>(read: () => T | Promise<T>) => expect.poll(read, { timeout: 20_000, interval: 10 });

beforeAll(async () => {
  app = await startFixtureApp();
  app.write(
    "crons.ts",
    `import { cronJobs, makeFunctionReference } from "convex/server";
     const crons = cronJobs();
     crons.interval("note", { hours: 1 }, makeFunctionReference("keeping:note"), { author: "cron" });
     export default crons;`,
  );
  app.write(
    "http.ts",
    `import { httpActionGeneric, httpRouter } from "convex/server";
     const http = httpRouter();
     http.route({ path: "/hello", method: "GET", handler: httpActionGeneric(async () => new Response("hello")) });
     export default http;`,
  );
  pushed = temporary("pushed-");
  const backend = await startBackend({ data: pushed });
  await deploy(backend.url, { cwd: app.folder });
  await backend.close();
}, 60_000);

afterAll(async () => {
  await app.close();
  fs.rmSync(pushed, { recursive: true });
});

beforeEach(() => {
  folder = temporary("restart-");
  fs.cpSync(pushed, folder, { recursive: true });
});

afterEach(async () => {
  for (const backend of started.splice(0)) await backend.kill();
  fs.rmSync(folder, { recursive: true });
});

async function start(...options: string[]): Promise<BackendProcess> {
  const backend = new BackendProcess(folder, ...options);
  started.push(backend);
  await backend.start();
  return backend;
}

const ends: [string, (backend: BackendProcess) => Promise<unknown>][] = [
  ["stopped", (backend) => backend.stop("SIGTERM")],
  ["killed", (backend) => backend.kill()],
];

test.each(ends)(
  "I-3: what was answered, code, files, routes, crons and scheduled functions are there after it is %s and started again",
  async (_name, end) => {
    const backend = await start();
    const http = new ConvexHttpClient(backend.url);
    const list = (author: string) => http.query(messages.list, { author }) as Promise<string[]>;
    const jobs = () => http.query(keeping.jobs, {}) as Promise<Job[]>;
    await http.mutation(messages.send, { author: "a", text: "kept" });
    const file = (await http.action(keeping.store, { text: "stored" })) as string;
    await http.mutation(keeping.scheduleHold, { author: "held" });
    await until(() => list("held")).toEqual(["holds"]);
    const far = await http.mutation(keeping.schedule, { author: "far", text: "x", delayMs: 3_600_000 });
    await http.mutation(keeping.schedule, { author: "due", text: "meanwhile", delayMs: 500 });
    await until(() => list("cron")).toEqual(["noted"]); // it is new: its first run is at once

    await end(backend);
    await backend.start();
    expect(await list("a")).toEqual(["kept"]);
    expect(await http.action(keeping.read, { id: file })).toEqual({ text: "stored", type: "text/plain" });
    expect(await (await fetch(`${backend.siteUrl}/hello`)).text()).toBe("hello");
    await until(() => list("due")).toEqual(["meanwhile"]);
    const byName = new Map((await jobs()).map((job) => [job.name.replace(".js", ""), job.state]));
    expect(byName.get("keeping:hold")).toEqual({
      kind: "failed",
      error: "Transient error while executing action",
    });
    expect((await jobs()).at(-1)).toMatchObject({ scheduledTime: far, state: { kind: "pending" } });
    // Each once: whatever was to run at the start has run by now.
    await http.mutation(keeping.schedule, { author: "last", text: "x", delayMs: 0 });
    await until(() => list("last")).toEqual(["x"]);
    expect([await list("cron"), await list("due"), await list("held")]).toEqual([
      ["noted"],
      ["meanwhile"],
      ["holds"],
    ]);
  },
);

test("I-3: a client that stays connects to the next life, and sees what it missed and what is new", async () => {
  const backend = await start();
  const { webSocketConstructor } = backend;
  const options = { webSocketConstructor, unsavedChangesWarning: false, logger: false } as const;
  const client = new ConvexClient(backend.url, options);
  const seen: string[][] = [];
  client.onUpdate(messages.list, { author: "a" }, (value: string[]) => seen.push(value));
  await client.mutation(messages.send, { author: "a", text: "before" });
  const restarted = backend.restart();
  const sent = client.mutation(messages.send, { author: "a", text: "while it was down" });
  await restarted;
  await sent;
  await new ConvexHttpClient(backend.url).mutation(messages.send, { author: "a", text: "after" });
  await until(() => seen.at(-1)).toEqual(["before", "while it was down", "after"]);
  await client.close();
});

test("a folder that another backend uses is refused by name, and the other goes on", async () => {
  const backend = await start();
  await expect(start()).rejects.toThrow(
    `The data directory ${path.join(folder, "documents")} is in use by the process`,
  );
  const http = new ConvexHttpClient(backend.url);
  await http.mutation(messages.send, { author: "a", text: "goes on" });
  expect(await http.query(messages.list, { author: "a" })).toEqual(["goes on"]);
});

const corruptions: [string, (whole: Buffer) => Buffer | string][] = [
  ["is cut off", (whole) => whole.subarray(0, whole.length / 2)],
  ["is something else", () => "not compressed"],
];
test.each(corruptions)("a kept push that %s is told by its file, and what to do", async (_name, corrupt) => {
  const file = path.join(folder, "push.json.br");
  fs.writeFileSync(file, corrupt(fs.readFileSync(file)));
  await expect(start()).rejects.toThrow(
    `The backend ended with 1:\n${file} holds no push. Delete it, and push the app again.`,
  );
});

test("a start that fails lets go of the folder, and of its ports", async () => {
  const file = path.join(folder, "push.json.br");
  const whole = fs.readFileSync(file);
  fs.writeFileSync(file, "not compressed");
  await expect(startBackend({ data: folder })).rejects.toThrow(/holds no push/);
  fs.writeFileSync(file, whole);
  const backend = await startBackend({ data: folder });
  const sitePort = Number(new URL(backend.siteUrl).port);
  expect(backend.hasCode).toBe(true);

  const other = temporary("other-");
  fs.cpSync(pushed, other, { recursive: true });
  await expect(startBackend({ data: other, sitePort })).rejects.toThrow(`Port ${sitePort} is taken`);
  const port = Number(new URL(backend.url).port);
  await expect(startBackend({ data: other, port })).rejects.toThrow(`Port ${port} is taken`);
  await backend.close();
  const next = await startBackend({ data: other, port, sitePort });
  await next.close();
  fs.rmSync(other, { recursive: true });
});

test.each(["SIGINT", "SIGTERM"] as const)(
  "on %s it prints a line for each function, and ends",
  async (signal) => {
    const backend = await start();
    const http = new ConvexHttpClient(backend.url);
    await http.mutation(messages.send, { author: "a", text: "x" });
    await http.mutation(messages.send, { author: "a", text: "y" });
    await http.query(messages.list, { author: "a" });
    await http.mutation(messages.refuse, { reason: "r" }).catch(() => {});
    const before = backend.output.length;
    expect(await backend.stop(signal)).toBe(0);
    const lines = backend.output.slice(before);
    const zero = "0 cache hits, 0 conflicts";
    expect(lines).toMatch(
      new RegExp(`^mutation messages:send {2}2 calls, 0 errors, ${zero} .* wrote 2 rows`, "m"),
    );
    expect(lines).toMatch(
      new RegExp(`^query messages:list {2}1 calls, 0 errors, ${zero} .* read 2 rows`, "m"),
    );
    expect(lines).toMatch(new RegExp(`^mutation messages:refuse {2}1 calls, 1 errors, ${zero}`, "m"));
  },
);
