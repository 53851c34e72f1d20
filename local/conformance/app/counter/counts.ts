// A component's functions: what the app may call is public.
import {
  actionGeneric as action,
  anyApi,
  componentsGeneric,
  internalMutationGeneric as internalMutation,
  mutationGeneric as mutation,
  queryGeneric as query,
  type FunctionHandle,
  type GenericDocument,
} from "convex/server";
import { ConvexError, v, type GenericId } from "convex/values";

const { counts } = anyApi;
const components = componentsGeneric();
const ledger = components["ledger"]!["entries"]!;

export const add = mutation({
  args: { label: v.string() },
  returns: v.string(),
  handler: (ctx, { label }) => ctx.db.insert("rows", { label }),
});

export const labels = query({
  args: {},
  returns: v.array(v.string()),
  handler: async (ctx) => (await ctx.db.query("rows").collect()).map((row) => row["label"] as string),
});

export const get = query({
  args: { id: v.string() },
  handler: (ctx, { id }) => ctx.db.get(id as GenericId<string>),
});

export const normalizeId = query({
  args: { id: v.string() },
  handler: (ctx, { id }) => ctx.db.normalizeId("rows", id),
});

export const refuse = mutation({
  args: { label: v.string() },
  handler: async (ctx, { label }) => {
    await ctx.db.insert("rows", { label });
    await ctx.runMutation(ledger["enter"]!, { text: label });
    throw new ConvexError({ code: "refused", label });
  },
});

export const hidden = internalMutation({
  args: {},
  handler: (ctx) => ctx.db.insert("rows", { label: "hidden" }),
});

export const callHidden = mutation({
  args: {},
  handler: (ctx): Promise<unknown> => ctx.runMutation(counts!["hidden"]!, {}),
});

export const returnWrong = query({
  args: {},
  returns: v.number(),
  handler: () => "no number" as unknown as number,
});

export const whoAmI = query({
  args: {},
  handler: async (ctx) => (await ctx.auth.getUserIdentity()) as Record<string, string> | null,
});

export const whereAmI = query({ args: {}, handler: (ctx) => ctx.meta.getFunctionMetadata() });

export const paginate = query({
  args: {},
  handler: (ctx) => ctx.db.query("rows").paginate({ cursor: null, numItems: 1 }),
});

/** Writes into the component's own component. */
export const enter = mutation({
  args: { text: v.string() },
  handler: async (ctx, { text }) => {
    await ctx.runMutation(ledger["enter"]!, { text });
  },
});

export const entries = query({
  args: {},
  handler: (ctx): Promise<GenericDocument[]> => ctx.runQuery(ledger["list"]!, {}),
});

export const callHandle = mutation({
  args: { handle: v.string(), args: v.any() },
  handler: (ctx, { handle, args }): Promise<unknown> =>
    ctx.runMutation(handle as FunctionHandle<"mutation">, args as Record<string, unknown>),
});

export const scheduleHandle = mutation({
  args: { handle: v.string(), args: v.any() },
  handler: async (ctx, { handle, args }) => {
    await ctx.scheduler.runAfter(0, handle as FunctionHandle<"mutation">, args as Record<string, unknown>);
  },
});

export const scheduleOwn = mutation({
  args: { label: v.string() },
  handler: async (ctx, { label }) => {
    await ctx.scheduler.runAfter(0, counts!["add"]!, { label });
    return (await ctx.db.system.query("_scheduled_functions").collect()).length;
  },
});

export const addInAction = action({
  args: { label: v.string() },
  handler: (ctx, { label }): Promise<unknown> => ctx.runMutation(counts!["add"]!, { label }),
});
