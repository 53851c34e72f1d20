// What the app does with its component.
import {
  actionGeneric as action,
  anyApi,
  componentsGeneric,
  createFunctionHandle,
  mutationGeneric as mutation,
  queryGeneric as query,
} from "convex/server";
import { ConvexError, v } from "convex/values";
import { labelsOf } from "./reading.js";

const { nesting } = anyApi;
const counts = componentsGeneric()["counter"]!["counts"]!;

/** Calls a function of the component; an error's data comes back as a value. */
export const mutate = mutation({
  args: { name: v.string(), args: v.any() },
  handler: (ctx, { name, args }): Promise<unknown> =>
    ctx.runMutation(counts[name]!, args as Record<string, unknown>),
});

export const ask = query({
  args: { name: v.string(), args: v.any() },
  handler: (ctx, { name, args }): Promise<unknown> =>
    ctx.runQuery(counts[name]!, args as Record<string, unknown>),
});

export const act = action({
  args: { name: v.string(), args: v.any() },
  handler: (ctx, { name, args }): Promise<unknown> =>
    ctx.runAction(counts[name]!, args as Record<string, unknown>),
});

export const overview = query({
  args: {},
  handler: async (ctx) => {
    const component: string[] = await ctx.runQuery(counts["labels"]!, {});
    const entries: { text: string }[] = await ctx.runQuery(counts["entries"]!, {});
    const own = labelsOf(await ctx.db.query("rows").collect());
    return { own, component, nested: entries.map(({ text }) => text) };
  },
});

export const catchRefusal = mutation({
  args: {},
  handler: async (ctx) => {
    await ctx.db.insert("rows", { label: "own" });
    await ctx.runMutation(counts["add"]!, { label: "before" });
    try {
      await ctx.runMutation(counts["refuse"]!, { label: "refused" });
    } catch (error) {
      return error instanceof ConvexError ? (error.data as Record<string, string>) : "no ConvexError";
    }
    return "not refused";
  },
});

export const writeBothThenThrow = mutation({
  args: {},
  handler: async (ctx) => {
    await ctx.db.insert("rows", { label: "own" });
    await ctx.runMutation(counts["add"]!, { label: "of the component" });
    await ctx.runMutation(counts["enter"]!, { text: "nested" });
    throw new Error("after both");
  },
});

export const handOver = mutation({
  args: { how: v.union(v.literal("callHandle"), v.literal("scheduleHandle")), label: v.string() },
  handler: async (ctx, { how, label }): Promise<string> => {
    const handle = await createFunctionHandle(nesting!["add"]!);
    await ctx.runMutation(counts[how]!, { handle, args: { label } });
    return handle;
  },
});

export const handOverRefusing = mutation({
  args: {},
  handler: async (ctx): Promise<void> => {
    const handle = await createFunctionHandle(nesting!["addThenThrow"]!);
    await ctx.runMutation(counts["add"]!, { label: "before" });
    await ctx.runMutation(counts["callHandle"]!, { handle, args: { label: "x" } }).catch(() => null);
  },
});

export const whoIsWho = query({
  args: {},
  handler: async (ctx) => {
    const own = await ctx.auth.getUserIdentity();
    const component: unknown = await ctx.runQuery(counts["whoAmI"]!, {});
    return { own: own?.subject ?? null, component };
  },
});

export const whereAmI = query({
  args: {},
  handler: async (ctx) => {
    const component: unknown = await ctx.runQuery(counts["whereAmI"]!, {});
    return { own: await ctx.meta.getFunctionMetadata(), component };
  },
});
