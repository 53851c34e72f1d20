// Work in the app's own tables, which a component cannot write: it has the app do it, by the handle of `maintain`.
import type { FunctionHandle } from "convex/server";
import { v } from "convex/values";
import { limits } from "../shared/limits.js";
import type { MaintainArgs, RowsWorkResult } from "../shared/wire.js";
import { internal } from "./_generated/api.js";
import { internalMutation, mutation, type MutationCtx } from "./_generated/server.js";
import { findFollower, rouse } from "./follower.js";
import { findHead } from "./heads.js";

/**
 * Brings the app's rows of a collection to the projection of its documents, some at a time, in the background.
 *
 * @returns whether it has begun: false if no push has told of `maintain` yet and none is given
 */
export const rebuild = mutation({
  args: { collection: v.string(), maintain: v.optional(v.string()) },
  returns: v.boolean(),
  handler: async (ctx, { collection, maintain }) => {
    if (maintain !== undefined) await rouse(ctx, collection, { maintain });
    const follower = await findFollower(ctx, collection);
    if (follower?.maintain === undefined) return false;
    await ctx.scheduler.runAfter(0, internal.rebuild.step, { collection, after: "" });
    return true;
  },
});

/** The next documents, in the order of their ids. They come from the heads: no delta is read here. */
export const step = internalMutation({
  args: { collection: v.string(), after: v.string() },
  returns: v.null(),
  handler: async (ctx, { collection, after }) => {
    const heads = await ctx.db
      .query("heads")
      .withIndex("by_document", (q) => q.eq("collection", collection).gt("document", after))
      .take(limits.maintainedDocuments);
    const last = heads.at(-1);
    if (last === undefined) return null;
    const documents = heads.flatMap(({ document, part }) => (part === "" ? [document] : []));
    const done = await maintain(ctx, collection, documents);
    // Of the last one parts may follow, which are passed over.
    const next = done < documents.length ? (documents[done - 1] ?? after) : last.document;
    await ctx.scheduler.runAfter(0, internal.rebuild.step, { collection, after: next });
    return null;
  },
});

/** @returns how many of the documents have been seen to: fewer than all if they are too large for one transaction */
async function maintain(ctx: MutationCtx, collection: string, documents: string[]): Promise<number> {
  const follower = await findFollower(ctx, collection);
  if (follower?.maintain === undefined) return documents.length;
  const handle = follower.maintain as FunctionHandle<"mutation", MaintainArgs, RowsWorkResult>;
  const { done, failed } = await ctx.runMutation(handle, {
    collection,
    work: { type: "rows", documents },
  });
  for (const { document, message } of failed) await noteFailure(ctx, collection, document, message);
  return done;
}

async function noteFailure(ctx: MutationCtx, collection: string, document: string, message: string) {
  const head = await findHead(ctx, collection, document, "");
  const attempts = head?.failure?.attempts ?? 0;
  if (head !== null)
    await ctx.db.patch("heads", head._id, { failure: { at: Date.now(), message, attempts } });
}
