// Imports as the app sees them: rows are staged, a job takes them in, in the background.
//
//   staging ──the last rows are staged──▶ running ──all rows seen to──▶ done
//      └────────────────cancel───────────────┴───────▶ cancelled
//
// Rows are taken in from the moment they are staged. What stands where: rows wait in chunks, each a job of a workpool of
// its own (importChunks.ts); each transaction that takes some in leaves a result; one collector per job adds these up
// and announces the end (importJobs.ts). Nothing is shared by two chunks, so they run beside each other, and nothing by
// a chunk and a push but a document that both write (I-13).
import { ConvexError, v } from "convex/values";
import { limits } from "../shared/limits.js";
import { vImportChunk, vImportJob } from "../shared/importWire.js";
import { internal } from "./_generated/api.js";
import type { Doc, Id } from "./_generated/dataModel.js";
import { internalQuery, mutation, query, type MutationCtx, type QueryCtx } from "./_generated/server.js";
import { splitChunks } from "./chunks.js";
import { findFollower, wakeFollowers } from "./follower.js";
import { touchGuard } from "./guards.js";
import { startCollector } from "./importJobs.js";

/** Stages rows of a new job, or further ones of a job that is open. @returns the job's id */
export const stage = mutation({
  args: {
    job: v.union(v.string(), v.null()),
    collection: v.string(),
    /** Handle of the app's `maintain`; absent: as the last push told it. */
    maintain: v.optional(v.string()),
    chunks: v.array(vImportChunk),
    /** No more rows will come. */
    isLast: v.boolean(),
  },
  returns: v.string(),
  handler: async (ctx, { job: known, collection, maintain: told, chunks, isLast }) => {
    const maintain = told ?? (await toldByPush(ctx, collection));
    const job = known === null ? await begin(ctx, collection) : await openJob(ctx, known, collection);
    const staged: Id<"importChunks">[] = [];
    for (const { count, rows } of chunks) {
      const chunk = { job: job._id, collection, maintain, count, position: 0, batch: limits.importedRows };
      const stored = await ctx.db.insert("importRows", { rows });
      staged.push(await ctx.db.insert("importChunks", { ...chunk, rows: stored }));
    }
    const more = chunks.reduce((sum, { count }) => sum + count, 0);
    await ctx.db.patch("imports", job._id, {
      total: job.total + more,
      state: isLast ? "running" : "staging",
      movedAt: Date.now(),
    });
    // By way of the scheduler: the pool's rows are shared by all that is enqueued, the caller's transaction is not to
    // wait for them.
    if (staged.length > 0) await ctx.scheduler.runAfter(0, internal.importChunks.enqueue, { chunks: staged });
    await startCollector(ctx, job._id);
    return job._id;
  },
});

async function toldByPush(ctx: MutationCtx, collection: string): Promise<string> {
  // On a stale snapshot: the follower writes this row all the time.
  const maintain: string | null = await ctx.runQuery(
    internal.imports.knownMaintain,
    { collection },
    { useStaleSnapshot: true },
  );
  if (maintain !== null) return maintain;
  throw refusal(
    "unknown_collection",
    `Where the app exports \`maintain\` is not known: export it with the others of replicate.api(), and pass it to import of "${collection}", as {maintain: internal.replicate.maintain}.`,
  );
}

export const knownMaintain = internalQuery({
  args: { collection: v.string() },
  returns: v.union(v.string(), v.null()),
  handler: async (ctx, { collection }) => (await findFollower(ctx, collection))?.maintain ?? null,
});

async function begin(ctx: MutationCtx, collection: string): Promise<Doc<"imports">> {
  const now = Date.now();
  const id = await ctx.db.insert("imports", {
    collection,
    state: "staging",
    total: 0,
    done: 0,
    failed: 0,
    failures: [],
    startedAt: now,
    movedAt: now,
    round: 0,
  });
  return (await ctx.db.get("imports", id)) as Doc<"imports">;
}

/** @throws ConvexError `unknown_document`, `closed` */
async function openJob(ctx: MutationCtx, id: string, collection: string): Promise<Doc<"imports">> {
  const job = await findJob(ctx, id);
  const shown = JSON.stringify(id.slice(0, 64));
  if (job?.collection !== collection)
    throw refusal("unknown_document", `There is no import ${shown} into collection "${collection}".`);
  if (job.state === "staging") return job;
  throw refusal(
    "closed",
    `Import ${shown} is ${job.state}: rows are added while it is open, by "more: true". Begin another.`,
  );
}

/** Ids are checked: they come back from wherever the app has put them. */
async function findJob(ctx: QueryCtx, id: string): Promise<Doc<"imports"> | null> {
  const job = ctx.db.normalizeId("imports", id);
  return job === null ? null : await ctx.db.get("imports", job);
}

function refusal(code: "unknown_collection" | "unknown_document" | "closed" | "too_large", message: string) {
  return new ConvexError({ code, message });
}

/**
 * Writes new documents whole: a snapshot each, at this commit, with no delta. Called by the app's `maintain` in the
 * transaction of a chunk. What is read of them is their guards only.
 */
export const put = mutation({
  args: {
    collection: v.string(),
    documents: v.array(v.object({ document: v.string(), scope: v.string(), bytes: v.bytes() })),
    /** The collection has no app table. */
    hasGuards: v.boolean(),
  },
  returns: v.null(),
  handler: async (ctx, { collection, documents, hasGuards }) => {
    if (documents.length > limits.importedRows)
      throw refusal(
        "too_large",
        `${limits.importedRows} documents are put at once at most, got ${documents.length}.`,
      );
    const { commitTs: ts } = ctx.db.vars;
    for (const { bytes, ...each } of documents) {
      for (const chunk of splitChunks(bytes))
        await ctx.db.insert("snapshots", { collection, ...each, part: "", ts, at: ts, ...chunk });
      if (hasGuards) await touchGuard(ctx, collection, each.document);
    }
    if (documents.length > 0) await wakeFollowers(ctx, new Set([collection]));
    return null;
  },
});

/** How far a job is; null: there is none of this id, or it ended more than a week ago. */
export const status = query({
  args: { job: v.string() },
  returns: v.union(vImportJob, v.null()),
  handler: async (ctx, args) => {
    const job = await findJob(ctx, args.job);
    if (job === null) return null;
    const scopes = await ctx.db
      .query("importScopes")
      .withIndex("by_scope", (q) => q.eq("job", job._id))
      .take(limits.importScopes);
    const { collection, state, total, done, failed, failures, startedAt, finishedAt } = job;
    return {
      ...{ collection, state, total, done, failed, failures, startedAt },
      scopes: scopes.map(({ scope, documents }) => ({ scope, documents })),
      ...(finishedAt === undefined ? {} : { finishedAt }),
    };
  },
});

/** Ends a job before its time. What has arrived stays. @returns whether there was anything to end */
export const cancel = mutation({
  args: { job: v.string() },
  returns: v.boolean(),
  handler: async (ctx, args) => {
    const job = await findJob(ctx, args.job);
    if (job === null || job.state === "done" || job.state === "cancelled") return false;
    await ctx.db.patch("imports", job._id, { state: "cancelled", movedAt: Date.now() });
    await ctx.scheduler.runAfter(0, internal.importJobs.drop, { job: job._id });
    return true;
  },
});
