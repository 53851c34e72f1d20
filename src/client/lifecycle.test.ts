// flush, close, clear, retry and discard, whatever state the transactions are in, with one tab and with several.
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createFieldApp, sites } from "../testing/fieldApp.js";
import { TestProfile } from "../testing/testReplica.js";
import { berlin, SitesWorld } from "../testing/testWorld.js";
import { createReplica, lastUser } from "./index.js";

let world: SitesWorld;

beforeEach(async () => {
  world = new SitesWorld(createFieldApp());
  await world.seed(berlin, { id: "l", name: "Lëtzebuerg", country: "LU" });
});
afterEach(() => vi.unstubAllGlobals());

async function openTab(profile = new TestProfile()) {
  const tab = await world.openReader({ profile, scopes: ["DE", "LU"] });
  const errors: { code: unknown; dataAtRisk: boolean }[] = [];
  tab.replica.events.on("error", ({ error, dataAtRisk }) =>
    errors.push({ code: (error as { code?: unknown }).code, dataAtRisk }),
  );
  const visit = (id = "x") => tab.col.update(id, (draft) => draft.visits.increment());
  return Object.assign(tab, { visit, errors });
}
type Tab = Awaited<ReturnType<typeof openTab>>;

/** A transaction brought into each state that one can be in. */
const states: [string, (tab: Tab) => Promise<unknown>][] = [
  ["pending", async ({ client, visit }) => (client.disconnect(), visit())],
  ["queued", async ({ client, visit }) => (client.disconnect(), visit(), visit())],
  [
    "persisting",
    async ({ client, visit }) => {
      client.loseNextRequest();
      const write = visit();
      await world.waitUntil(
        () => write.state === "persisting" && !client.connectionState().isWebSocketConnected,
      );
    },
  ],
  [
    "persisted_awaiting_sync",
    async ({ client, visit }) => {
      client.hold();
      const write = visit();
      await world.waitUntil(() => write.state === "persisted_awaiting_sync");
    },
  ],
  [
    "pending, after a failed attempt",
    async ({ client, visit }) => {
      for (let n = 0; n < 2; n++) client.failNextMutation(new Error("Server Error"));
      const write = visit();
      await world.waitUntil(() => write.attempts.length === 1);
      client.disconnect();
    },
  ],
];

describe.each(states)("with a transaction that is %s", (_name, bring) => {
  test("I-4: close() leaves it stored, flush() says that it is closed, the next session brings it to its end", async () => {
    const a = await openTab();
    await bring(a);
    const flushed = a.replica.flush();
    await a.replica.close();
    await expect(flushed).rejects.toMatchObject({ code: "closed" });
    a.client.die();
    const again = await openTab(a.profile);
    await world.settled(again);
    await again.replica.flush();
    const site = await world.row("x");
    expect([again.col.get("x")?.visits, site?.visits]).toEqual([site?.visits, again.col.get("x")?.visits]);
    expect(site?.visits).toBeGreaterThan(0);
    expect(again.replica.transactions.list()).toEqual([]);
  });

  test("clear() asks first, and then nothing of it is left", async () => {
    const a = await openTab();
    await bring(a);
    await expect(a.replica.clear()).rejects.toMatchObject({ code: "pending_writes" });
    expect(a.replica.transactions.list().length).toBeGreaterThan(0);
    await a.replica.clear({ discardPending: true });
    expect(a.profile.database.data).toBeNull();
    expect(a.errors.filter(({ dataAtRisk }) => dataAtRisk)).toEqual([]);
    a.client.die();
    const again = await openTab(a.profile);
    expect(again.replica.transactions.list()).toEqual([]);
  });

  test("it can be neither retried nor discarded", async () => {
    const a = await openTab();
    await bring(a);
    const [transaction] = a.replica.transactions.list();
    const refusal = expect.objectContaining({ code: "invalid_row" }) as Error;
    expect(() => transaction!.retry()).toThrow(refusal);
    expect(() => transaction!.discard()).toThrow(refusal);
  });
});

test("flush() waits for what is written, and a failed one keeps it from nothing", async () => {
  const a = await openTab();
  const [write, refused] = [a.visit(), a.visit("l")];
  let isFlushed = false;
  void a.replica.flush().then(() => (isFlushed = true));
  await world.waitUntil(() => isFlushed);
  expect([write.state, refused.state]).toEqual(["completed", "failed"]);
});

test("after close() every write, retry and subscription says so, and nothing is changed", async () => {
  const a = await openTab();
  const refused = a.visit("l");
  await world.waitUntil(() => refused.state === "failed");
  await a.replica.close();
  const before = [...a.col.rows()];
  const writes = [
    () => a.visit(),
    () => a.col.insert({ id: "y", name: "y", country: "DE" }),
    () => a.col.delete("x"),
    () => refused.retry(),
    () => refused.discard(),
    () => a.replica.subscribe(sites, { scopes: ["FR"] }),
  ];
  for (const each of writes) expect(each).toThrow(expect.objectContaining({ code: "closed" }) as Error);
  expect([...a.col.rows()]).toEqual(before);
  expect(refused.state).toBe("failed");
  await a.replica.flush();
});

describe("several tabs", () => {
  test("a transaction that is retried in one tab is pending in the other, and the failed one gone", async () => {
    const profile = new TestProfile();
    const [leader, other] = [await openTab(profile), await openTab(profile)];
    leader.visit("l");
    await world.waitUntil(() => other.replica.transactions.list({ state: "failed" }).length === 1);
    leader.client.disconnect();
    const retried = other.replica.transactions.list()[0]!.retry();
    await world.waitUntil(() => leader.replica.transactions.list()[0]?.id === retried.id);
    for (const { replica, col } of [leader, other]) {
      expect(replica.transactions.list().map(({ id, state }) => [id, state])).toEqual([
        [retried.id, "pending"],
      ]);
      expect(col.get("l")?.visits).toBe(1);
    }
  });

  test("flush() in a tab that does not lead waits for the leader's answers", async () => {
    const profile = new TestProfile();
    await openTab(profile);
    const other = await openTab(profile);
    const write = other.visit();
    let isFlushed = false;
    void other.replica.flush().then(() => (isFlushed = true));
    await world.waitUntil(() => isFlushed);
    expect(write.state).toBe("completed");
  });

  test("clear() in one tab closes the others, which say so", async () => {
    const profile = new TestProfile();
    const [leader, other] = [await openTab(profile), await openTab(profile)];
    await leader.replica.clear();
    await world.waitUntil(() => other.errors.length > 0);
    expect(other.errors).toEqual([{ code: "closed", dataAtRisk: false }]);
    expect(() => other.visit()).toThrow(expect.objectContaining({ code: "closed" }) as Error);
  });
});

test.each(["client_taken", "client_retired"] as const)(
  "%s: nothing is sent any more, nothing is lost, and it says why",
  async (code) => {
    const a = await openTab();
    a.client.failNextMutation(Object.assign(new Error(), { data: { code, message: "no" } }));
    const write = a.visit();
    await world.waitUntil(() => a.replica.status.get().blocked?.code === code);
    const sent = world.network.calls.mutations;
    const later = a.visit();
    a.client.disconnect();
    a.client.reconnect();
    await later.durable;
    for (let timers = 0; timers < 100 && world.clock.runNext(); timers++) await Promise.resolve();
    expect(world.network.calls.mutations).toBe(sent);
    expect([write.error, a.replica.status.get().pending]).toEqual([undefined, 2]);
    await a.replica.close();
    expect(a.profile.database.data?.contents.outbox.size).toBe(2);
  },
);

test("another user gets another database, and who used it last is known before anybody is signed in", () => {
  const kept = new Map<string, string>();
  vi.stubGlobal("localStorage", {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
  });
  const open = (name: string, user: string | null) =>
    createReplica({
      client: world.network.connect(world.app.t),
      api: world.app.api,
      collections: [sites],
      name,
      user,
    });
  expect(lastUser("fieldbook")).toBeNull();
  open("fieldbook", "ada");
  open("other", "bob");
  expect([lastUser("fieldbook"), lastUser("other")]).toEqual(["ada", "bob"]);
  open("fieldbook", null);
  expect(lastUser("fieldbook")).toBeNull();
});

test("a device that keeps nothing for a site remembers nobody, and works", () => {
  vi.stubGlobal("localStorage", {
    getItem: () => {
      throw new DOMException("no", "SecurityError");
    },
  });
  expect(lastUser("fieldbook")).toBeNull();
});
