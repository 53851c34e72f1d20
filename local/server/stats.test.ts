import { afterAll, beforeAll, expect, test } from "vitest";
import { startFixtureApp, type FixtureApp } from "../fixtureApp.js";
import { RawSocket } from "./rawSocket.js";
import type { FunctionStats } from "./stats.js";

let app: FixtureApp;
beforeAll(async () => void (app = await startFixtureApp()), 60_000);
afterAll(() => app.close());

async function statsOf(path: string): Promise<Partial<FunctionStats>> {
  const response = await fetch(`${app.backend.url}/stats`);
  const { functions } = (await response.json()) as { functions: FunctionStats[] };
  return functions.find((each) => each.path === path) ?? {};
}

test("GET /stats counts calls, errors, what was read and written, and answers that were shared", async () => {
  const [a, b] = [
    await RawSocket.open(app.backend.url, "stats a"),
    await RawSocket.open(app.backend.url, "stats b"),
  ];
  a.watch(0, "messages:list", { author: "counted" });
  await a.until("Transition");
  b.watch(0, "messages:list", { author: "counted" });
  await b.until("Transition");
  expect(await statsOf("messages:list")).toMatchObject({ kind: "query", calls: 1, cacheHits: 1, errors: 0 });

  a.mutate(0, "messages:send", { author: "another", text: "x" });
  await a.until("Transition", 2);
  expect(await statsOf("messages:list")).toMatchObject({ calls: 1 });
  a.mutate(1, "messages:send", { author: "counted", text: "x" });
  await a.until("Transition", 3);
  await b.until("Transition", 2);
  expect(await statsOf("messages:list")).toMatchObject({ calls: 2, cacheHits: 2, rowsRead: 1 });
  expect(await statsOf("messages:send")).toMatchObject({ calls: 2, rowsWritten: 2, conflicts: 0 });
  a.mutate(2, "messages:send", { author: 3 });
  await a.until("MutationResponse", 3);
  expect(await statsOf("messages:send")).toMatchObject({ calls: 3, errors: 1 });
  expect(app.backend.stats.lines().find((line) => line.includes("messages:list"))).toMatch(
    /^query messages:list {2}2 calls, 0 errors, 2 cache hits, 0 conflicts .* ms each {2}read 1 rows \d+ B {2}wrote 0 rows 0 B$/,
  );
  for (const socket of [a, b]) socket.close();
});
