import {
  actionGeneric as action,
  anyApi,
  internalActionGeneric as internalAction,
  internalMutationGeneric as internalMutation,
  internalQueryGeneric as internalQuery,
  mutationGeneric as mutation,
  queryGeneric as query,
} from "convex/server";
import { ConvexError, v, type Value } from "convex/values";

const { acting, nesting } = anyApi;

/** Whose class is lost on the way, and whose data is not. */
class SpecialError extends ConvexError<Value> {}

const plain: Value = { code: "plain", list: [1, null] };
const data: Value = {
  code: "full",
  count: 5n,
  bytes: new Uint8Array([1, 2]).buffer,
  nested: [null, { x: 1 }],
};

export const refuse = internalMutation({
  args: {},
  handler: async (ctx) => {
    await ctx.db.insert("rows", { label: "refused" });
    throw new SpecialError(data);
  },
});
export const refuseQuery = internalQuery({ args: {}, handler: () => Promise.reject(new SpecialError(data)) });
export const refuseAction = internalAction({
  args: {},
  handler: () => Promise.reject(new SpecialError(data)),
});

export const refusePlainly = internalMutation({
  args: {},
  handler: () => Promise.reject(new SpecialError(plain)),
});

export const throwText = query({ args: {}, handler: () => Promise.reject(new ConvexError("just text")) });
export const throwPlain = mutation({
  args: {},
  handler: () => Promise.reject(new TypeError("a plain error")),
});
export const throwNoError = mutation({
  args: {},
  handler: () => {
    throw "a string";
  },
});
export const throwNested = mutation({
  args: { name: v.string() },
  handler: (ctx, { name }): Promise<unknown> => ctx.runMutation(acting![name]!, {}),
});

const caught = (error: unknown) => ({
  isConvexError: error instanceof ConvexError,
  isSpecial: error instanceof SpecialError,
  data: error instanceof ConvexError ? (error.data as Value) : null,
});

export const catchInMutation = mutation({
  args: { name: v.string() },
  handler: async (ctx, { name }) => (await ctx.runMutation(acting![name]!, {}).catch(caught)) as Value,
});

export const catchInAction = action({
  args: {},
  handler: async (ctx) => {
    const ofMutation = await ctx.runMutation(acting!["refuse"]!, {}).catch(caught);
    const ofQuery = await ctx.runQuery(acting!["refuseQuery"]!, {}).catch(caught);
    const ofAction = await ctx.runAction(acting!["refuseAction"]!, {}).catch(caught);
    return { ofMutation, ofQuery, ofAction } as Value;
  },
});

export const notCatch = action({
  args: { kind: v.union(v.literal("query"), v.literal("mutation"), v.literal("action")) },
  handler: async (ctx, { kind }): Promise<void> => {
    if (kind === "query") await ctx.runQuery(acting!["refuseQuery"]!, {});
    else if (kind === "mutation") await ctx.runMutation(acting!["refuse"]!, {});
    else await ctx.runAction(acting!["refuseAction"]!, {});
  },
});

export const addTwiceThenThrow = action({
  args: {},
  handler: async (ctx) => {
    await ctx.runMutation(nesting!["add"]!, { label: "1" });
    await ctx.runMutation(nesting!["add"]!, { label: "2" });
    throw new Error("after two");
  },
});

export const goOnAfterRefusal = action({
  args: {},
  handler: async (ctx): Promise<string[]> => {
    await ctx.runMutation(nesting!["add"]!, { label: "1" });
    await ctx.runMutation(acting!["refuse"]!, {}).catch(() => null);
    await ctx.runMutation(nesting!["add"]!, { label: "2" });
    return ctx.runQuery(nesting!["list"]!, {});
  },
});

export const addInParallel = action({
  args: {},
  handler: async (ctx): Promise<string[]> => {
    await Promise.all(["1", "2", "3"].map((label) => ctx.runMutation(nesting!["add"]!, { label })));
    return ctx.runQuery(nesting!["list"]!, {});
  },
});

export const stampTwice = action({
  args: {},
  handler: async (ctx): Promise<bigint[]> => [
    await ctx.runMutation(anyApi["stamping"]!["stamp"]!, { labels: ["one"] }),
    await ctx.runMutation(anyApi["stamping"]!["stamp"]!, { labels: ["two"] }),
  ],
});

export const hasDatabase = action({ args: {}, handler: (ctx) => "db" in ctx });

export const whoAmI = query({
  args: {},
  handler: async (ctx) => (await ctx.auth.getUserIdentity()) as Record<string, string> | null,
});

export const whoAmINested = action({
  args: {},
  handler: async (ctx) => {
    const own = await ctx.auth.getUserIdentity();
    const ofQuery: { subject: string } | null = await ctx.runQuery(acting!["whoAmI"]!, {});
    return [own?.subject ?? null, ofQuery?.subject ?? null];
  },
});
