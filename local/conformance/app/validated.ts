import {
  anyApi,
  internalActionGeneric as internalAction,
  internalMutationGeneric as internalMutation,
  internalQueryGeneric as internalQuery,
  mutationGeneric as mutation,
  queryGeneric as query,
  actionGeneric as action,
} from "convex/server";
import { v, type GenericValidator } from "convex/values";

const { validated } = anyApi;
const echo = (value: GenericValidator) =>
  query({ args: { value }, handler: (_ctx, { value }) => value as unknown });

export const ofString = echo(v.string());
export const ofNumber = echo(v.number());
export const ofInt64 = echo(v.int64());
export const ofBoolean = echo(v.boolean());
export const ofBytes = echo(v.bytes());
export const ofNull = echo(v.null());
export const ofLiteral = echo(v.literal("this"));
export const ofUnion = echo(v.union(v.string(), v.null()));
export const ofArray = echo(v.array(v.number()));
export const ofObject = echo(v.object({ x: v.number(), y: v.optional(v.string()) }));
export const ofRecord = echo(v.record(v.string(), v.number()));
export const ofAny = echo(v.any());
export const ofOptional = query({
  args: { value: v.optional(v.string()) },
  handler: (_ctx, { value }) => value ?? "nothing",
});
export const ofNothing = query({ args: {}, handler: () => "nothing" });
export const unvalidated = query((_ctx, args: Record<string, unknown>) => Object.keys(args).sort());

export const returnWrong = mutation({
  args: {},
  returns: v.string(),
  handler: async (ctx) => {
    await ctx.db.insert("rows", { label: "written" });
    return 5 as unknown as string;
  },
});

export const returnMore = query({
  args: {},
  returns: v.object({ x: v.number() }),
  handler: () => ({ x: 1, y: 2 }),
});

export const returnVoid = mutation({ args: {}, returns: v.null(), handler: async () => undefined as never });
export const returnNothing = query(() => undefined);
export const returnUndefinedField = query(() => ({ a: 1, b: undefined }));
export const returnDate = query(() => ({ date: new Date(0) }));

export const catchWrongReturn = mutation({
  args: {},
  handler: async (ctx): Promise<string> => {
    try {
      await ctx.runMutation(validated!["returnWrong"]!, {});
      return "returned";
    } catch {
      return "refused";
    }
  },
});

export const hiddenQuery = internalQuery({ args: {}, handler: () => "hidden" });
export const hiddenMutation = internalMutation({ args: {}, handler: () => "hidden" });
export const hiddenAction = internalAction({ args: {}, handler: () => "hidden" });
export const openMutation = mutation({ args: {}, handler: () => "open" });
export const callHidden = action({
  args: {},
  handler: async (ctx): Promise<string[]> => [
    await ctx.runQuery(validated!["hiddenQuery"]!, {}),
    await ctx.runMutation(validated!["hiddenMutation"]!, {}),
    await ctx.runAction(validated!["hiddenAction"]!, {}),
  ],
});
export const noFunction = "a string";
