import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { limits } from "../shared/limits.js";
import { logLevels, shortId, toLogLevel, writeLogLine, type LogLevel } from "../shared/logLine.js";
import { sites } from "../testing/fieldApp.js";
import { PushDevice } from "../testing/pushDevice.js";
import { createServerApp, type ServerApp } from "../testing/serverApp.js";
import type { Admin } from "./index.js";

type Line = { readonly level: string; readonly event: string; readonly [field: string]: unknown };
let lines: { readonly method: string; readonly text: string }[];
let app: ServerApp;
let device: PushDevice;
const client = "client-0123456789-which-nobody-may-know";
const secret = "what the user wrote";

beforeEach(() => {
  vi.useFakeTimers();
  lines = [];
  for (const method of ["debug", "info", "warn", "error", "log"] as const)
    vi.spyOn(console, method).mockImplementation((...words: unknown[]) => {
      if (words.length === 1 && String(words[0]).startsWith('{"replicate"'))
        lines.push({ method, text: String(words[0]) });
    });
  vi.stubEnv("REPLICATE_LOG_LEVEL", "DEBUG");
  app = createServerApp(undefined, { hasFollowers: true });
  device = new PushDevice(app, 11, client);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

const written = (): Line[] => lines.map(({ text }) => JSON.parse(text) as Line);
const eventsOf = (level: string) =>
  new Set(
    written()
      .filter((line) => line.level === level)
      .map(({ event }) => event),
  );
const admin = <T>(work: (admin: Admin) => Promise<T>) =>
  app.t.mutation((ctx) => work(app.replicate.admin(ctx)));
const runScheduled = () => app.t.finishAllScheduledFunctions(vi.runAllTimers);

/** Something of everything that is logged. */
async function live(): Promise<void> {
  await device.send(device.insert("x", { name: secret }), device.insert("y", { name: "forbidden" }));
  await device.send(device.insert("l", { country: "LU", note: secret }));
  await device.send({ ...device.insert("u", { name: secret }), collection: secret });
  await device
    .push([device.transaction([device.set("x", "note", secret)])], {
      epochs: { sites: secret },
    })
    .catch(() => null);
  await device
    .push(Array.from({ length: limits.pushTransactions + 1 }, () => device.transaction([])))
    .catch(() => null);
  await admin((each) => each.compact(sites, "x"));
  const bytes = new Uint8Array([1, 255, 255, 255, 7, ...new TextEncoder().encode(secret)]).buffer;
  await app.t.mutation((ctx) =>
    ctx.runMutation(app.component.append.append, {
      deltas: [
        {
          collection: "sites",
          scope: "DE",
          part: "",
          document: "p",
          bytes,
          client: "c",
          transactions: [],
          schemaVersion: 1,
        },
      ],
    }),
  );
  await admin((each) => each.compact(sites));
  for (let step = 0; step < 30; step++) {
    await vi.advanceTimersByTimeAsync(1000);
    await app.t.finishInProgressScheduledFunctions();
  }
  await admin((each) => each.retryFailed());
  await admin((each) => each.newEpoch(sites));
  await runScheduled();
  await admin((each) => each.purge(sites, "x"));
}

test("each event is one line of JSON, of its level, by the console's method of that level", async () => {
  await live();
  expect(eventsOf("DEBUG")).toEqual(new Set(["followed"]));
  expect(eventsOf("INFO")).toEqual(
    new Set(["compacted", "failedRetried", "pushRefused", "resyncCleared", "transactionRefused"]),
  );
  expect(eventsOf("WARN")).toEqual(new Set(["newEpoch", "purge", "resyncBegun"]));
  expect(eventsOf("ERROR")).toEqual(new Set(["compactionFailed"]));
  for (const { method, text } of lines) {
    expect(text).not.toContain("\n");
    expect(method).toBe((JSON.parse(text) as Line).level.toLowerCase());
  }
  expect(written().filter(({ event }) => event === "transactionRefused")).toMatchObject([
    { code: "denied", collection: "sites", operations: 1 },
    { code: "denied", collection: "sites" },
    { code: "unknown_collection", collection: null },
  ]);
  expect(written().filter(({ event }) => event === "pushRefused")).toMatchObject([
    { reason: "epoch" },
    { reason: "too_large" },
  ]);
  expect(written().find(({ event }) => event === "purge")).toMatchObject({ document: "x", found: true });
});

test("no line holds what a user wrote, nor a client id by which one could push in its place", async () => {
  await live();
  expect(lines.length).toBeGreaterThan(10);
  for (const { text } of lines) {
    expect(text).not.toContain(secret);
    expect(text).not.toContain(client);
  }
});

test("a level leaves out what is below it; one that is none is INFO", async () => {
  for (const [set, least] of [
    ["ERROR", "ERROR"],
    ["warn", "WARN"],
    ["loud", "INFO"],
    [undefined, "INFO"],
  ] as const) {
    expect(toLogLevel(set)).toBe(least);
    for (const level of logLevels) {
      lines = [];
      writeLogLine(toLogLevel(set), level, "server", "event", {});
      expect(lines.length, `${set} ${level}`).toBe(rank(level) >= rank(least) ? 1 : 0);
    }
  }
  vi.stubEnv("REPLICATE_LOG_LEVEL", "WARN");
  lines = [];
  await live();
  expect(eventsOf("INFO").size + eventsOf("DEBUG").size).toBe(0);
  expect(eventsOf("WARN").size).toBeGreaterThan(0);
});

function rank(level: LogLevel): number {
  return logLevels.indexOf(level);
}

test("positions are written as text, and short ids are not shown at all", () => {
  writeLogLine("DEBUG", "INFO", "component", "event", { ts: 2n ** 60n, none: null });
  expect(written()).toEqual([
    { replicate: "component", level: "INFO", event: "event", ts: String(2n ** 60n), none: null },
  ]);
  expect(["", "12345678", "123456789"].map(shortId)).toEqual(["…", "…", "12345678…"]);
});
