import {
  mutationGeneric as mutation,
  queryGeneric as query,
  type GenericDatabaseReader,
  type GenericDataModel,
  type GenericDocument,
} from "convex/server";
import { v, type Value } from "convex/values";

/** `["gt", "a", 1]`; without a value: undefined, which arguments cannot carry. */
export type Bound = readonly [op: "eq" | "gt" | "gte" | "lt" | "lte", field: string, value?: Value];

/** `["gt", ["field", "a"], 1]`; `["undefined"]`; a value that is no array stands for itself. */
export type Expression = Value;

type RangeBuilder = { [op in Bound[0]]: (field: string, value: unknown) => RangeBuilder };
type FilterBuilder = Record<string, (...operands: unknown[]) => unknown>;

export interface Asked {
  readonly table?: string;
  readonly index?: string;
  readonly bounds?: readonly Bound[];
  readonly order?: "asc" | "desc";
  readonly filter?: Expression;
}

export const asked = v.object({
  table: v.optional(v.string()),
  index: v.optional(v.string()),
  bounds: v.optional(v.any()),
  order: v.optional(v.any()),
  filter: v.optional(v.any()),
});

/** A query of the database from its description, so that one function serves many cases. */
export function ask(db: GenericDatabaseReader<GenericDataModel>, what: Asked) {
  const { table = "rows", index, bounds = [], order, filter } = what;
  const all = db.query(table);
  const ranged =
    index === undefined
      ? all
      : all.withIndex(index, (q) => {
          const start = q as unknown as RangeBuilder;
          return bounds.reduce((range, [op, field, value]) => range[op](field, value), start) as never;
        });
  const ordered = order === undefined ? ranged : ranged.order(order);
  if (filter === undefined) return ordered;
  return ordered.filter((q) => expression(q as unknown as FilterBuilder, filter) as never);
}

function expression(q: FilterBuilder, value: Expression): unknown {
  if (!Array.isArray(value)) return value;
  const [op, ...operands] = value as [string, ...Value[]];
  if (op === "undefined") return undefined;
  return q[op]!(...(op === "field" ? operands : operands.map((operand) => expression(q, operand))));
}

export const labelsOf = (rows: readonly GenericDocument[]) => rows.map((row) => row["label"] as string);

export const labels = query({
  args: { what: asked },
  handler: async (ctx, { what }) => labelsOf(await ask(ctx.db, what as Asked).collect()),
});

export const take = query({
  args: { what: asked, n: v.number() },
  handler: async (ctx, { what, n }) => labelsOf(await ask(ctx.db, what as Asked).take(n)),
});

export const first = query({
  args: { what: asked },
  handler: (ctx, { what }) => ask(ctx.db, what as Asked).first(),
});

export const unique = query({
  args: { what: asked },
  handler: (ctx, { what }) => ask(ctx.db, what as Asked).unique(),
});

/** Iterates until it has met the label; then starts again, to see that nothing is left open. */
export const until = query({
  args: { what: asked, label: v.string() },
  handler: async (ctx, { what, label }) => {
    const met: string[] = [];
    for await (const row of ask(ctx.db, what as Asked)) {
      met.push(row["label"] as string);
      if (row["label"] === label) break;
    }
    return { met, again: labelsOf(await ask(ctx.db, what as Asked).collect()) };
  },
});

export const iterateTwice = query({
  args: {},
  handler: async (ctx) => {
    const rows = ctx.db.query("rows").order("asc");
    await rows.collect();
    await rows.collect();
  },
});

/** What a mutation finds of its own: a row inserted, one moved within the index, one deleted. */
export const labelsAfterWrites = mutation({
  args: { what: asked },
  handler: async (ctx, { what }) => {
    const [one, two] = await ctx.db.query("rows").take(2);
    await ctx.db.insert("rows", { label: "new", a: 5 });
    await ctx.db.patch(one!._id, { a: 9 });
    await ctx.db.delete(two!._id);
    return labelsOf(await ask(ctx.db, what as Asked).collect());
  },
});

/** Writes while it iterates. */
export const writeWhileIterating = mutation({
  args: {},
  handler: async (ctx) => {
    let met = 0;
    for await (const row of ctx.db.query("rows").withIndex("by_a")) {
      met += 1;
      await ctx.db.delete(row._id);
      if (met > 100) break;
    }
    return { met, left: (await ctx.db.query("rows").collect()).length };
  },
});

/** Not in the documentation, but in the package. */
export const count = query({
  args: {},
  handler: (ctx) => (ctx.db.query("rows") as unknown as { count(): Promise<number> }).count(),
});

export const countInMutation = mutation({
  args: {},
  handler: async (ctx) => {
    const count = () => (ctx.db.query("rows") as unknown as { count(): Promise<number> }).count();
    const before = await count();
    const first = (await ctx.db.query("rows").first())!;
    await ctx.db.insert("rows", {});
    await ctx.db.insert("rows", {});
    await ctx.db.delete(first._id);
    return [before, await count()];
  },
});
