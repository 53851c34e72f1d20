import { v, type Value } from "convex/values";
import fc from "fast-check";
import { expect, test } from "vitest";
import { canonicalJson, isSameValue } from "../shared/canonicalJson.js";
import type { Operation, Primitive } from "../shared/operations.js";
import { defineCollection, field, recordDraft, type RowOf } from "./index.js";

const things = defineCollection("things", {
  fields: {
    a: v.optional(v.any()),
    list: v.array(v.any()),
    count: field.counter(),
    tags: field.set(v.union(v.string(), v.number(), v.boolean())),
  },
});
type Row = RowOf<typeof things>;

const primitive: fc.Arbitrary<Primitive> = fc.oneof(
  fc.constantFrom("x", "y", "1", 1, 0, -0, true),
  fc.string(),
  fc.double(),
);
const leaf: fc.Arbitrary<Value> = fc.oneof(
  primitive,
  fc.constant(null),
  fc.bigInt({ min: -9n, max: 9n }),
  fc.uint8Array({ maxLength: 3 }).map((bytes) => bytes.slice().buffer),
);
const value: fc.Arbitrary<Value> = fc.oneof(
  leaf,
  fc.array(leaf, { maxLength: 3 }),
  fc.dictionary(fc.constantFrom("p", "q"), leaf),
);
const row: fc.Arbitrary<Row> = fc.record(
  {
    id: fc.constant("x"),
    a: value,
    list: fc.array(value, { maxLength: 3 }),
    count: fc.integer({ min: -99, max: 99 }),
    tags: fc.uniqueArray(primitive, { selector: canonicalJson, maxLength: 5 }),
  },
  { requiredKeys: ["id", "list", "count", "tags"] },
);
const step = fc.oneof(
  fc.record({ do: fc.constant("assign" as const), value: fc.option(value, { nil: undefined }) }),
  fc.record({ do: fc.constantFrom("push" as const, "nest" as const), value }),
  fc.record({ do: fc.constantFrom("pop" as const, "clear" as const, "remove" as const) }),
  fc.record({ do: fc.constant("increment" as const), by: fc.integer({ min: -9, max: 9 }) }),
  fc.record({ do: fc.constantFrom("add" as const, "delete" as const), member: primitive }),
);

function applyTo(before: Row, operations: readonly Operation[]): Row {
  const after: Record<string, unknown> = { ...before };
  const tags = new Map(before.tags.map((tag) => [canonicalJson(tag), tag]));
  for (const operation of operations) {
    if (operation.type === "set") {
      if (operation.value === undefined) delete after[operation.field];
      else after[operation.field] = operation.value;
    }
    if (operation.type === "increment") after[operation.field] = before.count + operation.by;
    if (operation.type === "add") tags.set(canonicalJson(operation.member), operation.member);
    if (operation.type === "remove") tags.delete(canonicalJson(operation.member));
  }
  return { ...(after as Row), tags: [...tags.values()] };
}

/** Sets have no order: members by their canonical JSON. */
function textOf({ tags, ...rest }: Row): string {
  return canonicalJson({ ...rest, tags: tags.map((tag) => canonicalJson(tag)).sort() } as Value);
}

test("the recorded operations turn the row into the draft, and are no more than needed", () => {
  fc.assert(
    fc.property(row, fc.array(step, { maxLength: 12 }), (before, steps) => {
      const original = textOf(before);
      let drafted: Row | undefined;
      const operations = recordDraft(things, before, (draft) => {
        for (const each of steps) {
          if (each.do === "assign") draft.a = each.value;
          if (each.do === "remove") delete draft.a;
          if (each.do === "push") draft.list.push(each.value);
          if (each.do === "pop") draft.list.pop();
          if (each.do === "nest" && Array.isArray(draft.a)) draft.a[0] = each.value;
          if (each.do === "increment") draft.count.increment(each.by);
          if (each.do === "add") draft.tags.add(each.member);
          if (each.do === "delete") draft.tags.delete(each.member);
          if (each.do === "clear") draft.tags.clear();
        }
        const { id, list, a } = structuredClone({ id: draft.id, list: draft.list, a: draft.a as Value });
        const count = draft.count.value;
        drafted = { id, list, count, tags: [...draft.tags], ...(a === undefined ? {} : { a }) };
      });
      expect(textOf(before)).toBe(original);
      expect(textOf(applyTo(before, operations))).toBe(textOf(drafted as Row));
      for (const operation of operations) {
        const others = operations.filter((each) => each !== operation);
        expect(textOf(applyTo(before, others))).not.toBe(textOf(drafted as Row));
      }
      if (isSameValue(original, textOf(drafted as Row))) expect(operations).toEqual([]);
    }),
    { seed: 7, numRuns: 1000 },
  );
});
