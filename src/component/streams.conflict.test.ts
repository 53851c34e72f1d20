import { convexTest, type TestConvex } from "convex-test";
import { componentsGeneric, defineSchema, defineTable, mutationGeneric } from "convex/server";
import { v } from "convex/values";
import { beforeEach, expect, test } from "vitest";
import { authorUpdate, openDocument } from "../shared/document.js";
import { register } from "../test.js";
import { conflictsBetween, recordMutation } from "../testing/conflictAuditor.js";
import type { ComponentApi } from "./_generated/component.js";

const component = componentsGeneric()["replicate"] as unknown as ComponentApi;
const schema = defineSchema({ counters: defineTable({ n: v.number() }) });
let t: TestConvex<typeof schema>;

beforeEach(() => {
  t = convexTest(schema, { "./_generated/api.js": async () => ({ mutationGeneric }) });
  register(t as unknown as Parameters<typeof register>[0]);
});

function append(document: string, author: number) {
  const doc = openDocument([]);
  const { bytes } = authorUpdate(doc, author, [{ type: "insert", fields: { name: document } }])!;
  const delta = {
    collection: "sites",
    scope: "",
    document,
    bytes: bytes.buffer,
    client: "c",
    transactions: ["t"],
  };
  return recordMutation(() =>
    t.mutation((ctx) =>
      ctx.runMutation(component.append.append, { deltas: [{ ...delta, part: "", schemaVersion: 1 }] }),
    ),
  );
}

test("I-13: two appends never conflict, to different documents or to the same one", async () => {
  const [x, y, again] = [await append("x", 1), await append("y", 2), await append("x", 3)];
  expect(x.writes.length).toBeGreaterThan(0);
  expect(conflictsBetween(x, y)).toEqual([]);
  expect(conflictsBetween(x, again)).toEqual([]);
});

test("I-13: compaction never conflicts with an append to the document it compacts", async () => {
  await append("x", 1);
  const compaction = await recordMutation(() =>
    t.mutation((ctx) => ctx.runMutation(component.compact.compact, { collection: "sites", document: "x" })),
  );
  expect(compaction.writes.length).toBeGreaterThan(1);
  expect(conflictsBetween(compaction, await append("x", 2))).toEqual([]);
});

test("the auditor sees a read-max-then-insert counter conflict, which appends replace", async () => {
  const count = () =>
    recordMutation(() =>
      t.mutation(async (ctx) => {
        const last = await ctx.db.query("counters").order("desc").first();
        await ctx.db.insert("counters", { n: (last?.n ?? 0) + 1 });
      }),
    );
  await count();
  expect(conflictsBetween(await count(), await count())).not.toEqual([]);
});
