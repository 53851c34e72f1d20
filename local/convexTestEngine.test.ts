import { convexTest } from "convex-test";
import {
  defineSchema,
  defineTable,
  makeFunctionReference,
  mutationGeneric,
  type GenericMutationCtx,
  type DataModelFromSchemaDefinition,
} from "convex/server";
import { jsonToConvex, v, type GenericId, type JSONValue } from "convex/values";
import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { ConvexTestEngine } from "./convexTestEngine.js";
import type { Commit } from "./engine.js";

type Step =
  | { readonly do: "insert"; readonly a: number; readonly b: number }
  | { readonly do: "patch" | "delete"; readonly nth: number; readonly b: number }
  | {
      readonly do: "find";
      readonly a: number;
      readonly least: number;
      readonly order: "asc" | "desc";
      readonly most: number;
    }
  | { readonly do: "scan"; readonly order: "asc" | "desc"; readonly most: number };

const schema = defineSchema({
  rows: defineTable({ a: v.number(), b: v.number() }).index("by_a_b", ["a", "b"]),
});

/** Does steps, and tells what it found at each. */
const apply = mutationGeneric({
  args: { steps: v.any() },
  handler: async (ctx, { steps }) => {
    const found: unknown[] = [];
    for (const step of steps as Step[]) found.push(await take(ctx, step));
    return found;
  },
});

async function take(
  { db }: GenericMutationCtx<DataModelFromSchemaDefinition<typeof schema>>,
  step: Step,
): Promise<unknown> {
  const shown = (rows: { _id: GenericId<"rows"> }[]) =>
    rows.map(({ _id, ...row }) => [_id, { ...row, _creationTime: 0 }]);
  switch (step.do) {
    case "insert":
      return await db.insert("rows", { a: step.a, b: step.b });
    case "find":
      return shown(
        await db
          .query("rows")
          .withIndex("by_a_b", (q) => q.eq("a", step.a).gte("b", step.least))
          .order(step.order)
          .take(step.most),
      );
    case "scan":
      return shown(await db.query("rows").order(step.order).take(step.most));
    default: {
      const row = (await db.query("rows").take(100))[step.nth];
      if (row === undefined) return null;
      if (step.do === "patch") await db.patch(row._id, { b: step.b });
      else await db.delete(row._id);
      return row._id;
    }
  }
}

const small = fc.nat(3);
const order = fc.constantFrom("asc" as const, "desc" as const);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant("insert" as const), a: small, b: small }),
  fc.record({ do: fc.constantFrom("patch" as const, "delete" as const), nth: fc.nat(8), b: small }),
  fc.record({ do: fc.constant("find" as const), a: small, least: small, order, most: small }),
  fc.record({ do: fc.constant("scan" as const), order, most: small }),
);

const engines: ConvexTestEngine[] = [];
afterEach(() => engines.splice(0).forEach((engine) => engine.close()));

async function startEngine(): Promise<ConvexTestEngine> {
  const engine = new ConvexTestEngine();
  engines.push(engine);
  await engine.activate({ root: { schema, modules: { rows: { apply } } }, components: [] });
  return engine;
}

const applied = (engine: ConvexTestEngine, steps: readonly Step[]) =>
  engine.run({
    kind: "mutation",
    path: "rows:apply",
    args: { steps } as unknown as JSONValue,
    identity: null,
  });

test("with its indexes it answers as convex-test does without, also about what is not committed yet", async () => {
  const transactions = fc.array(fc.array(step, { maxLength: 12 }), { maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(transactions, async (all) => {
      const engine = await startEngine();
      const modules = { "./_generated/api.js": async () => ({}), "./rows.ts": async () => ({ apply }) };
      const plain = convexTest(schema, modules);
      for (const steps of all) {
        const result = await applied(engine, steps);
        const expected: unknown = await plain.mutation(makeFunctionReference<"mutation">("rows:apply"), {
          steps,
        });
        expect(result.ok && jsonToConvex(result.value)).toEqual(expected);
      }
    }),
    { seed: 1, numRuns: 100 },
  );
});

test("a commit tells each document as it was and as it is, and comes once it is over", async () => {
  const engine = await startEngine();
  const commits: Commit[] = [];
  engine.onCommit((commit) => commits.push(commit));
  await applied(engine, [{ do: "insert", a: 1, b: 1 }]);
  const changed = await applied(engine, [
    { do: "patch", nth: 0, b: 2 },
    { do: "insert", a: 2, b: 2 },
  ]);
  await applied(engine, [{ do: "delete", nth: 0, b: 0 }]);
  expect(
    commits.map(({ writes }) => writes.map(({ before, after }) => [before?.["b"], after?.["b"]])),
  ).toEqual([
    [[undefined, 1]],
    [
      [1, 2],
      [undefined, 2],
    ],
    [[2, undefined]],
  ]);
  expect(changed).toMatchObject({ ok: true, ts: commits[1]?.ts });
  expect(commits.map(({ ts }) => ts)).toEqual(commits.map(({ ts }) => ts).sort((a, b) => (a < b ? -1 : 1)));
});
