import {
  anyApi,
  internalActionGeneric as internalAction,
  internalMutationGeneric as internalMutation,
  mutationGeneric as mutation,
  actionGeneric as action,
  queryGeneric as query,
} from "convex/server";
import { v, type GenericId } from "convex/values";

const { scheduling } = anyApi;
type JobId = GenericId<"_scheduled_functions">;

export const note = internalMutation({
  args: { text: v.string() },
  handler: async (ctx, { text }) => {
    await ctx.db.insert("journal", { text });
  },
});

export const notes = query({
  args: {},
  handler: async (ctx) => (await ctx.db.query("journal").collect()).map((row) => row["text"] as string),
});

export const noteLater = mutation({
  args: { text: v.string(), delayMs: v.number(), isRefused: v.optional(v.boolean()) },
  handler: async (ctx, { text, delayMs, isRefused }) => {
    const id = await ctx.scheduler.runAfter(delayMs, scheduling!["note"]!, { text });
    if (isRefused === true) throw new Error("refused after scheduling");
    return { id, notes: (await ctx.db.query("journal").collect()).length };
  },
});

export const noteAt = mutation({
  args: { text: v.string(), time: v.number() },
  handler: (ctx, { text, time }) => ctx.scheduler.runAt(time, scheduling!["note"]!, { text }),
});

/** By a name that may not exist. */
export const runLater = mutation({
  args: { name: v.string(), args: v.any(), delayMs: v.number() },
  handler: async (ctx, { name, args, delayMs }) => {
    const id: string = await ctx.scheduler.runAfter(
      delayMs,
      scheduling![name]!,
      args as Record<string, unknown>,
    );
    return id;
  },
});

export const cancel = mutation({
  args: { id: v.string() },
  handler: (ctx, { id }) => ctx.scheduler.cancel(id as JobId),
});

export const scheduleAndCancel = mutation({
  args: {},
  handler: async (ctx) => {
    const id = await ctx.scheduler.runAfter(0, scheduling!["note"]!, { text: "never" });
    await ctx.scheduler.cancel(id);
    return id as string;
  },
});

export const job = query({
  args: { id: v.string() },
  handler: (ctx, { id }) => ctx.db.system.get(id as JobId),
});

export const jobs = query({
  args: {},
  handler: (ctx) => ctx.db.system.query("_scheduled_functions").collect(),
});

/** Whether a job is seen by the mutation that makes it. */
export const lookAtOwn = mutation({
  args: {},
  handler: async (ctx) => {
    const id = await ctx.scheduler.runAfter(60_000, scheduling!["note"]!, { text: "later" });
    return (await ctx.db.system.get(id))?.state;
  },
});

export const fail = internalMutation({
  args: {},
  handler: async (ctx) => {
    await ctx.db.insert("journal", { text: "written before it failed" });
    throw new Error("fails when it runs");
  },
});

export const failInAction = internalAction({
  args: {},
  handler: async (ctx) => {
    await ctx.runMutation(scheduling!["note"]!, { text: "written by an action before it failed" });
    throw new Error("fails when it runs");
  },
});

export const lookAtItself = internalAction({
  args: {},
  handler: async (ctx) => {
    const jobs: { name: string; state: { kind: string } }[] = await ctx.runQuery(scheduling!["jobs"]!, {});
    const text = jobs.map(({ state }) => state.kind).join();
    await ctx.runMutation(scheduling!["note"]!, { text });
  },
});

export const countDown = internalMutation({
  args: { from: v.number() },
  handler: async (ctx, { from }) => {
    await ctx.db.insert("journal", { text: `${from}` });
    if (from > 1) await ctx.scheduler.runAfter(0, scheduling!["countDown"]!, { from: from - 1 });
  },
});

export const noteIdentity = internalMutation({
  args: {},
  handler: async (ctx) => {
    const identity = await ctx.auth.getUserIdentity();
    await ctx.db.insert("journal", { text: identity === null ? "nobody" : identity.subject });
  },
});

export const scheduleThenFail = action({
  args: {},
  handler: async (ctx) => {
    await ctx.scheduler.runAfter(0, scheduling!["note"]!, { text: "scheduled by an action" });
    throw new Error("fails after scheduling");
  },
});

export const cancelFromAction = action({
  args: {},
  handler: async (ctx) => {
    const id = await ctx.scheduler.runAfter(60_000, scheduling!["note"]!, { text: "never" });
    await ctx.scheduler.cancel(id);
    return id as string;
  },
});

export const jobPage = query({
  args: { cursor: v.union(v.string(), v.null()) },
  handler: (ctx, { cursor }) =>
    ctx.db.system.query("_scheduled_functions").order("desc").paginate({ cursor, numItems: 2 }),
});

/** Cancels itself while it runs, and schedules after that. */
export const cancelItself = internalAction({
  args: {},
  handler: async (ctx) => {
    const jobs: { _id: string; name: string }[] = await ctx.runQuery(scheduling!["jobs"]!, {});
    const own = jobs.find(({ name }) => name.endsWith(":cancelItself"))!;
    await ctx.runMutation(scheduling!["cancel"]!, { id: own._id });
    await ctx.runMutation(scheduling!["note"]!, { text: "went on" });
    await ctx.scheduler.runAfter(0, scheduling!["note"]!, { text: "scheduled by what was canceled" });
  },
});
