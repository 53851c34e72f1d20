// Compacts whatever can be compacted, because an operator asks for it: before a backup, after an import, to see what is
// left. It goes over the documents by their deltas, not by their heads, so that it is exact whatever the follower has
// come to. Each step hands some documents to the workpool, and itself after them: so it goes on when those have begun,
// and what is due for other reasons waits behind one step at most.
import { v } from "convex/values";
import { limits } from "../shared/limits.js";
import { internal } from "./_generated/api.js";
import { internalMutation, internalQuery, mutation, type QueryCtx } from "./_generated/server.js";
import { compactDocument, compactionPool as pool } from "./compact.js";
import { vPart, type Place } from "./heads.js";

/** Begins to compact every document and part of a collection that has any deltas, in the background. */
export const start = mutation({
  args: { collection: v.string() },
  returns: v.null(),
  handler: async (ctx, { collection }) => {
    await ctx.scheduler.runAfter(0, internal.compactAll.step, {
      collection,
      after: { document: "", part: "" },
    });
    return null;
  },
});

/** Compacts a document now, and begins with its parts. @returns how many delta rows of the main document were replaced */
export const document = mutation({
  args: { collection: v.string(), document: v.string() },
  returns: v.number(),
  handler: async (ctx, { collection, document: within }) => {
    const after = { document: within, part: "" };
    await ctx.scheduler.runAfter(0, internal.compactAll.step, { collection, after, within });
    return compactDocument(ctx, { collection, ...after });
  },
});

/** `within`: only this document's. */
const stepArgs = { collection: v.string(), after: vPart, within: v.optional(v.string()) };

export const step = internalMutation({
  args: stepArgs,
  returns: v.null(),
  handler: async (ctx, { collection, after, ...only }) => {
    const places: Place[] = await ctx.runQuery(
      internal.compactAll.withDeltas,
      { collection, after, ...only },
      { useStaleSnapshot: true },
    );
    for (const place of places) {
      const each = { collection, ...place };
      await pool.enqueueMutation(ctx, internal.compactAll.one, each, {
        onComplete: internal.compact.finish,
        context: each,
      });
    }
    const last = places.at(-1);
    if (last !== undefined && places.length === limits.compactedByStep)
      await pool.enqueueMutation(ctx, internal.compactAll.step, { collection, after: last, ...only });
    return null;
  },
});

/** The next documents and parts that have deltas, in the order of the index: one or two looks into it for each. */
export const withDeltas = internalQuery({
  args: stepArgs,
  returns: v.array(vPart),
  handler: async (ctx, { collection, after, within }) => {
    const found: Place[] = [];
    for (let last: Place | null = after; found.length < limits.compactedByStep;) {
      last = await nextPlace(ctx, collection, last);
      if (last === null || (within !== undefined && last.document !== within)) break;
      found.push(last);
    }
    return found;
  },
});

async function nextPlace(
  ctx: QueryCtx,
  collection: string,
  { document, part }: Place,
): Promise<Place | null> {
  const deltas = () => ctx.db.query("deltas");
  const next =
    (await deltas()
      .withIndex("by_document", (q) =>
        q.eq("collection", collection).eq("document", document).gt("part", part),
      )
      .first()) ??
    (await deltas()
      .withIndex("by_document", (q) => q.eq("collection", collection).gt("document", document))
      .first());
  return next === null ? null : { document: next.document, part: next.part };
}

/** A job of the pool. */
export const one = internalMutation({
  args: { collection: v.string(), ...vPart.fields },
  returns: v.null(),
  handler: async (ctx, place) => {
    await compactDocument(ctx, place);
    return null;
  },
});
