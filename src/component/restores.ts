// Restoring texts that are too large for the transaction that restores their document: to build one takes most of the 1 s
// that Convex gives a function. That transaction writes down what is to become of them; a job of the workpool, an action,
// which has more time, works the change out. It does so from two states that nothing changes any more: the version, or
// time, that is restored, and the version that holds what the restore has replaced. So what is typed meanwhile stays, as
// beside any restore (I-17). The change is appended in the transaction that deletes what was written down: once, however
// often the job is begun.
import { vOnCompleteArgs } from "@convex-dev/workpool";
import { ConvexError, v, type Infer } from "convex/values";
import { limits } from "../shared/limits.js";
import { partKey } from "../shared/partDocument.js";
import { copyPart, revertPart } from "../shared/revertPart.js";
import { api, internal } from "./_generated/api.js";
import type { Doc, Id } from "./_generated/dataModel.js";
import {
  internalAction,
  internalMutation,
  internalQuery,
  mutation,
  type ActionCtx,
  type MutationCtx,
  type QueryCtx,
} from "./_generated/server.js";
import { splitChunks } from "./chunks.js";
import { compactionPool as pool } from "./compact.js";
import { wakeFollowers } from "./follower.js";
import { vRestore } from "./historyTables.js";
import { log } from "./log.js";
import type { StateAt } from "./pointInTime.js";
import { bytesOfPart } from "./versions.js";

const vJob = v.object({ restore: v.id("restores") });
/** What a text is to become and was, and how. */
const vWork = v.object({
  restore: vRestore,
  /** Absent: it is to be rebuilt, or there is no such version any more. */
  then: v.optional(v.bytes()),
  /** Absent: it was empty, or the document was deleted. */
  now: v.optional(v.bytes()),
});
type Work = Infer<typeof vWork>;

const { target: _target, replaced: _replaced, ...asked } = vRestore.fields;

/**
 * Writes down texts that are to be restored, in the transaction that restores their document.
 *
 * @throws ConvexError `too_large` if too many of the document are on their way already
 */
export const begin = mutation({
  args: {
    restores: v.array(v.object({ ...asked, replaced: v.union(v.string(), v.null()) })),
    target: v.union(v.object({ version: v.string() }), v.object({ ts: v.int64() })),
  },
  returns: v.null(),
  handler: async (ctx, { restores, target }) => {
    for (const { collection, document } of restores.slice(0, 1))
      if ((await pendingOf(ctx, collection, document)).length + restores.length > limits.restoresOfOne)
        throw new ConvexError({
          code: "too_large" as const,
          message: `Of document "${document}" ${limits.restoresOfOne} texts at most are restored at a time. Try again in a moment.`,
        });
    const version = (id: string) => ctx.db.normalizeId("versions", id) ?? refuseVersion(id);
    for (const { replaced, ...rest } of restores) {
      const restore = await ctx.db.insert("restores", {
        ...rest,
        target: "version" in target ? { version: version(target.version) } : target,
        replaced: replaced === null ? null : version(replaced),
        at: Date.now(),
      });
      // The pool's rows are shared: whoever restores does not wait for them.
      await ctx.scheduler.runAfter(0, internal.restores.enqueue, { restore });
    }
    return null;
  },
});

function refuseVersion(id: string): never {
  throw new Error(`${JSON.stringify(id)} is no version.`);
}

export const enqueue = internalMutation({
  args: vJob.fields,
  returns: v.null(),
  handler: async (ctx, job) => {
    await pool.enqueueAction(ctx, internal.restores.run, job, {
      retry: { maxAttempts: limits.restoreAttempts, initialBackoffMs: 1000, base: 2 },
      onComplete: internal.restores.finish,
      context: job,
    });
    return null;
  },
});

/** A job of the pool: works out what leads back, and appends it. It may have been done before. */
export const run = internalAction({
  args: vJob.fields,
  returns: v.null(),
  handler: async (ctx, job): Promise<null> => {
    const work: Work | null = await ctx.runQuery(internal.restores.work, job);
    if (work === null) return null;
    const { restore, now } = work;
    const then = work.then ?? (await rebuild(ctx, restore));
    const bytes = then === null ? null : changeOf(restore, new Uint8Array(then), now);
    if (then === null) log("ERROR", "restoreLost", nameOf(restore));
    await ctx.runMutation(internal.restores.append, { ...job, bytes });
    return null;
  },
});

export const work = internalQuery({
  args: vJob.fields,
  returns: v.union(vWork, v.null()),
  handler: async (ctx, job): Promise<Work | null> => {
    const row = await ctx.db.get("restores", job.restore);
    if (row === null) return null;
    const { _id, _creationTime, at: _at, failure: _failure, ...restore } = row;
    const { target, replaced, field } = restore;
    const then = "version" in target ? await partOf(ctx, target.version, field) : null;
    const now = replaced === null ? null : await partOf(ctx, replaced, field);
    return { restore, ...(then === null ? {} : { then }), ...(now === null ? {} : { now }) };
  },
});

async function partOf(ctx: QueryCtx, version: Id<"versions">, field: string): Promise<ArrayBuffer | null> {
  const row = await ctx.db.get("versions", version);
  return row?.parts.includes(field) === true ? bytesOfPart(ctx, row, field) : null;
}

/** @returns null if nothing is known of it any more */
async function rebuild(
  ctx: ActionCtx,
  { collection, document, field, target }: Infer<typeof vRestore>,
): Promise<ArrayBuffer | null> {
  if (!("ts" in target)) return null;
  const { ts } = target;
  const state: StateAt = await ctx.runQuery(api.pointInTime.at, {
    collection,
    document,
    fields: [field],
    ts,
  });
  const part = state.type === "state" ? state.parts.find((each) => each.part === field) : undefined;
  return part?.bytes ?? null;
}

function changeOf(
  { kind, author }: Infer<typeof vRestore>,
  then: Uint8Array,
  now: ArrayBuffer | undefined,
): ArrayBuffer | null {
  const change =
    now === undefined ? copyPart(kind, then, author) : revertPart(kind, then, [new Uint8Array(now)], author);
  return change?.buffer ?? null;
}

/** The end of what {@link begin} began: null changes nothing. Of a document that is gone the follower drops it again. */
export const append = internalMutation({
  args: { ...vJob.fields, bytes: v.union(v.bytes(), v.null()) },
  returns: v.null(),
  handler: async (ctx, { restore, bytes }) => {
    const row = await ctx.db.get("restores", restore);
    if (row === null) return null;
    await ctx.db.delete("restores", restore);
    if (bytes === null) return null;
    const { collection, document, schemaVersion } = row;
    const delta = { collection, document, part: partKey(row), schemaVersion, client: "", transactions: [] };
    for (const chunk of splitChunks(bytes))
      await ctx.db.insert("deltas", { ...delta, ...chunk, ts: ctx.db.vars.commitTs });
    await wakeFollowers(ctx, new Set([collection]));
    return null;
  },
});

/** The end of a job. One that failed stays written down, for health to tell of and `retryFailed` to begin anew. */
export const finish = internalMutation({
  args: vOnCompleteArgs(vJob),
  returns: v.null(),
  handler: async (ctx, { context: { restore }, result }) => {
    const row = result.kind === "failed" ? await ctx.db.get("restores", restore) : null;
    if (row === null || result.kind !== "failed") return null;
    const message = result.error.slice(0, limits.messageLength);
    await ctx.db.patch("restores", restore, { failure: { at: Date.now(), message } });
    log("ERROR", "restoreFailed", nameOf(row));
    return null;
  },
});

/** Begins jobs anew. @param rows - those that failed, or were lost with what a backup does not hold */
export async function beginAnew(ctx: MutationCtx, rows: readonly Doc<"restores">[]): Promise<void> {
  for (const { _id } of rows) {
    await ctx.db.patch("restores", _id, { failure: undefined, at: Date.now() });
    await ctx.scheduler.runAfter(0, internal.restores.enqueue, { restore: _id });
  }
}

/** What was asked for long ago, and neither done nor failed. Part of the hourly sweep. */
export const sweep = internalMutation({
  args: {},
  returns: v.null(),
  handler: async (ctx) => {
    const old = await ctx.db
      .query("restores")
      .withIndex("by_age", (q) => q.lt("at", Date.now() - limits.restoreLostMs))
      .take(limits.sweptRestores);
    const lost = old.filter(({ failure }) => failure === undefined);
    if (lost.length > 0) log("WARN", "restoresLost", { texts: lost.length });
    await beginAnew(ctx, lost);
    return null;
  },
});

/** A document that is purged has nothing restored any more. */
export async function cancelRestores(ctx: MutationCtx, collection: string, document: string): Promise<void> {
  for (const { _id } of await pendingOf(ctx, collection, document)) await ctx.db.delete("restores", _id);
}

function pendingOf(ctx: QueryCtx, collection: string, document: string): Promise<Doc<"restores">[]> {
  return ctx.db
    .query("restores")
    .withIndex("by_document", (q) => q.eq("collection", collection).eq("document", document))
    .take(limits.restoresOfOne);
}

function nameOf({ collection, document, field }: Infer<typeof vRestore>) {
  return { collection, document, field };
}
