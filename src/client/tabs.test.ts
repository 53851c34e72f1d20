import { beforeEach, describe, expect, test } from "vitest";
import { createFieldApp, sites, type FieldApp } from "../testing/fieldApp.js";
import { ManualClock, until } from "../testing/manualClock.js";
import { SimulatedNetwork } from "../testing/simulatedNetwork.js";
import { openTestReplica, seededRandomness, TestProfile } from "../testing/testReplica.js";
import { limits } from "../shared/limits.js";
import { chooseForgotten, retention } from "./core/retention.js";
import { firstLookMs, lookMs } from "./keeper.js";

let app: FieldApp;
let network: SimulatedNetwork;
let clock: ManualClock;
let randomness: ReturnType<typeof seededRandomness>;
let profile: TestProfile;

beforeEach(() => {
  app = createFieldApp();
  network = new SimulatedNetwork();
  clock = new ManualClock();
  randomness = seededRandomness(1);
  profile = new TestProfile();
});

const waitUntil = (condition: () => boolean | Promise<boolean>, mostMs?: number) =>
  until({ clock, network }, condition, mostMs);
const seed = (...rows: { id: string; name: string; country: string }[]) =>
  app.writer((writer) => writer.insertMany(rows));
const berlin = { id: "x", name: "Berlin", country: "DE" };

function openTab(scopes: readonly string[] = ["DE"]) {
  const client = network.connect(app.t);
  const tab = profile.openTab();
  const parts = { api: app.api, client, collections: [sites] as const, clock, randomness, tab };
  const replica = openTestReplica(parts);
  const subscription = scopes.length === 0 ? null : replica.subscribe(sites, { scopes });
  return { client, tab, replica, subscription, col: replica.collection(sites) };
}
type Tab = ReturnType<typeof openTab>;
const status = ({ replica }: Tab) => replica.status.get();
const isLive = (tab: Tab) =>
  status(tab).scopes.length > 0 && status(tab).scopes.every(({ state }) => state === "live");
const isLeader = (tab: Tab) => status(tab).leader;
const pass = async (ms: number) => {
  const end = clock.now() + ms;
  clock.setTimer(() => {}, ms);
  await waitUntil(() => clock.now() >= end);
};

describe("one tab works for all", () => {
  test("however many tabs there are, one asks one question a scope, and one pushes", async () => {
    await seed(berlin);
    const tabs = Array.from({ length: 6 }, () => openTab(["DE", "FR"]));
    await waitUntil(() => tabs.every(isLive));
    expect(network.calls.queries).toBe(4); // of each scope one from the start, and one at the cursor that it came to
    for (const { col } of tabs) col.update("x", (draft) => draft.visits.increment());
    await waitUntil(() => tabs.every((tab) => status(tab).pending === 0));
    expect([network.calls.mutations, tabs.filter(isLeader).length]).toEqual([1, 1]);
    expect(tabs.map(({ col }) => col.get("x")?.visits)).toEqual([6, 6, 6, 6, 6, 6]);
  });

  test("a tab that is killed keeps its scopes for a while, and not for ever", async () => {
    const [leader, other] = [openTab(["DE"]), openTab(["FR"])];
    await waitUntil(() => isLive(leader) && status(leader).scopes.length === 2);
    other.client.die();
    other.tab.kill();
    await waitUntil(() => status(leader).scopes.length === 1);
    expect(status(leader).scopes).toMatchObject([{ scope: "DE" }]);
  });

  test("a tab that lives keeps them, however long", async () => {
    const [leader, other] = [openTab(["DE"]), openTab(["FR"])];
    await waitUntil(() => isLive(leader) && status(leader).scopes.length === 2);
    await pass(10 * 60_000);
    expect([status(leader).scopes.length, isLeader(leader), isLeader(other)]).toEqual([2, true, false]);
  });
});

describe("I-19: a leader that is frozen", () => {
  test("hands over before, if it is told, and is a tab like others when it runs again", async () => {
    await seed(berlin);
    const [leader, other] = [openTab(), openTab()];
    await waitUntil(() => isLive(leader) && isLive(other));
    leader.tab.freeze({ isTold: true });
    await waitUntil(() => isLeader(other));
    other.col.update("x", (draft) => void (draft.name = "Bonn"));
    await waitUntil(() => status(other).pending === 0);
    leader.tab.thaw();
    await waitUntil(() => leader.col.get("x")?.name === "Bonn");
    expect([isLeader(leader), isLeader(other)]).toEqual([false, true]);
  });

  test("is replaced by a tab that is opened only then, and has never heard of it", async () => {
    const leader = openTab();
    await waitUntil(() => isLive(leader));
    leader.client.disconnect();
    leader.tab.freeze({ isTold: false });
    const other = openTab();
    await waitUntil(() => isLeader(other) && isLive(other));
  });

  test("begins nothing in the database once it is told: a transaction that is frozen would hold all tabs up", async () => {
    await seed(berlin);
    const [leader, other] = [openTab(), openTab()];
    await waitUntil(() => isLive(leader) && isLive(other));
    leader.tab.announceFreeze();
    const asked = leader.tab.asked.length;
    await waitUntil(() => isLeader(other));
    other.col.update("x", (draft) => void (draft.name = "Bonn"));
    await waitUntil(() => status(other).pending === 0);
    expect(leader.tab.asked.slice(asked)).toEqual([]);
    leader.tab.freeze({ isTold: false });
    leader.tab.thaw();
    await waitUntil(() => leader.col.get("x")?.name === "Bonn");
  });

  test("without notice is replaced by force; it notices when it runs again, and nothing counts twice", async () => {
    await seed(berlin);
    const [leader, other] = [openTab(), openTab()];
    await waitUntil(() => isLive(leader) && isLive(other));
    leader.client.disconnect();
    leader.tab.freeze({ isTold: false });
    other.col.update("x", (draft) => draft.visits.increment());
    await waitUntil(() => isLeader(other) && status(other).pending === 0);
    leader.tab.thaw();
    leader.client.reconnect();
    leader.col.update("x", (draft) => draft.visits.increment());
    await waitUntil(() => status(leader).pending === 0 && leader.col.get("x")?.visits === 2);
    expect([isLeader(leader), isLeader(other)]).toEqual([false, true]);
    expect((await app.rows())[0]?.visits).toBe(2);
  });
});

describe("hundreds of scopes", () => {
  const names = Array.from({ length: 300 }, (_, n) => `s${n}`);

  test("are brought up to date a few at a time, and reopened for one question each", async () => {
    await seed(...names.slice(0, 20).map((country) => ({ id: `in ${country}`, name: "n", country })));
    const first = openTab(names);
    let most = 0;
    first.replica.status.subscribe(() => {
      const { scopes } = status(first);
      const reading = scopes.filter(({ state }) => state === "bootstrapping" || state === "catchingUp");
      most = Math.max(most, reading.length);
    });
    await waitUntil(() => isLive(first) && status(first).scopes.length === 300, 30_000);
    expect([most, first.col.size]).toEqual([limits.scopesReadAtOnce, 20]);
    await first.replica.close();
    first.client.die();
    const { queries } = network.calls;
    const again = openTab(names);
    await waitUntil(() => isLive(again) && status(again).scopes.length === 300, 30_000);
    expect(network.calls.queries - queries).toBe(300);
  }, 60_000);

  test("those that hold what is on screen come first, whichever tab shows it", async () => {
    const few = names.slice(0, 40);
    await seed(...few.map((country) => ({ id: `in ${country}`, name: "n", country })));
    const first = openTab(few);
    await waitUntil(() => isLive(first) && status(first).scopes.length === 40);
    await first.replica.close();
    first.client.die();
    const again = openTab([]);
    const other = openTab([]);
    await waitUntil(() => isLeader(again));
    await other.replica.ready;
    other.replica.prioritise(sites, ["in s39", "in s38"]);
    await new Promise((resolve) => setImmediate(resolve));
    const order: string[] = [];
    again.replica.status.subscribe(() => {
      for (const { scope, state } of status(again).scopes)
        if (state === "live" && !order.includes(scope)) order.push(scope);
    });
    again.replica.subscribe(sites, { scopes: few });
    await waitUntil(() => isLive(again) && status(again).scopes.length === 40);
    expect(order.slice(0, 8).sort()).toEqual(expect.arrayContaining(["s38", "s39"]));
  });
});

describe("what is kept on the device and wanted by nobody", () => {
  const kept = (scope: string, unwantedSince: number | undefined, bytes: number, hasPending = false) => ({
    ...{ collection: "sites", scope, unwantedSince, bytes, hasPending },
  });
  const few = { keptMs: 100, keptBytes: 50 };

  test.each([
    ["nothing is too old or too much", [kept("a", 900, 20), kept("b", undefined, 30)], []],
    ["what is too old goes", [kept("a", 899, 1), kept("b", 900, 1)], ["a"]],
    ["too much: the oldest goes first", [kept("b", 950, 20), kept("a", 940, 20), kept("c", 990, 20)], ["a"]],
    [
      "too much: as many as it takes",
      [kept("a", 940, 20), kept("b", 950, 20), kept("c", 990, 60)],
      ["a", "b", "c"],
    ],
    ["I-4: never what has writes on it", [kept("a", 1, 99, true), kept("b", 990, 1)], ["b"]],
  ])("%s", (_name, scopes, gone) => {
    expect(chooseForgotten(scopes, 1000, few).map(({ scope }) => scope)).toEqual(gone);
  });

  test("goes after its time, but not while a tab wants it or something written to it is pending", async () => {
    await seed(berlin, { id: "y", name: "Paris", country: "FR" }, { id: "z", name: "Rome", country: "IT" });
    const tab = openTab(["DE"]);
    const [france, italy] = ["FR", "IT"].map((scope) => tab.replica.subscribe(sites, { scopes: [scope] }));
    await waitUntil(() => isLive(tab) && status(tab).scopes.length === 3);
    france!.stop({ keepData: true });
    italy!.stop({ keepData: true });
    tab.client.disconnect();
    tab.col.update("z", (draft) => draft.visits.increment());
    await pass(firstLookMs + 1);
    expect(tab.col.size).toBe(3);
    let gone = 0;
    tab.col.subscribe(() => gone++);
    for (let day = 0; day < 31; day++) clock.advance(retention.keptMs / 30);
    await pass(lookMs + 1);
    expect([tab.col.has("x"), tab.col.has("y"), tab.col.has("z"), gone]).toEqual([true, false, true, 1]);
  });
});
