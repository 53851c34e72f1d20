import v8 from "node:v8";
import vm from "node:vm";
import { makeFunctionReference, mutationGeneric, queryGeneric } from "convex/server";
import { v } from "convex/values";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ManualClock } from "../crons/cronsUnderTest.js";
import type { Commit } from "../mvcc/versionedStore.js";
import { VersionedStore } from "../mvcc/versionedStore.js";
import { messageOf, startEngine } from "./engineUnderTest.js";

v8.setFlagsFromString("--expose-gc");
const collectGarbage = vm.runInNewContext("gc") as () => void;

/** Of the engine that began last. */
let store: VersionedStore;
beforeEach(() => {
  const { begin } = VersionedStore.prototype;
  vi.spyOn(VersionedStore.prototype, "begin").mockImplementation(function (this: VersionedStore) {
    // eslint-disable-next-line @typescript-eslint/no-this-alias -- an engine does not show its store
    store = this;
    return begin.call(this);
  });
});
afterEach(() => void vi.restoreAllMocks());

const documents = () =>
  [...store.tables.values()].reduce((sum, table) => sum + [...table.documents(store.lastTs)].length, 0);

const functions = {
  fill: mutationGeneric(async (ctx) => {
    for (let n = 0; n < 10; n++) await ctx.db.insert("rows", { n, at: n });
  }),
  change: mutationGeneric({
    args: { n: v.number() },
    handler: async (ctx, { n }) => {
      const rows = await ctx.db.query("rows").collect();
      const row = rows[n % rows.length]!;
      await ctx.db.patch(row._id, { n: (row["n"] as number) + 1 });
      if (n % 5 === 0) await ctx.db.delete(await ctx.db.insert("rows", { n, at: 0 }));
      if (n % 7 === 0) throw new Error("fails at the end");
    },
  }),
  touch: mutationGeneric({
    args: { at: v.number() },
    handler: async (ctx, { at }) => {
      const row = await ctx.db
        .query("rows")
        .filter((q) => q.eq(q.field("at"), at))
        .first();
      await ctx.db.patch(row!._id, { touched: true });
    },
  }),
  read: queryGeneric(async (ctx) => {
    let sum = 0;
    for await (const row of ctx.db.query("rows")) sum += row["n"] as number;
    return sum;
  }),
  never: queryGeneric(async (ctx) => {
    await ctx.db.query("rows").first();
    await new Promise(() => {});
  }),
  abandoning: mutationGeneric(async (ctx) => {
    const rows = ctx.db.query("rows")[Symbol.asyncIterator]();
    await rows.next();
    await rows.next();
    await ctx.db.query("others").first();
    await ctx.db.insert("log", {});
  }),
  abandoningWithin: mutationGeneric(async (ctx) => {
    await ctx.runQuery(makeFunctionReference<"query">("tests:two"));
    await ctx.db.query("others").first();
    await ctx.db.insert("log", {});
  }),
  two: queryGeneric(async (ctx) => {
    const rows = ctx.db.query("rows")[Symbol.asyncIterator]();
    await rows.next();
    await rows.next();
  }),
};

test("what nobody reads any more is forgotten: versions are as many as documents, commits are let go", async () => {
  const app = await startEngine({ functions }, { readLatencyMs: [0, 10] });
  let commits: WeakRef<Commit>[] = [];
  app.engine.onCommit((commit) => commits.push(new WeakRef(commit)));
  await app.value("mutation", "fill");
  await Promise.all(
    Array.from({ length: 60 }, (_, n) =>
      app.run(n % 3 === 0 ? "query" : "mutation", n % 3 === 0 ? "read" : "change", n % 3 === 0 ? {} : { n }),
    ),
  );
  await app.run("query", "never");
  expect(commits.length).toBeGreaterThan(10);
  expect(store.versions).toBe(documents());
  await new Promise((resolve) => setTimeout(resolve, 1));
  collectGarbage();
  commits = commits.filter((commit) => commit.deref() !== undefined);
  expect(commits.length).toBeLessThanOrEqual(1);
});

test("a query that is open holds what it may read, until it ends", async () => {
  const clock = new ManualClock();
  const app = await startEngine({ functions }, { clock });
  await app.value("mutation", "fill");
  const slow = await startEngine({ functions }, { clock, readLatencyMs: [5, 5] });
  const turns = async (count: number) => {
    for (let turn = 0; turn < count; turn++) {
      clock.set(clock.now() + 5);
      for (let loop = 0; loop < 5; loop++) await new Promise((resolve) => setImmediate(resolve));
    }
  };
  await slow.value("mutation", "fill");
  const reading = slow.value("query", "read");
  await turns(3);
  for (let n = 1; n < 5; n++) await slow.engine.importDocuments("rows", [{ n, at: n }]);
  const changes = Promise.all([1, 2, 3].map((n) => slow.run("mutation", "change", { n })));
  await turns(3);
  expect(store.versions).toBeGreaterThanOrEqual(documents());
  await turns(400);
  expect(await reading).toBe(45);
  await changes;
  expect(store.versions).toBe(documents());
});

test.each(["abandoning", "abandoningWithin"])(
  "%s an iteration midway depends on what it was handed, and on nothing behind",
  async (name) => {
    const conflicts = async (at: number) => {
      const app = await startEngine({ functions }, { readLatencyMs: [20, 20] });
      await app.value("mutation", "fill");
      const touching = app.run("mutation", "touch", { at });
      const [result] = await Promise.all([app.run("mutation", name), touching]);
      expect(messageOf(result) ?? messageOf(await touching)).toBeNull();
      return result.conflicts;
    };
    expect([await conflicts(0), await conflicts(1), await conflicts(2), await conflicts(9)]).toEqual([
      1, 1, 0, 0,
    ]);
  },
);
