// What an operator does: by hand with `npx convex run operate:NAME '{…}'`, from a cron, or from another function. All of
// it is internal: no client can call it. docs/operating.md says what each is for.
import { v, type Infer } from "convex/values";
import { internal } from "./_generated/api.js";
import { internalAction, internalMutation, internalQuery } from "./_generated/server.js";
import { sites } from "./collections.js";
import { replicate } from "./replicate.js";

/** By the name in an argument: one entry for each collection of the app. */
const collections = { sites };
const vCollection = v.literal("sites");

/** How the background work of each collection is getting on. A dashboard passes `now`, in ms, and a later one each minute. */
export const health = internalQuery({
  args: { now: v.optional(v.number()) },
  handler: (ctx, { now }) => replicate.health(ctx, now === undefined ? {} : { now }),
});

/** What is wrong with a collection, in words for a message. */
const vProblem = v.object({ collection: v.string(), problem: v.string() });

/** What somebody should look at now: nothing, while all is well. */
export const problems = internalQuery({
  args: {},
  returns: v.array(vProblem),
  handler: async (ctx) => {
    const found: Infer<typeof vProblem>[] = [];
    for (const { collection, isStalled, failedJobs, lastError } of await replicate.health(ctx)) {
      if (isStalled) found.push({ collection, problem: "Its background work has stood still for minutes." });
      if (failedJobs > 0)
        found.push({
          collection,
          problem: `${failedJobs} documents cannot be read, compacted or restored: ${lastError?.document} and others.`,
        });
    }
    return found;
  },
});

/** For a cron, every ten minutes: tells whoever is on duty. Here it only writes to the log. */
export const alert = internalAction({
  args: {},
  returns: v.number(),
  handler: async (ctx): Promise<number> => {
    const found: Infer<typeof vProblem>[] = await ctx.runQuery(internal.operate.problems, {});
    for (const { collection, problem } of found) console.error(`Replication of "${collection}": ${problem}`);
    return found.length;
  },
});

/** Compacts one document now, or, without an id, all of them in the background. */
export const compact = internalMutation({
  args: { collection: vCollection, id: v.optional(v.string()) },
  returns: v.union(v.number(), v.null()),
  handler: (ctx, { collection, id }) => {
    const admin = replicate.admin(ctx);
    return id === undefined
      ? admin.compact(collections[collection])
      : admin.compact(collections[collection], id);
  },
});

/** The last step of restoring a backup: every collection begins a new epoch, and every client reads it anew. */
export const newEpoch = internalMutation({
  args: {},
  returns: v.record(v.string(), v.string()),
  handler: async (ctx) => {
    const epochs: Record<string, string> = {};
    for (const [name, definition] of Object.entries(collections))
      epochs[name] = await replicate.admin(ctx).newEpoch(definition);
    return epochs;
  },
});

/** Removes a document for good, with all that it ever was. */
export const purge = internalMutation({
  args: { collection: vCollection, id: v.string() },
  returns: v.boolean(),
  handler: (ctx, { collection, id }) => replicate.admin(ctx).purge(collections[collection], id),
});

/** Has documents that could not be read or compacted looked at again at once. */
export const retryFailed = internalMutation({
  args: {},
  returns: v.number(),
  handler: (ctx) => replicate.admin(ctx).retryFailed(),
});

/** Has the app's rows brought to the documents' merged states, in the background. */
export const rebuildRows = internalMutation({
  args: { collection: vCollection },
  returns: v.boolean(),
  handler: (ctx, { collection }) => replicate.admin(ctx).rebuildRows(collections[collection]),
});

/** A page of a scope's documents. Go on with its `cursor` until `isDone`. */
export const exportScope = internalQuery({
  args: {
    collection: vCollection,
    scope: v.string(),
    cursor: v.optional(v.union(v.string(), v.null())),
    limit: v.optional(v.number()),
  },
  handler: (ctx, { collection, scope, cursor = null, limit = 100 }) =>
    replicate.admin(ctx).exportScope(collections[collection], scope, { cursor, limit }),
});
