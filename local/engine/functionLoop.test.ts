import { AsyncLocalStorage } from "node:async_hooks";
import { makeFunctionReference, mutationGeneric, queryGeneric } from "convex/server";
import { ConvexError, v, type Value } from "convex/values";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { messageOf, startEngine, type EngineUnderTest } from "./engineUnderTest.js";

// Functions that do what functions should not: how they end is Convex's (crates/isolate/src/environment/udf/mod.rs).

const mutationOf = (name: string) => makeFunctionReference<"mutation">(`tests:${name}`);
const queryOf = (name: string) => makeFunctionReference<"query">(`tests:${name}`);
/** Runs on after its function has ended, with what is left of it. */
let later: () => unknown = () => {};

const throwing = (value: unknown) =>
  queryGeneric(async () => {
    await Promise.resolve();
    throw value;
  });

const functions = {
  fill: mutationGeneric({
    args: { table: v.string(), count: v.number() },
    handler: async (ctx, { table, count }) => {
      for (let n = 0; n < count; n++) await ctx.db.insert(table, { n });
    },
  }),
  count: queryGeneric({
    args: { table: v.string() },
    handler: async (ctx, { table }) => (await ctx.db.query(table).collect()).length,
  }),
  unawaited: mutationGeneric(async (ctx) => {
    const chain = async () => {
      const id = await ctx.db.insert("rows", { n: 1 });
      await ctx.db.patch(id, { n: 2 });
      await ctx.db.insert("rows", { n: 3 });
    };
    void chain();
    return "early";
  }),
  unawaitedFailure: mutationGeneric(async (ctx) => {
    await ctx.db.insert("rows", { n: 1 });
    void ctx.db.patch("none" as never, { n: 2 });
  }),
  rejecting: mutationGeneric(async (ctx) => {
    await ctx.db.insert("rows", { n: 1 });
    void Promise.reject(new Error("nobody listens"));
  }),
  rejectingWithin: mutationGeneric(async (ctx) => {
    try {
      await ctx.runMutation(mutationOf("rejecting"));
    } catch (error) {
      return (error as Error).message;
    }
    return null;
  }),
  caughtLate: queryGeneric(async (ctx) => {
    const failing = ctx.db.get("none" as never).then(
      () => null,
      () => "caught",
    );
    await ctx.db.query("rows").first();
    return failing;
  }),
  never: queryGeneric(() => new Promise(() => {})),
  neverWithin: queryGeneric(async (ctx) => {
    await ctx.runQuery(queryOf("never")).catch(() => null);
    return "went on";
  }),
  late: mutationGeneric(async (ctx) => {
    const asItself = AsyncLocalStorage.snapshot();
    later = () => asItself(() => ctx.db.insert("rows", { n: 1 }));
  }),
  race: mutationGeneric(async (ctx) => {
    const write = (n: number) => ctx.db.insert("rows", { n });
    return Promise.race([ctx.db.query("rows").first(), write(1), write(2), write(3)]);
  }),
  failFast: mutationGeneric(async (ctx) => {
    await Promise.all([ctx.db.insert("rows", { n: 1 }), Promise.reject(new Error("at once"))]);
  }),
  closedEarly: queryGeneric(async (ctx) => {
    const first = ctx.db.query("rows")[Symbol.asyncIterator]();
    const read = first.next().catch(() => null);
    await first.return?.();
    const others = await ctx.db.query("others").collect();
    await read;
    return others.length;
  }),
  interleaved: queryGeneric(async (ctx) => {
    const [a, b] = [ctx.db.query("rows"), ctx.db.query("rows").order("desc")].map((query) =>
      query[Symbol.asyncIterator](),
    );
    const seen: unknown[] = [];
    for (let place = 0; place < 2; place++) seen.push((await a!.next()).value.n, (await b!.next()).value.n);
    await a!.return?.();
    seen.push((await b!.next()).value.n);
    return seen as Value;
  }),
  many: queryGeneric({
    args: { ids: v.array(v.string()) },
    handler: async (ctx, { ids }) => {
      const rows = await Promise.all(ids.map((id) => ctx.db.get(id as never)));
      return rows.map((row) => (row as unknown as { n: number }).n);
    },
  }),
  ids: queryGeneric(async (ctx) => (await ctx.db.query("rows").collect()).map(({ _id }) => _id as string)),
  deep: mutationGeneric({
    args: { levels: v.number() },
    handler: async (ctx, { levels }): Promise<number> => {
      await ctx.db.insert("rows", { n: levels });
      return levels === 0 ? 0 : 1 + (await ctx.runMutation(mutationOf("deep"), { levels: levels - 1 }));
    },
  }),
  echo: queryGeneric({ args: { value: v.any() }, handler: (_ctx, { value }) => value }),
  throwsUndefined: throwing(undefined),
  throwsNull: throwing(null),
  throwsText: throwing("boom"),
  throwsNumber: throwing(5),
  throwsSymbol: throwing(Symbol("odd")),
  throwsFrozen: throwing(Object.freeze({ code: 1 })),
  throwsBare: throwing(Object.create(null)),
  throwsRange: throwing(new RangeError("too far")),
  throwsHostile: throwing({
    get message() {
      throw new Error("no");
    },
  }),
  throwsNothingCoded: throwing(new ConvexError(undefined as never)),
  throwsCoded: throwing(new ConvexError({ code: 7n })),
  throwsFunction: throwing(() => 1),
};

const listeners = process.listeners("unhandledRejection");
beforeAll(() => listeners.forEach((each) => process.off("unhandledRejection", each)));
afterAll(() => listeners.forEach((each) => process.on("unhandledRejection", each)));

const start = () => startEngine({ functions });
const rows = ({ value }: EngineUnderTest) => value("query", "count", { table: "rows" });

describe("what a function does not await", () => {
  test("is done before it commits, with all that follows from it", async () => {
    const app = await start();
    expect(await app.value("mutation", "unawaited")).toBe("early");
    expect(await rows(app)).toBe(2);
  });

  test("fails it if it fails, and then nothing is written", async () => {
    const app = await start();
    expect(messageOf(await app.run("mutation", "unawaitedFailure"))).toMatch(/Unable to decode ID: none/);
    expect(messageOf(await app.run("mutation", "rejecting"))).toMatch(/nobody listens/);
    expect(await rows(app)).toBe(0);
  });

  test("fails the nested function whose it is, not the one that called it", async () => {
    const app = await start();
    expect(await app.value("mutation", "rejectingWithin")).toMatch(/nobody listens/);
    expect(await rows(app)).toBe(0);
  });

  test("and catches may be caught", async () => {
    expect(await (await start()).value("query", "caughtLate")).toBe("caught");
  });

  test("goes on when a race is decided", async () => {
    const app = await start();
    expect(await app.value("mutation", "race")).toBeNull();
    expect(await rows(app)).toBe(3);
  });

  test("is not waited for when it has failed", async () => {
    const app = await start();
    expect(messageOf(await app.run("mutation", "failFast"))).toBe("Uncaught Error: at once");
    expect(await rows(app)).toBe(0);
  });
});

test("a function that waits for what nobody does fails, and who called it goes on", async () => {
  const app = await start();
  expect(messageOf(await app.run("query", "never"))).toMatch(/Returned promise will never resolve/);
  expect(await app.value("query", "neverWithin")).toBe("went on");
});

test("a function that has ended reaches its database no more", async () => {
  const app = await start();
  await app.run("mutation", "late");
  await expect((async () => later())()).rejects.toThrow(/tests:late has ended/);
  expect(await rows(app)).toBe(0);
});

describe("queries that are read step by step", () => {
  test("end where they are closed: what was asked for before gets nothing of the next query", async () => {
    const app = await start();
    await app.run("mutation", "fill", { table: "rows", count: 3 });
    await app.run("mutation", "fill", { table: "others", count: 3 });
    expect(await app.value("query", "closedEarly")).toBe(3);
  });

  test("do not disturb each other", async () => {
    const app = await start();
    await app.run("mutation", "fill", { table: "rows", count: 5 });
    expect(await app.value("query", "interleaved")).toEqual([0, 4, 1, 3, 2]);
  });
});

test("thousands of reads at once are answered, each with its own", async () => {
  const app = await start();
  await app.run("mutation", "fill", { table: "rows", count: 3_000 });
  const ids = (await app.value("query", "ids")) as string[];
  expect(await app.value("query", "many", { ids })).toEqual(Array.from({ length: 3_000 }, (_, n) => n));
});

test("calls nest eight deep below the first function", async () => {
  const app = await start();
  expect(await app.value("mutation", "deep", { levels: 8 })).toBe(8);
  expect(messageOf(await app.run("mutation", "deep", { levels: 9 }))).toMatch(
    /Cross component call depth limit exceeded/,
  );
  expect(await rows(app)).toBe(9);
});

describe("whatever is thrown is told", () => {
  test.each([
    ["throwsUndefined", "Uncaught undefined"],
    ["throwsNull", "Uncaught null"],
    ["throwsText", "Uncaught boom"],
    ["throwsNumber", "Uncaught 5"],
    ["throwsSymbol", "Uncaught Symbol(odd)"],
    ["throwsFrozen", "Uncaught { code: 1 }"],
    ["throwsBare", "Uncaught [Object: null prototype] {}"],
    ["throwsRange", "Uncaught RangeError: too far"],
    ["throwsHostile", "Uncaught error that does not let itself be described"],
    ["throwsFunction", "Uncaught [Function (anonymous)]"],
  ])("%s", async (name, message) => {
    expect(await (await start()).run("query", name)).toMatchObject({ ok: false, message, data: undefined });
  });

  test("the data of a ConvexError, also if it has none", async () => {
    const app = await start();
    expect(await app.run("query", "throwsCoded")).toMatchObject({
      message: expect.stringMatching(/^Uncaught ConvexError: /),
      data: { code: { $integer: "BwAAAAAAAAA=" } },
    });
    expect(await app.run("query", "throwsNothingCoded")).toMatchObject({ ok: false, data: null });
  });
});
