import { defineSchema, defineTable, mutationGeneric, queryGeneric } from "convex/server";
import { v } from "convex/values";
import { describe, expect, test } from "vitest";
import type { StoredWrite } from "../mvcc/readSet.js";
import { messageOf, runtimeOf, startEngine, type App, type EngineUnderTest } from "./engineUnderTest.js";
import { tableNumberOf } from "./ids.js";

const functions = {
  add: mutationGeneric({
    args: { n: v.number() },
    handler: async (ctx, { n }) => {
      const last = await ctx.db.query("rows").order("desc").first();
      return ctx.db.insert("rows", { n, after: last === null ? -1 : (last["n"] as number) });
    },
  }),
  all: queryGeneric((ctx) => ctx.db.query("rows").collect()),
  by: queryGeneric({
    args: { index: v.string(), field: v.string(), least: v.number() },
    handler: async (ctx, { index, field, least }) => {
      const query = ctx.db
        .query("rows")
        .withIndex(index as "by_creation_time", (q) => q.gte(field as "_creationTime", least));
      return (await query.collect()).map((row) => row["n"] as number);
    },
  }),
  /** Asks an index again and again, and lets others run in between. */
  again: queryGeneric(async (ctx) => {
    for (let round = 0; round < 5; round++) await ctx.db.query("rows").withIndex("by_n").first();
  }),
  read: queryGeneric({ args: { id: v.string() }, handler: (ctx, { id }) => ctx.db.get(id as never) }),
};
const row = { n: v.number(), after: v.number() };
const plain = defineSchema({ rows: defineTable(row) });
const indexed = defineSchema({ rows: defineTable(row).index("by_n", ["n"]) });
const changed = defineSchema({
  other: defineTable({}),
  rows: defineTable(row).index("by_n", ["after", "n"]),
});
const gone = defineSchema({ other: defineTable({}) });
const app = (schema: unknown, components?: App["components"]): App => ({
  functions,
  schema,
  ...(components === undefined ? {} : { components }),
});

const fill = ({ value }: EngineUnderTest, count: number, from = 0) =>
  Promise.all(
    Array.from({ length: count }, (_, n) => value("mutation", "add", { n: from + n }).catch(() => null)),
  );
const by = ({ run }: EngineUnderTest, field: string, least = 0) =>
  run("query", "by", { index: "by_n", field, least });

describe("when code is put in the place of other code", () => {
  test("under load, indexes hold all there is at once, and nobody loses a write", async () => {
    const engine = await startEngine(app(plain), { readLatencyMs: [0, 20] });
    const writing = fill(engine, 40);
    await engine.activate(app(indexed));
    const more = fill(engine, 40, 100);
    const during = await by(engine, "n");
    await Promise.all([writing, more, engine.activate(app(changed)), engine.activate(app(indexed))]);
    const all = ((await engine.value("query", "all")) as { n: number }[]).map(({ n }) => n);
    const added = [...(await writing), ...(await more)].filter((id) => id !== null);
    expect(all).toHaveLength(added.length);
    expect((await engine.value("query", "by", { index: "by_n", field: "n", least: 0 })) as number[]).toEqual(
      all.sort((a, b) => a - b),
    );
    expect(messageOf(during)).toBeNull();
  });

  test("what runs still has the indexes that it began with, and who comes meanwhile waits", async () => {
    const engine = await startEngine(app(indexed), { readLatencyMs: [10, 20] });
    const running = Array.from({ length: 5 }, () => engine.run("query", "again"));
    const log: string[] = [];
    const activated = engine.activate(app(plain)).then(() => log.push("activated"));
    const later = engine.run("query", "again").then((result) => {
      log.push("later");
      return result;
    });
    expect((await Promise.all(running)).map(messageOf)).toEqual(Array(5).fill(null));
    await activated;
    expect(messageOf(await later)).toMatch(/Index rows\.by_n not found/);
  });

  test("it comes to that, however many keep coming", async () => {
    const engine = await startEngine(app(indexed), { readLatencyMs: [10, 20] });
    let isActivated = false;
    let rounds = 0;
    const client = async () => {
      while (!isActivated && rounds++ < 300) await engine.run("query", "all");
    };
    const clients = Array.from({ length: 5 }, client);
    await engine.run("query", "all");
    await engine.activate(app(plain));
    isActivated = true;
    await Promise.all(clients);
    expect(rounds).toBeLessThan(100);
  });

  test("an index that is not declared any more, or of a table that is not, is not there", async () => {
    const engine = await startEngine(app(indexed));
    await fill(engine, 3);
    expect(messageOf(await by(engine, "n"))).toBeNull();
    for (const [schema, field] of [
      [plain, "n"],
      [gone, "n"],
      [null, "n"],
    ] as const) {
      await engine.activate(app(indexed));
      expect(messageOf(await by(engine, "n"))).toBeNull();
      await engine.activate(app(schema));
      expect(messageOf(await by(engine, field))).toMatch(/Index rows\.by_n not found/);
      expect(await engine.value("query", "all")).toHaveLength(3);
    }
  });

  test("an index of other fields is another one", async () => {
    const engine = await startEngine(app(indexed));
    await fill(engine, 5);
    await engine.activate(app(changed));
    expect(await engine.value("query", "by", { index: "by_n", field: "after", least: 2 })).toHaveLength(
      ((await engine.value("query", "all")) as { after: number }[]).filter(({ after }) => after >= 2).length,
    );
    expect(messageOf(await by(engine, "n"))).toMatch(/index fields in order/);
  });

  test("a query that ran before still knows what touches it, though its index is gone", async () => {
    const engine = await startEngine(app(indexed));
    await fill(engine, 3);
    const { snapshot } = await by(engine, "n", 50);
    const writes: StoredWrite[] = [];
    engine.engine.onCommit((commit) => writes.push(...commit.writes));
    await engine.activate(app(gone));
    await fill(engine, 1, 10);
    await fill(engine, 1, 90);
    const ofRows = writes.filter(({ table }) => table === ":rows");
    expect(ofRows.map((write) => snapshot?.isTouchedBy(write))).toEqual([false, true]);
  });

  test("what cannot be read as code leaves all as it was", async () => {
    const engine = await startEngine(app(indexed));
    await fill(engine, 2);
    const broken = { schemaValidation: true, tables: { rows: { export: () => expect.unreachable() } } };
    await expect(engine.activate({ ...app(broken), functions: {} })).rejects.toThrow();
    expect(messageOf(await by(engine, "n"))).toBeNull();
    expect(await fill(engine, 1)).not.toContain(null);
  });
});

describe("the number of a table", () => {
  const ids = async ({ value }: EngineUnderTest) =>
    ((await value("query", "all")) as { _id: string }[]).map(({ _id }) => _id);

  test("stays, whatever the schema says, and so do its documents", async () => {
    const engine = await startEngine(app(plain));
    const before = await fill(engine, 2);
    for (const schema of [changed, gone, null, indexed]) await engine.activate(app(schema));
    await fill(engine, 1, 10);
    const after = await ids(engine);
    expect(after.slice(0, 2).sort()).toEqual([...before].sort());
    expect(new Set(after.map(tableNumberOf)).size).toBe(1);
    for (const id of after) expect(await engine.value("query", "read", { id })).toMatchObject({ _id: id });
  });

  test("of a component stays while the component is away, with its documents", async () => {
    const { makeFunctionReference } = await import("convex/server");
    const child = { schema: defineSchema({ first: defineTable({}), rows: defineTable(row) }), functions };
    const mounted = (name: string) => ({
      ...{ toString: () => name },
      [Symbol.for("toReferencePath")]: `_reference/childComponent/child/tests/${name}`,
    });
    void makeFunctionReference;
    const outer = {
      addInside: mutationGeneric((ctx) => ctx.runMutation(mounted("add") as never, { n: 1 } as never)),
      allInside: queryGeneric((ctx) => ctx.runQuery(mounted("all") as never, {} as never)),
    };
    const whole = { functions: outer, schema: null, components: { child } };
    const engine = await startEngine(whole);
    const id = (await engine.value("mutation", "addInside")) as string;
    await engine.activate({ functions: outer, schema: null });
    expect(messageOf(await engine.run("query", "allInside"))).toMatch(/child.*not found/i);
    const turned = defineSchema({ rows: defineTable(row), zero: defineTable({}), first: defineTable({}) });
    await engine.activate({ ...whole, components: { child: { ...child, schema: turned } } });
    const again = (await engine.value("mutation", "addInside")) as string;
    expect(((await engine.value("query", "allInside")) as { _id: string }[]).map(({ _id }) => _id)).toEqual([
      id,
      again,
    ]);
    expect(tableNumberOf(again)).toBe(tableNumberOf(id));
  });
});

test("a schema that forbids what is there is told before it is put in place, with the document", async () => {
  const { engine, ...rest } = await startEngine(app(plain));
  const [id] = await fill({ engine, ...rest }, 1);
  const strict = defineSchema({ rows: defineTable({ n: v.string(), after: v.number() }) });
  expect(engine.findSchemaProblem(runtimeOf(app(strict)))).toEqual({
    component: "",
    table: "rows",
    message: `Document with ID "${id as string}" in table "rows" does not match the schema: Value does not match validator.\nPath: .n\nValue: 0.0\nValidator: v.string()`,
  });
  expect(engine.findSchemaProblem(runtimeOf(app(indexed)))).toBeNull();
  const lax = defineSchema({ rows: defineTable({ n: v.string() }) }, { schemaValidation: false });
  expect(engine.findSchemaProblem(runtimeOf(app(lax)))).toBeNull();
  const wrong = defineSchema({ "no-name": defineTable({}) });
  expect(() => engine.findSchemaProblem(runtimeOf(app(wrong)))).toThrow(/Invalid table name: "no-name"/);
});
