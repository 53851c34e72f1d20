import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { limits } from "../shared/limits.js";
import { sites } from "../testing/fieldApp.js";
import { followAll } from "../testing/setUp/followAll.js";
import { PartsWorld, storedParts, usePart } from "../testing/setUp/partsWorld.js";
import type { Functions } from "../testing/simulatedNetwork.js";
import { TestProfile } from "../testing/testReplica.js";
import type { OpenTab } from "../testing/testWorld.js";

let world: PartsWorld;

afterEach(() => vi.useRealTimers());
beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["Date"] }); // the follower's pauses
  world = await PartsWorld.create();
});

describe("what is prefetched", () => {
  const prefetch = async (tab: OpenTab) => {
    const subscription = tab.replica.subscribe(sites, { scopes: ["DE"], parts: "prefetch" });
    await subscription.loaded;
    return subscription;
  };

  test("is on the device before anybody opens it, and can be opened offline", async () => {
    await world.type("x", "of x");
    await world.type("y", "of y");
    await followAll(world.app);
    const tab = world.open();
    await prefetch(tab);
    await world.waitUntil(() => storedParts(tab).length === 2);
    await tab.close();
    const again = world.open({ profile: tab.profile, isOnline: false });
    await again.replica.ready;
    await Promise.all([world.reads(usePart(again), "of x"), world.reads(usePart(again, "y"), "of y")]);
  });

  test("is asked for once, and again when something newer is told of", async () => {
    await world.type("x", "of x");
    await world.type("y", "of y");
    await followAll(world.app);
    const { calls, functions } = world.countPulls();
    const tab = world.open({ functions });
    await prefetch(tab);
    await world.waitUntil(() => storedParts(tab).length === 2);
    await world.quiet();
    expect(new Set(calls)).toEqual(new Set(["x", "y"]));
    await tab.close();
    calls.length = 0;
    const again = world.open({ profile: tab.profile, functions });
    await prefetch(again);
    await world.waitUntil(again.isLive);
    await world.quiet();
    expect(calls).toEqual([]);
    await world.type("x", ", more");
    vi.setSystemTime(Date.now() + limits.announceMs);
    await followAll(world.app);
    await world.network.refresh();
    await world.waitUntil(() => calls.length > 0);
    await world.quiet();
    expect(new Set(calls)).toEqual(new Set(["x"]));
  });

  test("is what is on the screen first, so many at a time", async () => {
    const ids = Array.from({ length: 12 }, (_, n) => `d${n}`);
    await world.typeMany(ids);
    const profile = new TestProfile();
    const first = await world.openReader({ profile });
    await first.close();
    const { calls, functions } = world.countPulls();
    const tab = world.open({ profile, functions, isOnline: false });
    tab.replica.prioritise(sites, ["d11", "d10"]);
    await world.waitUntil(() => tab.status.leader);
    await prefetch(tab);
    await world.quiet();
    tab.client.reconnect();
    const atOnce = [...calls];
    await world.waitUntil(() => storedParts(tab).length === 12);
    expect(atOnce).toEqual(["d11", "d10", "d0", "d1"]);
    expect(new Set(calls)).toEqual(new Set(ids));
  });

  describe("I-15, and the server cannot answer", () => {
    /** A device that reads in advance as many parts as `ids`, of which those in `broken` fail. */
    const openBroken = async (broken: Set<string>, ids: readonly string[]) => {
      await world.typeMany(ids);
      const { calls, functions } = world.countPulls();
      const query: Functions["query"] = (asked, args) => {
        const answer = functions.query(asked, args);
        const fails = "part" in args && broken.has(args["document"] as string);
        return fails ? answer.then(() => Promise.reject(new Error("broken"))) : answer;
      };
      const tab = world.open({ functions: { ...functions, query } });
      await prefetch(tab);
      return { tab, calls };
    };
    const ids = Array.from({ length: 40 }, (_, n) => `d${n}`);

    test("for one of them, that one delays no other", async () => {
      const { tab, calls } = await openBroken(new Set(["d0", "d1"]), ids);
      tab.replica.prioritise(sites, ["d0", "d1"]);
      await world.waitUntil(() => storedParts(tab).length === 38);
      const failed = calls.filter((id) => id === "d0" || id === "d1");
      expect(failed.length).toBeLessThanOrEqual(4);
    });

    test("for any, a few are asked for ever more seldom, and all once it can", async () => {
      const broken = new Set(ids);
      const { tab, calls } = await openBroken(broken, ids);
      await world.pass(10 * 60_000);
      expect(calls.length).toBeLessThanOrEqual(60); // 486, were each asked for again by itself
      broken.clear();
      await world.waitUntil(() => storedParts(tab).length === 40);
    });

    test("a part that somebody opens is asked for at once, whatever else has failed", async () => {
      const broken = new Set(ids);
      const { tab } = await openBroken(broken, ids);
      await world.pass(10 * 60_000);
      broken.delete("d39");
      await world.reads(usePart(tab, "d39"), "d39");
    });
  });

  test("is given up when the subscription ends, and goes with the scope's data", async () => {
    await world.type("x", "of x");
    await followAll(world.app);
    const tab = world.open();
    const subscription = await prefetch(tab);
    await world.waitUntil(() => storedParts(tab).length === 1);
    subscription.stop();
    await world.waitUntil(() => storedParts(tab).length === 0);
  });
});
