// What a client may call, as one would write it first. A push takes the sender's row as it is, so that it reads no
// deltas; it keeps no receipts, for a delta that comes twice does no harm; and each document tells how many deltas it
// has, so that nothing need look for those that are to be compacted.
import { makeFunctionReference } from "convex/server";
import { v } from "convex/values";
import * as Y from "yjs";
import { internalMutation, mutation, query } from "./builders.js";

const compactAt = 32;
const pageEntries = 256;
const vEdit = v.object({ document: v.string(), scope: v.string(), bytes: v.bytes(), row: v.any() });
const compactReference = makeFunctionReference<"mutation">("documents:compact");

export const push = mutation({
  args: { collection: v.string(), edits: v.array(vEdit) },
  returns: v.null(),
  handler: async (ctx, { collection, edits }) => {
    const counter = await ctx.db
      .query("counters")
      .withIndex("by_collection", (q) => q.eq("collection", collection))
      .unique();
    let { seq, documents } = counter ?? { seq: 0, documents: 0 };
    for (const { document, scope, bytes, row } of edits) {
      seq += 1;
      await ctx.db.insert("deltas", { collection, scope, document, seq, bytes });
      const site = await ctx.db
        .query("sites")
        .withIndex("by_site", (q) => q.eq("id", document))
        .unique();
      const deltas = (site?.deltas ?? 0) + 1;
      if (site !== null) await ctx.db.patch("sites", site._id, { row, deltas });
      else {
        await ctx.db.insert("sites", { id: document, row, deltas });
        documents += 1;
      }
      if (deltas === compactAt) await ctx.scheduler.runAfter(0, compactReference, { collection, document });
    }
    if (counter === null) await ctx.db.insert("counters", { collection, seq, documents });
    else await ctx.db.patch("counters", counter._id, { seq, documents });
    return null;
  },
});

export const pull = query({
  args: { collection: v.string(), scope: v.string(), after: v.number() },
  returns: v.object({
    entries: v.array(v.object({ document: v.string(), seq: v.number(), bytes: v.bytes() })),
    cursor: v.number(),
    done: v.boolean(),
  }),
  handler: async (ctx, { collection, scope, after }) => {
    const found = [];
    for (const table of ["snapshots", "deltas"] as const)
      found.push(
        ...(await ctx.db
          .query(table)
          .withIndex("by_scope", (q) => q.eq("collection", collection).eq("scope", scope).gt("seq", after))
          .take(pageEntries)),
      );
    const rows = found.sort((a, b) => a.seq - b.seq).slice(0, pageEntries);
    return {
      entries: rows.map(({ document, seq, bytes }) => ({ document, seq, bytes })),
      cursor: rows.at(-1)?.seq ?? after,
      done: found.length <= pageEntries,
    };
  },
});

/** Replaces a document's deltas by what `mergeUpdates` makes of them, at the place of the newest of them. */
export const compact = internalMutation({
  args: { collection: v.string(), document: v.string() },
  returns: v.number(),
  handler: async (ctx, { collection, document }) => {
    const snapshot = await ctx.db
      .query("snapshots")
      .withIndex("by_document", (q) => q.eq("collection", collection).eq("document", document))
      .unique();
    const deltas = await ctx.db
      .query("deltas")
      .withIndex("by_document", (q) => q.eq("collection", collection).eq("document", document))
      .collect();
    const newest = deltas.at(-1);
    if (newest === undefined) return 0;
    const stored = snapshot === null ? deltas : [snapshot, ...deltas];
    const merged = Y.mergeUpdates(stored.map(({ bytes }) => new Uint8Array(bytes)));
    for (const delta of deltas) await ctx.db.delete("deltas", delta._id);
    if (snapshot !== null) await ctx.db.delete("snapshots", snapshot._id);
    const { scope, seq } = newest;
    const bytes = merged.slice().buffer;
    await ctx.db.insert("snapshots", { collection, scope, document, seq, bytes });
    const site = await ctx.db
      .query("sites")
      .withIndex("by_site", (q) => q.eq("id", document))
      .unique();
    if (site !== null) await ctx.db.patch("sites", site._id, { deltas: 0 });
    return deltas.length;
  },
});

const vWhere = { collection: v.string(), document: v.string(), session: v.string() };

/** Says that a session is still in a document, and with a `state` how it is shown there. */
export const beat = mutation({
  args: { ...vWhere, state: v.optional(v.any()) },
  returns: v.null(),
  handler: async (ctx, { collection, document, session, state }) => {
    const row = await ctx.db
      .query("presence")
      .withIndex("by_session", (q) => q.eq("session", session).eq("document", document))
      .unique();
    const seenAt = Date.now();
    const shown = state === undefined ? {} : { state };
    if (row !== null) await ctx.db.patch("presence", row._id, { seenAt, ...shown });
    else await ctx.db.insert("presence", { collection, document, session, state: state ?? null, seenAt });
    return null;
  },
});

/** Who is in a document. A client leaves out those that were not seen for a while. */
export const presence = query({
  args: { collection: v.string(), document: v.string() },
  returns: v.array(v.object({ session: v.string(), state: v.any(), seenAt: v.number() })),
  handler: async (ctx, { collection, document }) => {
    const rows = await ctx.db
      .query("presence")
      .withIndex("by_document", (q) => q.eq("collection", collection).eq("document", document))
      .take(pageEntries);
    return rows.map(({ session, state, seenAt }) => ({ session, state, seenAt }));
  },
});

export const stats = query({
  args: { collection: v.string() },
  returns: v.object({ documents: v.number() }),
  handler: async (ctx, { collection }) => {
    const counter = await ctx.db
      .query("counters")
      .withIndex("by_collection", (q) => q.eq("collection", collection))
      .unique();
    return { documents: counter?.documents ?? 0 };
  },
});
