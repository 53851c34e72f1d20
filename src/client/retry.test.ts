// How failed attempts are taken, through the real client, functions and component.
import { beforeEach, describe, expect, test } from "vitest";
import { limits } from "../shared/limits.js";
import { createFieldApp } from "../testing/fieldApp.js";
import type { Functions } from "../testing/simulatedNetwork.js";
import { many, SitesWorld, type OpenOptions } from "../testing/testWorld.js";
import type { RetryPolicy } from "./core/retry.js";

let world: SitesWorld;
/** Documents at which the server fails, as it does for nobody else. */
let poison: Set<string>;
let isServerDown: boolean;
/** When each push came, and what it carried. */
let pushes: { readonly at: number; readonly documents: readonly string[] }[];

beforeEach(async () => {
  world = new SitesWorld(createFieldApp(), { keepsErrors: true });
  poison = new Set();
  isServerDown = false;
  pushes = [];
  await world.seed(...many(20));
});

const functions: Functions = {
  query: (query, args) => world.app.t.query(query, args),
  mutation: (mutation, args) => {
    const { transactions } = args as { transactions: { operations: { document: string }[] }[] };
    const documents = transactions.flatMap(({ operations }) => operations.map(({ document }) => document));
    pushes.push({ at: world.clock.now(), documents });
    if (isServerDown || documents.some((document) => poison.has(document)))
      return Promise.reject(new Error("Server Error"));
    return world.app.t.mutation(mutation, args);
  },
};

async function openDevice({ retry, ...options }: OpenOptions & { readonly retry?: RetryPolicy } = {}) {
  const tab = world.open({
    functions,
    scopes: ["DE"],
    ...(retry && { overrides: { sites: { retry } } }),
    ...options,
  });
  await tab.subscription?.loaded;
  const visit = (id: string) => tab.col.update(id, (draft) => draft.visits.increment());
  return Object.assign(tab, { visit });
}

const states = (...transactions: readonly { readonly state: string }[]) =>
  transactions.map(({ state }) => state);

describe("a transaction at which the server fails, while it does all else", () => {
  test("I-15: is found in a few calls, tried 5 times, and fails alone; all others go on meanwhile", async () => {
    const a = await openDevice();
    poison.add("d7");
    const writes = many(20).map(({ id }) => a.visit(id));
    const bad = writes[7]!;
    await world.waitUntil(() => writes.every((write) => write === bad || write.state === "completed"));
    expect(pushes.filter(({ documents }) => documents.length > 0).length).toBeLessThan(20);
    expect([bad.state, bad.attempts.length > 0]).toEqual(["pending", true]);
    const later = a.visit("d3");
    await world.waitUntil(() => later.state === "completed");
    expect(bad.state).not.toBe("failed");
    await world.settled(a);
    expect(bad).toMatchObject({
      state: "failed",
      error: { code: "denied", message: expect.stringContaining("5 times: Server Error") },
    });
    const alone = pushes.filter(({ documents }) => documents.join() === "d7");
    expect(alone).toHaveLength(limits.retryAttempts);
    expect(a.replica.status.get()).toMatchObject({ pending: 0, failed: 1 });
    expect(a.col.get("d7")?.visits).toBe(0);
  });

  test("says of each attempt when it began and ended, why it failed and when the next is due, and tells of it", async () => {
    const a = await openDevice({ retry: { delay: (attempt) => attempt * 1000 } });
    poison.add("d0");
    const write = a.visit("d0");
    const behind = a.visit("d0");
    const told: number[] = [];
    write.subscribe(() => told.push(write.attempts.length));
    await world.waitUntil(() => write.attempts.length === 2);
    for (const [index, attempt] of write.attempts.entries()) {
      expect(attempt).toMatchObject({
        error: { message: "Server Error" },
        nextRetryAt: attempt.endedAt + (index + 1) * 1000,
      });
      expect(attempt.startedAt).toBeLessThanOrEqual(attempt.endedAt);
    }
    expect(told).toEqual(expect.arrayContaining([1, 2]));
    expect([write.queuedBehind, behind.queuedBehind, behind.state]).toEqual([[], [write.id], "queued"]);
    poison.clear();
    await world.settled(a);
    expect(write.attempts).toHaveLength(2);
    expect(states(write, behind)).toEqual(["completed", "completed"]);
  });

  test("a new leader goes on counting, and waits as long as was left to wait", async () => {
    const a = await openDevice({ retry: { delay: () => 60_000 } });
    poison.add("d0");
    const write = a.visit("d0");
    await world.waitUntil(() => write.attempts.length === 3);
    const due = write.attempts[2]!.nextRetryAt!;
    await a.close();
    const before = pushes.length;
    const again = await openDevice({ profile: a.profile, retry: { delay: () => 60_000 } });
    const [found] = again.replica.transactions.list();
    expect(found).toMatchObject({ id: write.id, state: "pending" });
    expect(found!.attempts).toEqual(write.attempts);
    again.client.disconnect();
    again.client.reconnect(); // its own fault: a connection changes nothing
    await world.waitUntil(() => found!.state === "failed");
    const later = pushes.slice(before).filter(({ documents }) => documents.includes("d0"));
    expect(later.map(({ at }) => at >= due)).toEqual([true, true]);
    expect(found!.error?.message).toContain("5 times");
  });

  test.each<[string, RetryPolicy, number | null]>([
    ["attempts: 2", { attempts: 2 }, 2],
    ["classify → fail", { classify: () => "fail" }, 1],
    ["classify → retry, without limit", { classify: () => "retry", delay: () => 1000 }, null],
    ["classify without an opinion", { classify: () => undefined, delay: () => 1 }, limits.retryAttempts],
  ])("%s", async (_name, retry, tries) => {
    const a = await openDevice({ retry });
    poison.add("d0");
    const write = a.visit("d0");
    await world.waitUntil(() => write.state === "failed" || write.attempts.length === limits.keptAttempts);
    const alone = pushes.filter(({ documents }) => documents.includes("d0")).length;
    if (tries === null) {
      await world.waitUntil(
        () => pushes.filter(({ documents }) => documents.includes("d0")).length > alone + 3,
      );
      expect([write.attempts.length, write.state]).not.toContain("failed");
      expect(write.attempts).toHaveLength(limits.keptAttempts);
    } else expect([write.state, alone]).toEqual(["failed", tries]);
  });
});

describe("a server that fails at everything", () => {
  test("fails nothing, however long it takes, and is asked ever more seldom, written to or not", async () => {
    const a = await openDevice();
    isServerDown = true;
    const writes = [a.visit("d0"), a.visit("d1")];
    await world.waitUntil(() => writes[0]!.attempts.length >= 8);
    for (let n = 2; n < 12; n++) writes.push(a.visit(`d${n}`));
    const start = world.clock.now();
    const before = pushes.length;
    await world.waitUntil(() => world.clock.now() > start + 60 * 60_000);
    expect(states(...writes)).not.toContain("failed");
    expect(pushes.length - before).toBeLessThan(2 * 60); // 5 minutes at most, half of it on average, and a look each
    expect(writes[0]!.attempts.length).toBeLessThanOrEqual(limits.keptAttempts);
    isServerDown = false;
    await world.settled(a);
    expect(new Set(states(...writes))).toEqual(new Set(["completed"]));
  });

  test("is not asked by a reload before its time, but at once when a lost connection comes back", async () => {
    const a = await openDevice();
    isServerDown = true;
    const write = a.visit("d0");
    await world.waitUntil(() => (write.attempts.at(-1)?.nextRetryAt ?? 0) > world.clock.now() + 5000);
    const due = write.attempts.at(-1)!.nextRetryAt!;
    await a.close();
    pushes = [];
    isServerDown = false;
    const again = await openDevice({ profile: a.profile, isOnline: false });
    const [found] = again.replica.transactions.list();
    const start = world.clock.now();
    await world.waitUntil(() => again.replica.status.get().leader);
    again.client.reconnect(); // its first connection, as after any reload
    again.visit("d5");
    await world.waitUntil(() => again.replica.status.get().scopes.every(({ state }) => state === "live"));
    expect([pushes, world.clock.now() < due]).toEqual([[], true]);
    again.client.disconnect();
    again.client.reconnect();
    await world.waitUntil(() => found!.state === "completed");
    expect(pushes[0]!.at).toBeLessThan(due);
    expect(pushes[0]!.at).toBeGreaterThanOrEqual(start);
    const third = await openDevice({ profile: again.profile });
    await world.settled(third);
  });
});

/** Whose writes the server takes for Ada's, while she is signed in. */
function signingInAndOut({ isSignedIn }: { readonly isSignedIn: boolean }) {
  const { t } = world.app;
  const ada = t.withIdentity({ subject: "ada", issuer: "test" });
  const functions: Functions = {
    query: (query, args) => t.query(query, args),
    mutation: (mutation, args) => (server.isSignedIn ? ada : t).mutation(mutation, args),
  };
  const server = { isSignedIn, functions };
  return server;
}

test("a user's very first push is not taken for nobody's, if it goes out under a token that has expired", async () => {
  const server = signingInAndOut({ isSignedIn: false });
  const { replica, col } = world.open({ functions: server.functions, user: "ada" });
  await replica.ready;
  const write = col.insert({ id: "first", name: "n", country: "DE" });
  await world.waitUntil(() => replica.status.get().blocked !== null);
  expect(replica.status.get()).toMatchObject({ pending: 1, failed: 0, blocked: { code: "denied" } });
  server.isSignedIn = true;
  await world.waitUntil(() => write.state === "completed");
  expect((await world.app.rows()).map(({ id }) => id)).toContain("first");
});

test("a push that is put off for want of an identity waits, says why, fails nothing, and goes on", async () => {
  const server = signingInAndOut({ isSignedIn: true });
  const { replica, col, subscription } = world.open({ functions: server.functions, scopes: ["DE"] });
  await subscription?.loaded;
  const visit = () => col.update("d0", (draft) => draft.visits.increment());
  visit();
  await world.settled({ replica });
  server.isSignedIn = false; // a token that is being refreshed
  const write = visit();
  await world.waitUntil(() => replica.status.get().blocked !== null);
  const start = world.clock.now();
  await world.waitUntil(() => world.clock.now() > start + 10 * 60_000);
  await world.waitUntil(() => write.state === "pending");
  expect(replica.status.get()).toMatchObject({ pending: 1, failed: 0, blocked: { code: "denied" } });
  server.isSignedIn = true;
  const back = world.clock.now();
  await world.waitUntil(() => write.state === "completed");
  expect(world.clock.now() - back).toBeLessThanOrEqual(31_000);
  expect(replica.status.get().blocked).toBeNull();
});
