// The collector of an import: it alone adds up what became of rows, and ends the job. It reads results on a stale
// snapshot, so that no chunk that is taken in meanwhile conflicts with it, and deletes what it has counted, by id: what
// is gone already was counted before.
import { v, type Infer } from "convex/values";
import { limits } from "../shared/limits.js";
import { vImportedScope, vImportFailure } from "../shared/importWire.js";
import { internal } from "./_generated/api.js";
import type { Doc, Id } from "./_generated/dataModel.js";
import { internalMutation, internalQuery, type MutationCtx } from "./_generated/server.js";

type Job = Doc<"imports">;
const vResult = v.object({
  _id: v.id("importResults"),
  done: v.number(),
  failed: v.number(),
  failures: v.array(vImportFailure),
  scopes: v.array(vImportedScope),
});
type Result = Infer<typeof vResult>;

/** Has a job's collector run from now on, unless it does. `anew`: it may be lost, whatever the job says. */
export async function startCollector(ctx: MutationCtx, id: Id<"imports">, { anew = false } = {}) {
  const job = await ctx.db.get("imports", id);
  if (job === null || job.finishedAt !== undefined || (job.collecting === true && !anew)) return;
  const round = job.round + 1;
  await ctx.db.patch("imports", id, { collecting: true, round });
  const args = { job: id, round, pauseMs: limits.importPollMs };
  await ctx.scheduler.runAfter(limits.importPollMs, internal.importJobs.tally, args);
}

export const tally = internalMutation({
  args: { job: v.id("imports"), round: v.number(), pauseMs: v.number() },
  returns: v.null(),
  handler: async (ctx, { job: id, round, pauseMs }) => {
    const found = await ctx.db.get("imports", id);
    if (found === null || found.round !== round || found.finishedAt !== undefined) return null;
    const fresh = await takeResults(ctx, id);
    const job = fresh.length === 0 ? found : await count(ctx, found, fresh);
    const isAlive = await settle(ctx, job, fresh.length === 0);
    if (!isAlive) return null;
    const isFull = fresh.length === limits.importResults;
    const next = fresh.length > 0 ? limits.importPollMs : Math.min(pauseMs * 2, limits.importPollMostMs);
    await ctx.scheduler.runAfter(isFull ? 0 : next, internal.importJobs.tally, {
      job: id,
      round,
      pauseMs: next,
    });
    return null;
  },
});

export const results = internalQuery({
  args: { job: v.id("imports") },
  returns: v.array(vResult),
  handler: async (ctx, { job }) => {
    const rows = await ctx.db
      .query("importResults")
      .withIndex("by_job", (q) => q.eq("job", job))
      .take(limits.importResults);
    return rows.map(({ _id, done, failed, failures, scopes }) => ({ _id, done, failed, failures, scopes }));
  },
});

async function takeResults(ctx: MutationCtx, job: Id<"imports">): Promise<Result[]> {
  const shown: Result[] = await ctx.runQuery(
    internal.importJobs.results,
    { job },
    { useStaleSnapshot: true },
  );
  const taken: Result[] = [];
  for (const result of shown) {
    if ((await ctx.db.get("importResults", result._id)) === null) continue;
    await ctx.db.delete("importResults", result._id);
    taken.push(result);
  }
  return taken;
}

async function count(ctx: MutationCtx, job: Job, taken: readonly Result[]): Promise<Job> {
  const sum = (name: "done" | "failed") => taken.reduce((total, each) => total + each[name], job[name]);
  const change = {
    done: sum("done"),
    failed: sum("failed"),
    failures: [...job.failures, ...taken.flatMap(({ failures }) => failures)].slice(0, limits.importFailures),
    movedAt: Date.now(),
  };
  await ctx.db.patch("imports", job._id, change);
  const scopes = new Map<string, number>();
  for (const { scope, documents } of taken.flatMap((each) => each.scopes))
    scopes.set(scope, (scopes.get(scope) ?? 0) + documents);
  for (const [scope, documents] of scopes) await addToScope(ctx, job._id, scope, documents);
  return { ...job, ...change };
}

async function addToScope(ctx: MutationCtx, job: Id<"imports">, scope: string, more: number): Promise<void> {
  const row = await ctx.db
    .query("importScopes")
    .withIndex("by_scope", (q) => q.eq("job", job).eq("scope", scope))
    .unique();
  if (row === null) await ctx.db.insert("importScopes", { job, scope, documents: more });
  else await ctx.db.patch("importScopes", row._id, { documents: row.documents + more });
}

/** Ends what has come to its end. @returns whether the collector goes on */
async function settle(ctx: MutationCtx, job: Job, isEmpty: boolean): Promise<boolean> {
  const isSeenTo = job.done + job.failed === job.total;
  if (job.state === "staging" && isSeenTo) {
    await ctx.db.patch("imports", job._id, { collecting: false }); // the next rows start it again
    return false;
  }
  const isOver =
    job.state === "running"
      ? isSeenTo
      : job.state === "cancelled" && job.dropped === true && isEmpty && !(await hasResults(ctx, job._id));
  if (!isOver) return true;
  if (!(await announce(ctx, job))) return true;
  const state = job.state === "running" ? "done" : job.state;
  await ctx.db.patch("imports", job._id, { state, collecting: false, finishedAt: Date.now() });
  return false;
}

/** Really read: a stale snapshot may not show the last ones yet. */
async function hasResults(ctx: MutationCtx, job: Id<"imports">): Promise<boolean> {
  const first = await ctx.db
    .query("importResults")
    .withIndex("by_job", (q) => q.eq("job", job))
    .first();
  return first !== null;
}

/**
 * Announces in each scope how many documents have arrived, once, after the last of them. Some scopes at a time.
 *
 * @returns whether all are announced
 */
async function announce(ctx: MutationCtx, { _id: job, collection }: Job): Promise<boolean> {
  const silent = await ctx.db
    .query("importScopes")
    .withIndex("by_announcement", (q) => q.eq("job", job).eq("announcement", undefined))
    .take(limits.importScopes);
  for (const { _id, scope, documents } of silent) {
    const announcement = await ctx.db.insert("announcements", {
      ...{ collection, scope, document: "", ts: ctx.db.vars.commitTs },
      body: { kind: "bulk", job, count: documents },
    });
    await ctx.db.patch("importScopes", _id, { announcement });
  }
  return silent.length < limits.importScopes;
}

/** Deletes the chunks of a cancelled job, some at a time: what is not taken in by now never is. */
export const drop = internalMutation({
  args: { job: v.id("imports") },
  returns: v.null(),
  handler: async (ctx, { job }) => {
    const chunks = await ctx.db
      .query("importChunks")
      .withIndex("by_job", (q) => q.eq("job", job))
      .take(limits.importChunksDropped);
    for (const { _id, rows } of chunks) {
      await ctx.db.delete("importRows", rows);
      await ctx.db.delete("importChunks", _id);
    }
    if (chunks.length === limits.importChunksDropped) {
      await ctx.scheduler.runAfter(0, internal.importJobs.drop, { job });
      return null;
    }
    await ctx.db.patch("imports", job, { dropped: true });
    await startCollector(ctx, job, { anew: true });
    return null;
  },
});

/** Every hour: jobs that stand still are started again, those that are long over deleted. */
export const sweep = internalMutation({
  args: {},
  returns: v.null(),
  handler: async (ctx) => {
    const now = Date.now();
    const still = await ctx.db
      .query("imports")
      .withIndex("by_finishedAt", (q) =>
        q.eq("finishedAt", undefined).lt("movedAt", now - limits.importStalledMs),
      )
      .take(limits.sweptImports);
    for (const job of still) await revive(ctx, job, now);
    const over = await ctx.db
      .query("imports")
      .withIndex("by_finishedAt", (q) => q.gt("finishedAt", 0).lt("finishedAt", now - limits.importsKeptMs))
      .take(limits.sweptImports);
    for (const { _id } of over) await ctx.scheduler.runAfter(0, internal.importJobs.remove, { job: _id });
    return null;
  },
});

async function revive(ctx: MutationCtx, { _id: job, state, movedAt }: Job, now: number): Promise<void> {
  const isGivenUp = state === "staging" && movedAt < now - limits.importsKeptMs;
  if (isGivenUp) await ctx.db.patch("imports", job, { state: "cancelled" });
  if (isGivenUp || state === "cancelled") {
    await ctx.scheduler.runAfter(0, internal.importJobs.drop, { job });
    return;
  }
  await ctx.scheduler.runAfter(0, internal.importJobs.again, { job, after: 0 });
  await startCollector(ctx, job, { anew: true });
}

/** Hands the chunks of a job to the pool once more, some at a time: what the pool has of them already does no harm. */
export const again = internalMutation({
  args: { job: v.id("imports"), after: v.number() },
  returns: v.null(),
  handler: async (ctx, { job, after }) => {
    const chunks = await ctx.db
      .query("importChunks")
      .withIndex("by_job", (q) => q.eq("job", job).gt("_creationTime", after))
      .take(limits.importStagedChunks);
    await ctx.scheduler.runAfter(0, internal.importChunks.enqueue, { chunks: chunks.map(({ _id }) => _id) });
    const last = chunks.at(-1);
    if (last !== undefined && chunks.length === limits.importStagedChunks)
      await ctx.scheduler.runAfter(0, internal.importJobs.again, { job, after: last._creationTime });
    return null;
  },
});

/**
 * Deletes a job that is over, its scopes first, some at a time, and what announced it: who has been away for so long
 * reads the documents all the same.
 */
export const remove = internalMutation({
  args: { job: v.id("imports") },
  returns: v.null(),
  handler: async (ctx, { job }) => {
    const scopes = await ctx.db
      .query("importScopes")
      .withIndex("by_scope", (q) => q.eq("job", job))
      .take(limits.importScopes);
    for (const { _id, announcement } of scopes) {
      if (announcement !== undefined && (await ctx.db.get("announcements", announcement)) !== null)
        await ctx.db.delete("announcements", announcement);
      await ctx.db.delete("importScopes", _id);
    }
    if (scopes.length === limits.importScopes)
      await ctx.scheduler.runAfter(0, internal.importJobs.remove, { job });
    else if ((await ctx.db.get("imports", job)) !== null) await ctx.db.delete("imports", job);
    return null;
  },
});
