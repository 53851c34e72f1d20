import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createFieldApp, sites } from "../testing/fieldApp.js";
import { TestProfile } from "../testing/testReplica.js";
import { berlin, SitesWorld } from "../testing/testWorld.js";
import { limits } from "../shared/limits.js";
import { chooseForgotten, retention } from "./core/retention.js";
import { firstLookMs, lookMs } from "./keeper.js";

let world: SitesWorld;
let profile: TestProfile;

beforeEach(() => {
  world = new SitesWorld(createFieldApp(), { keepsErrors: true });
  profile = new TestProfile();
});

afterEach(() => expect(world.errors).toEqual([]));

const openTab = (scopes: readonly string[] = ["DE"]) => world.open({ profile, scopes });
type Tab = ReturnType<typeof openTab>;
const isLeader = (tab: Tab) => tab.status.leader;

describe("tabs of one profile", () => {
  test("I-19: see each other's writes at once, push through one, and hand over when it closes", async () => {
    await world.seed(berlin);
    const first = await world.openReader({ profile });
    const second = await world.openReader({ profile });
    expect([first, second].map(({ replica }) => replica.status.get().leader)).toEqual([true, false]);
    await world.waitUntil(() => second.col.has("x"));
    second.col.update("x", (draft) => draft.visits.increment());
    await world.waitUntil(() => first.col.get("x")?.visits === 1);
    await world.settled(second);
    expect((await world.row("x"))?.visits).toBe(1);
    first.client.disconnect();
    second.client.disconnect();
    first.col.update("x", (draft) => draft.visits.increment());
    second.col.update("x", (draft) => draft.visits.increment());
    await world.waitUntil(() => [first, second].every(({ col }) => col.get("x")?.visits === 3));
    await first.replica.close();
    await world.waitUntil(() => second.replica.status.get().leader);
    second.client.reconnect();
    await world.settled(second);
    expect((await world.row("x"))?.visits).toBe(3);
  });

  test("I-8: a leader that is closed by whoever sees what it has read keeps it from no other tab", async () => {
    await world.seed(berlin);
    const first = await world.openReader({ profile });
    const second = await world.openReader({ profile });
    first.col.subscribe(() => void first.replica.close());
    await world.seed({ ...berlin, id: "y" });
    await world.network.refresh();
    await world.waitUntil(() => second.col.has("y") && isLeader(second));
  });

  test("a leader whose database cannot be taken over at first tries again", async () => {
    profile.database.failNextTakeOver = true;
    const first = world.open({ profile });
    await world.waitUntil(() => first.replica.status.get().leader);
    expect(world.errors.splice(0)).toHaveLength(1);
  });

  test("a failed transaction that one tab discards is gone in the other", async () => {
    await world.seed({ id: "l", name: "l", country: "LU" });
    const first = await world.openReader({ scopes: ["LU"], profile });
    const second = await world.openReader({ scopes: ["LU"], profile });
    first.col.update("l", (draft) => draft.visits.increment());
    await world.waitUntil(() => second.replica.transactions.list({ state: "failed" }).length === 1);
    second.replica.transactions.list()[0]!.discard();
    await world.waitUntil(() => first.replica.transactions.list().length === 0);
    expect(profile.database.data?.contents.outbox.size).toBe(0);
  });

  test("the leader reads what any tab wants, while it wants it", async () => {
    await world.seed(berlin, { id: "p", name: "Paris", country: "FR" });
    const first = await world.openReader({ profile });
    const second = world.open({ profile });
    const french = second.replica.subscribe(sites, { scopes: ["FR"] });
    await french.loaded;
    await world.waitUntil(() => second.col.has("p") && first.col.has("p"));
    french.stop();
    await world.waitUntil(() => !first.col.has("p") && !second.col.has("p"));
    expect(first.col.has("x")).toBe(true);
  });
});

describe("one tab works for all", () => {
  test("however many tabs there are, one asks one question a scope, and one pushes", async () => {
    await world.seed(berlin);
    const tabs = Array.from({ length: 6 }, () => openTab(["DE", "FR"]));
    await world.waitUntil(() => tabs.every((tab) => tab.isLive()));
    expect(world.network.calls.queries).toBe(4); // of each scope one from the start, and one at the cursor that it came to
    for (const { col } of tabs) col.update("x", (draft) => draft.visits.increment());
    await world.waitUntil(() => tabs.every((tab) => tab.status.pending === 0));
    expect([world.network.calls.mutations, tabs.filter(isLeader).length]).toEqual([1, 1]);
    expect(tabs.map(({ col }) => col.get("x")?.visits)).toEqual([6, 6, 6, 6, 6, 6]);
  });

  test("a tab that is killed keeps its scopes for a while, and not for ever", async () => {
    const [leader, other] = [openTab(["DE"]), openTab(["FR"])];
    await world.waitUntil(() => leader.isLive() && leader.status.scopes.length === 2);
    other.kill();
    await world.waitUntil(() => leader.status.scopes.length === 1);
    expect(leader.status.scopes).toMatchObject([{ scope: "DE" }]);
  });

  test("a tab that lives keeps them, however long", async () => {
    const [leader, other] = [openTab(["DE"]), openTab(["FR"])];
    await world.waitUntil(() => leader.isLive() && leader.status.scopes.length === 2);
    await world.pass(10 * 60_000);
    expect([leader.status.scopes.length, isLeader(leader), isLeader(other)]).toEqual([2, true, false]);
  });
});

describe("I-19: a leader that is frozen", () => {
  test("hands over before, if it is told, and is a tab like others when it runs again", async () => {
    await world.seed(berlin);
    const [leader, other] = [openTab(), openTab()];
    await world.waitUntil(() => leader.isLive() && other.isLive());
    leader.tab.freeze({ isTold: true });
    await world.waitUntil(() => isLeader(other));
    other.col.update("x", (draft) => void (draft.name = "Bonn"));
    await world.settled(other);
    leader.tab.thaw();
    await world.waitUntil(() => leader.col.get("x")?.name === "Bonn");
    expect([isLeader(leader), isLeader(other)]).toEqual([false, true]);
  });

  test("is replaced by a tab that is opened only then, and has never heard of it", async () => {
    const leader = openTab();
    await world.waitUntil(() => leader.isLive());
    leader.client.disconnect();
    leader.tab.freeze({ isTold: false });
    const other = openTab();
    await world.waitUntil(() => isLeader(other) && other.isLive());
  });

  test("begins nothing in the database once it is told: a transaction that is frozen would hold all tabs up", async () => {
    await world.seed(berlin);
    const [leader, other] = [openTab(), openTab()];
    await world.waitUntil(() => leader.isLive() && other.isLive());
    leader.tab.announceFreeze();
    const asked = leader.tab.asked.length;
    await world.waitUntil(() => isLeader(other));
    other.col.update("x", (draft) => void (draft.name = "Bonn"));
    await world.settled(other);
    expect(leader.tab.asked.slice(asked)).toEqual([]);
    leader.tab.freeze({ isTold: false });
    leader.tab.thaw();
    await world.waitUntil(() => leader.col.get("x")?.name === "Bonn");
  });

  test("without notice is replaced by force; it notices when it runs again, and nothing counts twice", async () => {
    await world.seed(berlin);
    const [leader, other] = [openTab(), openTab()];
    await world.waitUntil(() => leader.isLive() && other.isLive());
    leader.client.disconnect();
    leader.tab.freeze({ isTold: false });
    other.col.update("x", (draft) => draft.visits.increment());
    await world.waitUntil(() => isLeader(other) && other.status.pending === 0);
    leader.tab.thaw();
    leader.client.reconnect();
    leader.col.update("x", (draft) => draft.visits.increment());
    await world.waitUntil(() => leader.status.pending === 0 && leader.col.get("x")?.visits === 2);
    expect([isLeader(leader), isLeader(other)]).toEqual([false, true]);
    expect((await world.app.rows())[0]?.visits).toBe(2);
  });
});

describe("hundreds of scopes", () => {
  const names = Array.from({ length: 300 }, (_, n) => `s${n}`);

  test("are brought up to date a few at a time, and reopened for one question each", async () => {
    await world.seed(...names.slice(0, 20).map((country) => ({ id: `in ${country}`, name: "n", country })));
    const first = openTab(names);
    let most = 0;
    first.replica.status.subscribe(() => {
      const { scopes } = first.status;
      const reading = scopes.filter(({ state }) => state === "bootstrapping" || state === "catchingUp");
      most = Math.max(most, reading.length);
    });
    await world.waitUntil(() => first.isLive() && first.status.scopes.length === 300, 30_000);
    expect([most, first.col.size]).toEqual([limits.scopesReadAtOnce, 20]);
    await first.close();
    const { queries } = world.network.calls;
    const again = openTab(names);
    await world.waitUntil(() => again.isLive() && again.status.scopes.length === 300, 30_000);
    expect(world.network.calls.queries - queries).toBe(300);
  }, 60_000);

  test("those that hold what is on screen come first, whichever tab shows it", async () => {
    const few = names.slice(0, 40);
    await world.seed(...few.map((country) => ({ id: `in ${country}`, name: "n", country })));
    const first = openTab(few);
    await world.waitUntil(() => first.isLive() && first.status.scopes.length === 40);
    await first.close();
    const again = openTab([]);
    const other = openTab([]);
    await world.waitUntil(() => isLeader(again));
    await other.replica.ready;
    other.replica.prioritise(sites, ["in s39", "in s38"]);
    await new Promise((resolve) => setImmediate(resolve));
    const order: string[] = [];
    again.replica.status.subscribe(() => {
      for (const { scope, state } of again.status.scopes)
        if (state === "live" && !order.includes(scope)) order.push(scope);
    });
    again.replica.subscribe(sites, { scopes: few });
    await world.waitUntil(() => again.isLive() && again.status.scopes.length === 40);
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
    await world.seed(
      berlin,
      { id: "y", name: "Paris", country: "FR" },
      { id: "z", name: "Rome", country: "IT" },
    );
    const tab = openTab(["DE"]);
    const [france, italy] = ["FR", "IT"].map((scope) => tab.replica.subscribe(sites, { scopes: [scope] }));
    await world.waitUntil(() => tab.isLive() && tab.status.scopes.length === 3);
    france!.stop({ keepData: true });
    italy!.stop({ keepData: true });
    tab.client.disconnect();
    tab.col.update("z", (draft) => draft.visits.increment());
    await world.pass(firstLookMs + 1);
    expect(tab.col.size).toBe(3);
    let gone = 0;
    tab.col.subscribe(() => gone++);
    for (let day = 0; day < 31; day++) world.clock.advance(retention.keptMs / 30);
    await world.pass(lookMs + 1);
    expect([tab.col.has("x"), tab.col.has("y"), tab.col.has("z"), gone]).toEqual([true, false, true, 1]);
  });
});
