// Chunks of an import: each is a job of the pool, which has the app take its rows in, some in each transaction. The
// place that a chunk has come to is stored in the same transaction as the documents, so that each row is taken in
// exactly once, whatever is run again, and whenever the process dies.
import { vOnCompleteArgs, Workpool } from "@convex-dev/workpool";
import type { FunctionHandle } from "convex/server";
import { v } from "convex/values";
import { isRefusal } from "../shared/errorCodes.js";
import type { ImportFailure, ImportWorkResult } from "../shared/importWire.js";
import { limits } from "../shared/limits.js";
import type { MaintainArgs } from "../shared/wire.js";
import { components, internal } from "./_generated/api.js";
import type { Doc } from "./_generated/dataModel.js";
import { internalMutation, type MutationCtx } from "./_generated/server.js";

const pool = new Workpool(components.importPool, {
  maxParallelism: limits.importParallelism,
  logLevel: "WARN",
});
const vChunk = v.object({ chunk: v.id("importChunks") });
type Chunk = Doc<"importChunks">;

/** Hands chunks to the pool. One that is handed over twice is taken in once all the same. */
export const enqueue = internalMutation({
  args: { chunks: v.array(v.id("importChunks")) },
  returns: v.null(),
  handler: async (ctx, { chunks }) => {
    const [now, later] = [
      chunks.slice(0, limits.importStagedChunks),
      chunks.slice(limits.importStagedChunks),
    ];
    for (const chunk of now) await hand(ctx, chunk);
    if (later.length > 0) await ctx.scheduler.runAfter(0, internal.importChunks.enqueue, { chunks: later });
    return null;
  },
});

async function hand(ctx: MutationCtx, chunk: Chunk["_id"]): Promise<void> {
  const options = { onComplete: internal.importChunks.finish, context: { chunk } };
  await pool.enqueueMutation(ctx, internal.importChunks.step, { chunk }, options);
}

/** Takes the next rows of a chunk in. It may be gone: taken in, or its job cancelled. */
export const step = internalMutation({
  args: { chunk: v.id("importChunks") },
  returns: v.null(),
  handler: async (ctx, args) => {
    const chunk = await ctx.db.get("importChunks", args.chunk);
    if (chunk === null) return null;
    // Written first, for what hooks of the app write finds by it that documents were put here.
    const { job } = chunk;
    const empty = { done: 0, failed: 0, failures: [], scopes: [] };
    const entry = await ctx.db.insert("importResults", { job, ts: ctx.db.vars.commitTs, ...empty });
    let result: ImportWorkResult;
    try {
      result = await takeIn(ctx, chunk);
    } catch (error) {
      // Nothing of it was written: a nested mutation that throws takes back what it did.
      await ctx.db.delete("importResults", entry);
      await retreat(ctx, chunk, faultOf(error));
      return null;
    }
    const { done, scopes, failed } = result;
    const documents = scopes.reduce((sum, each) => sum + each.documents, 0);
    const outcome = { done: documents, failed: failed.length, failures: failed, scopes };
    await ctx.db.patch("importResults", entry, outcome);
    await advance(ctx, chunk, done, Math.min(limits.importedRows, chunk.batch * 2));
    return null;
  },
});

/** Whether this very transaction takes in rows of an import: what it has written may be snapshots, with no delta. */
export async function isImporting(ctx: MutationCtx): Promise<boolean> {
  const entry = await ctx.db
    .query("importResults")
    .withIndex("by_ts", (q) => q.eq("ts", ctx.db.vars.commitTs))
    .first();
  return entry !== null;
}

async function takeIn(ctx: MutationCtx, chunk: Chunk): Promise<ImportWorkResult> {
  const { collection, position: from } = chunk;
  const handle = chunk.maintain as FunctionHandle<"mutation", MaintainArgs, ImportWorkResult>;
  const rows = (await ctx.db.get("importRows", chunk.rows))?.rows ?? "[]";
  const work = { type: "import" as const, rows, from, to: endOf(chunk) };
  const result = await ctx.runMutation(handle, { collection, work });
  if (result.done < 1) throw new Error("The app's maintain has taken in no row.");
  return result;
}

function endOf({ position, batch, count }: Chunk): number {
  return Math.min(position + batch, count);
}

/** The end of a job of the pool: what is left of the chunk is handed over again. */
export const finish = internalMutation({
  args: vOnCompleteArgs(vChunk),
  returns: v.null(),
  handler: async (ctx, { context, result }) => {
    if (result.kind === "canceled") return null;
    const chunk = await ctx.db.get("importChunks", context.chunk);
    if (chunk === null) return null;
    if (result.kind === "failed") await retreat(ctx, chunk, faultOf(new Error(result.error)));
    if ((await ctx.db.get("importChunks", chunk._id)) !== null) await hand(ctx, chunk._id);
    return null;
  },
});

/** Tries fewer rows the next time; one row that fails alone is what is at fault, and is left out (I-15). */
async function retreat(
  ctx: MutationCtx,
  chunk: Chunk,
  fault: { readonly code: string; readonly message: string },
): Promise<void> {
  const tried = endOf(chunk) - chunk.position;
  if (tried > 1) return await ctx.db.patch("importChunks", chunk._id, { batch: Math.floor(tried / 2) });
  const stored = await ctx.db.get("importRows", chunk.rows);
  const [failure] = failuresOf(stored?.rows ?? "[]", chunk.position, fault);
  await ctx.db.insert("importResults", {
    job: chunk.job,
    ts: ctx.db.vars.commitTs,
    done: 0,
    failed: 1,
    failures: failure === undefined ? [] : [failure],
    scopes: [],
  });
  await advance(ctx, chunk, 1, 1);
}

function failuresOf(
  rows: string,
  position: number,
  fault: { readonly code: string; readonly message: string },
): ImportFailure[] {
  const { id } = ((JSON.parse(rows) as unknown[])[position] ?? {}) as { id?: unknown };
  return typeof id === "string" ? [{ id, ...fault }] : [];
}

async function advance(ctx: MutationCtx, chunk: Chunk, by: number, batch: number): Promise<void> {
  const position = chunk.position + by;
  if (position < chunk.count) return await ctx.db.patch("importChunks", chunk._id, { position, batch });
  await ctx.db.delete("importRows", chunk.rows);
  await ctx.db.delete("importChunks", chunk._id);
}

/** A refusal of the app's, or whatever else was thrown. */
function faultOf(error: unknown): { readonly code: string; readonly message: string } {
  const data = (error as { data?: unknown } | null)?.data;
  const { code, message } = isRefusal(data)
    ? data
    : { code: "denied", message: `The transaction failed: ${String(error)}` };
  return { code, message: message.slice(0, limits.messageLength) };
}
