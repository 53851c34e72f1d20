import { expect } from "vitest";
import { sources } from "./sources.js";
import { conformance, type DeployedApp } from "./suite.js";

interface Stamped {
  readonly label: string;
  readonly ts: bigint;
}

const stamp = (app: DeployedApp, ...labels: string[]) => app.mutation<bigint>("stamping:stamp", { labels });
const inOrder = (app: DeployedApp) => app.query<Stamped[]>("stamping:inOrder");

conformance("commitTs", (check) => {
  const stamps = (says: string) => ({ source: sources.commitTimestamp, says });

  check(
    "is a bigint, the same in the rows and in what the mutation returns",
    stamps("inserted at commit time into documents or the return value; Int64 after commit"),
    async (app) => {
      const ts = await stamp(app, "one", "two");
      expect(ts).toEqual(expect.any(BigInt));
      expect(await inOrder(app)).toEqual([
        { label: "one", ts },
        { label: "two", ts },
      ]);
    },
  );

  check(
    "is unique and strictly increasing, in the order of commits",
    stamps("the timestamp is strictly increasing and reflects commit order"),
    async (app) => {
      const given: bigint[] = [];
      for (let at = 0; at < 20; at += 1) given.push(await stamp(app, `${at}`));
      for (let at = 1; at < given.length; at += 1) expect(given[at]!).toBeGreaterThan(given[at - 1]!);
      expect((await inOrder(app)).map(({ label }) => label)).toEqual(given.map((_, at) => `${at}`));
    },
  );

  check(
    "is in nanoseconds of the time of the commit",
    stamps("the time (in nanoseconds) when a mutation commits"),
    async (app) => {
      const ms = Number((await stamp(app, "one")) / 1_000_000n);
      expect(Math.abs(ms - Date.now())).toBeLessThan(60_000);
    },
  );

  check(
    "is one for all rows of a mutation, those of nested mutations and of components included",
    stamps("shared for inserts within a transaction; passed into or returned from a nested function"),
    async (app) => {
      await app.mutation("stamping:stampEverywhere");
      const found = await app.query<bigint[]>("stamping:everyStamp");
      expect(found).toHaveLength(4);
      expect(new Set(found).size).toBe(1);
      expect(found[0]).toEqual(expect.any(BigInt));
    },
  );

  check(
    "sorts after all that is committed within its own mutation, and eq finds exactly the own rows",
    stamps("query for documents inserted in the current transaction using a commit timestamp index"),
    async (app) => {
      await stamp(app, "committed");
      expect(await app.mutation("stamping:lookAtOwn")).toEqual({
        order: ["committed", "own", "own too"],
        equal: ["own", "own too"],
        known: ["committed"],
        isPlaceholder: true,
        isSame: true,
      });
      expect((await inOrder(app)).map(({ label }) => label)).toEqual(["committed", "own", "own too"]);
    },
  );

  check(
    "cannot be computed with before the commit",
    stamps("not observable within the mutation"),
    async (app) => {
      const { reason } = await app.refusal("mutation", "stamping:compute");
      expect(reason).toMatch(/commit timestamp/i);
    },
  );

  check(
    "is resolved within arrays and objects, of documents and of what is returned",
    stamps("it can be used in indexes, nested objects, arrays and unions"),
    async (app) => {
      const returned = await app.mutation<{ list: bigint[]; plain: number }>("stamping:inDeepPlaces");
      const ts = returned.list[0]!;
      expect(returned).toEqual({ list: [expect.any(BigInt)], plain: 1 });
      expect(await app.query("documents:list", { table: "rows" })).toMatchObject([
        { a: [ts, { ts }], inner: { x: ts } },
      ]);
      const what = { index: "by_inner_x", bounds: [["eq", "inner.x", ts]] };
      expect(await app.query("reading:labels", { what })).toEqual(["deep"]);
    },
  );

  check("moves a row to the end when it is stamped anew", stamps("an `updatedAt` field"), async (app) => {
    await stamp(app, "one");
    await stamp(app, "two");
    await app.mutation("stamping:restamp", { label: "one" });
    expect((await inOrder(app)).map(({ label }) => label)).toEqual(["two", "one"]);
  });

  check(
    "is refused in the arguments of a scheduled function",
    stamps("it is not possible to schedule a function with the commit timestamp as an argument"),
    async (app) => {
      await app.refusal("mutation", "stamping:schedule");
      await app.settle();
      expect(await app.query("documents:list", { table: "journal" })).toEqual([]);
      expect(await inOrder(app)).toEqual([]);
    },
  );

  check(
    "may pass through a query that the mutation calls",
    stamps("the placeholder can be passed into or returned from a nested function"),
    async (app) => {
      expect(await app.mutation("stamping:throughQuery")).toEqual(expect.any(BigInt));
      const own = await app.mutation("stamping:queryOwn");
      expect((await inOrder(app))[0]?.ts).toBe(own);
    },
  );

  check(
    "cannot be handed in by a client, unless it is known",
    stamps("v.commitTs() accepts resolved Int64 values"),
    async (app) => {
      expect(await app.query("stamping:echo", { ts: 5n })).toBe(5n);
      await app.refusal("query", "stamping:echo", { ts: 5 });
    },
  );

  check(
    "a snapshot is not older than what is committed, and does not know what is not",
    stamps("all commit timestamps at or before it are observable, and no later commits are"),
    async (app) => {
      const before = await stamp(app, "one");
      const snapshot = await app.query<bigint>("stamping:snapshot");
      expect(snapshot).toBeGreaterThanOrEqual(before);
      expect(await stamp(app, "two")).toBeGreaterThan(snapshot);
    },
  );

  check(
    "a snapshot stays the same in a transaction and those it calls, before its own commit",
    stamps("fixed for the lifetime of the transaction and shared with nested calls"),
    async (app) => {
      const before = await stamp(app, "one");
      const seen =
        await app.mutation<Record<"first" | "nested" | "last" | "ts", bigint>>("stamping:snapshots");
      expect(seen.first).toBeGreaterThanOrEqual(before);
      expect([seen.nested, seen.last]).toEqual([seen.first, seen.first]);
      expect(seen.ts).toBeGreaterThan(seen.first);
    },
  );
});
