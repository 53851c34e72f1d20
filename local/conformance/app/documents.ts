import { mutationGeneric as mutation, queryGeneric as query } from "convex/server";
import { v, type GenericId } from "convex/values";

const table = v.string();
const id = v.string();
const fields = v.any();

export const insert = mutation({
  args: { table, fields },
  handler: (ctx, { table, fields }) => ctx.db.insert(table, fields as Record<string, unknown>),
});

export const insertAll = mutation({
  args: { table, all: v.array(v.any()) },
  handler: async (ctx, { table, all }) => {
    const ids: string[] = [];
    for (const fields of all as Record<string, unknown>[]) ids.push(await ctx.db.insert(table, fields));
    return ids;
  },
});

export const get = query({ args: { id }, handler: (ctx, { id }) => ctx.db.get(id as GenericId<string>) });

export const getFrom = query({
  args: { table, id },
  handler: (ctx, { table, id }) => ctx.db.get(table, id as GenericId<string>),
});

export const list = query({ args: { table }, handler: (ctx, { table }) => ctx.db.query(table).collect() });

export const patch = mutation({
  args: { id, fields },
  handler: async (ctx, { id, fields }) => {
    await ctx.db.patch(id as GenericId<string>, fields as Record<string, unknown>);
  },
});

/** Arguments cannot carry undefined. */
export const unset = mutation({
  args: { id, field: v.string() },
  handler: async (ctx, { id, field }) => {
    await ctx.db.patch(id as GenericId<string>, { [field]: undefined });
  },
});

export const replace = mutation({
  args: { id, fields },
  handler: async (ctx, { id, fields }) => {
    await ctx.db.replace(id as GenericId<string>, fields as Record<string, unknown>);
  },
});

export const remove = mutation({
  args: { id },
  handler: async (ctx, { id }) => {
    await ctx.db.delete(id as GenericId<string>);
  },
});

export const insertUndefined = mutation({
  args: {},
  handler: async (ctx) => {
    const id = await ctx.db.insert("rows", { a: 1, b: undefined });
    return Object.keys((await ctx.db.get(id))!).sort();
  },
});

export const insertUndefinedInArray = mutation({
  args: {},
  handler: async (ctx) => {
    await ctx.db.insert("rows", { a: [undefined] });
  },
});

export const ownWrites = mutation({
  args: {},
  handler: async (ctx) => {
    const seen: unknown[] = [];
    const look = async (id: GenericId<string>) => {
      const found = await ctx.db.query("rows").collect();
      seen.push([(await ctx.db.get(id))?.["a"] ?? null, found.map((row) => row["a"] as unknown)]);
    };
    const id = await ctx.db.insert("rows", { a: 1 });
    await look(id);
    await ctx.db.patch(id, { a: 2 });
    await look(id);
    await ctx.db.replace(id, { a: 3 });
    await look(id);
    await ctx.db.delete(id);
    await look(id);
    return seen;
  },
});

export const inParallel = mutation({
  args: { count: v.number() },
  handler: async (ctx, { count }) => {
    const ids = await Promise.all(Array.from({ length: count }, (_, a) => ctx.db.insert("rows", { a })));
    await Promise.all(ids.map((id, at) => ctx.db.patch(id, { b: at * 2 })));
    const rows = await Promise.all(ids.map((id) => ctx.db.get(id)));
    return rows.map((row) => [row?.["a"], row?.["b"]] as unknown);
  },
});

export const normalizeId = query({
  args: { table, id },
  handler: (ctx, { table, id }) => ctx.db.normalizeId(table, id),
});

export const normalizeSystemId = query({
  args: { table, id },
  handler: (ctx, { table, id }) => ctx.db.system.normalizeId(table as "_storage", id),
});

export const ofPeople = query({ args: { id: v.id("people") }, handler: (_ctx, { id }) => id });
export const ofRows = query({ args: { id: v.id("rows") }, handler: (_ctx, { id }) => id });

export const insertIntoSystemTable = mutation({
  args: {},
  handler: (ctx) => ctx.db.insert("_storage", {}),
});

export const systemGet = query({
  args: { id },
  handler: (ctx, { id }) => ctx.db.system.get(id as GenericId<"_storage">),
});

export const patchNestedUndefined = mutation({
  args: {},
  handler: async (ctx) => {
    const id = await ctx.db.insert("rows", { a: 1 });
    await ctx.db.patch(id, { b: { x: undefined, y: 1 } });
    return Object.keys((await ctx.db.get(id))!["b"] as object);
  },
});
