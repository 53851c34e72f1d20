// Compiled by tsc, never run: each @ts-expect-error is a test.
import { v, type GenericId, type Infer } from "convex/values";
import {
  defineCollection,
  field,
  recordDraft,
  type AnyCollection,
  type DraftOf,
  type InsertOf,
  type PatchOf,
  type RowOf,
  type ScopedOf,
} from "./index.js";

const sites = defineCollection("sites", {
  fields: {
    name: v.string(),
    country: v.string(),
    status: v.union(v.literal("open"), v.literal("surveyed")),
    population: v.number(),
    assignee: v.string().optional(),
    deletedAt: v.nullable(v.number()),
    address: v.object({ city: v.string(), zip: v.optional(v.string()) }),
    visits: field.counter(),
    tags: field.set(v.string()),
  },
  defaults: { status: "open", deletedAt: null },
  scope: (row) => row.country,
  schemaVersion: 2,
  migrate: { 2: (old) => ({ population: old.population ?? old.people ?? 0, assignee: undefined }) },
});
export const settings = defineCollection("settings", { fields: { theme: v.string() } });
const shapes = defineCollection("shapes", {
  fields: {
    shape: v.union(
      v.object({ kind: v.literal("circle"), r: v.number() }),
      v.object({ kind: v.literal("rect"), w: v.number(), h: v.optional(v.number()) }),
    ),
    list: v.array(v.object({ n: v.number() })),
    rec: v.record(v.string(), v.number()),
    owner: v.id("users"),
    big: v.int64(),
    blob: v.bytes().optional(),
    any: v.any(),
    levels: field.set(v.union(v.literal(1), v.literal(2))),
    hits: field.counter(),
  },
});

// Definitions
// @ts-expect-error reserved name
defineCollection("a", { fields: { id: v.string() } });
// @ts-expect-error reserved name
defineCollection("a", { fields: { _x: v.string() } });
// @ts-expect-error reserved name
defineCollection("a", { fields: { $x: v.string() } });
// @ts-expect-error counters cannot make the scope
defineCollection("a", { fields: { n: field.counter(), s: v.string() }, scope: (row) => row.n });
// @ts-expect-error an optional scope must be answered
defineCollection("a", { fields: { s: v.string().optional() }, scope: (row) => row.s });
// @ts-expect-error wrong default
defineCollection("a", { fields: { s: v.union(v.literal("x"), v.literal("y")) }, defaults: { s: "z" } });
// @ts-expect-error default of a counter
defineCollection("a", { fields: { s: v.string(), n: field.counter() }, defaults: { n: 3 } });
// @ts-expect-error a migration may not touch a counter
defineCollection("a", { fields: { s: v.string(), n: field.counter() }, migrate: { 2: () => ({ n: 3 }) } });
// @ts-expect-error set members are primitive
field.set(v.object({ a: v.string() }));
// @ts-expect-error set members are never absent
field.set(v.string().optional());

// Scopes
true satisfies ScopedOf<typeof sites>;
false satisfies ScopedOf<typeof settings>;
// @ts-expect-error sites have scopes
false satisfies ScopedOf<typeof sites>;
// @ts-expect-error settings have none
true satisfies ScopedOf<typeof settings>;

// Rows
declare const site: RowOf<typeof sites>;
site.id satisfies string;
site.visits satisfies number;
site.tags satisfies string[];
site.assignee satisfies string | undefined;
site satisfies Infer<typeof sites.row>;
declare const shape: RowOf<typeof shapes>;
if (shape.shape.kind === "rect") shape.shape.h satisfies number | undefined;
shape.levels satisfies (1 | 2)[];
shape.owner satisfies GenericId<"users">;

// Drafts
recordDraft(sites, site, (draft) => {
  draft.status = "surveyed";
  draft.assignee = "me";
  draft.assignee = undefined;
  delete draft.assignee;
  draft.address.city = "Lyon";
  draft.deletedAt = null;
  draft.visits.increment();
  draft.visits.decrement(2);
  draft.tags.add("urgent");
  [...draft.tags] satisfies string[];
  // @ts-expect-error a counter is not assigned
  draft.visits = 3;
  // @ts-expect-error members are strings
  draft.tags.add(3);
  // @ts-expect-error no such status
  draft.status = "gone";
  // @ts-expect-error required
  delete draft.name;
  // @ts-expect-error the id stays
  draft.id = "y";
  // @ts-expect-error unknown field
  draft.nope = 1;
});
recordDraft(shapes, shape, (draft) => {
  if (draft.shape.kind === "rect") draft.shape.w = 2;
  draft.shape = { kind: "circle", r: 1 };
  draft.list.push({ n: 1 });
  draft.rec["a"] = 1;
  draft.big += 1n;
  draft.blob = new ArrayBuffer(1);
  draft.levels.add(2);
  // @ts-expect-error no such member
  draft.levels.add(3);
  // @ts-expect-error incomplete
  draft.shape = { kind: "circle" };
});

// Inserts and patches
const site1 = { id: "a", name: "n", country: "FR", population: 1, address: { city: "L" } };
site1 satisfies InsertOf<typeof sites>;
({ ...site1, status: "surveyed", visits: 3, tags: new Set(["a"]) }) satisfies InsertOf<typeof sites>;
// @ts-expect-error unknown field
({ ...site1, nope: 1 }) satisfies InsertOf<typeof sites>;
// @ts-expect-error the name is missing
({ id: "a", country: "FR", population: 1, address: { city: "L" } }) satisfies InsertOf<typeof sites>;
(({}) as InsertOf<typeof sites>).status satisfies "open" | "surveyed" | undefined;
({ name: "n", assignee: undefined }) satisfies PatchOf<typeof sites>;
// @ts-expect-error required fields are not removed
({ name: undefined }) satisfies PatchOf<typeof sites>;

// Generic code
export function generic<C extends AnyCollection>(definition: C, row: RowOf<C>): [RowOf<C>, string] {
  return [row, definition.name];
}
generic(shapes, shape)[0].big satisfies bigint;
generic(sites, site);
export type Drafts = [DraftOf<typeof shapes>, DraftOf<AnyCollection>];
