import { ConvexError, v } from "convex/values";
import { isSameValue } from "../shared/canonicalJson.js";
import { limits } from "../shared/limits.js";
import { vPresence } from "../shared/sessionWire.js";
import type { Id } from "./_generated/dataModel.js";
import { mutation, query, type MutationCtx } from "./_generated/server.js";

const vUser = v.union(v.string(), v.null());

/**
 * Shows a session in a document, or with `state: null` no more. It reads and writes that session's own row there, and
 * an equal state is not written again. Only to insert the row it reads the session itself: as long as the row is
 * there, so is the session. So it conflicts with nobody else's, and not even with its own session's heartbeats (I-13).
 */
export const set = mutation({
  args: {
    session: v.string(),
    user: vUser,
    collection: v.string(),
    scope: v.string(),
    document: v.string(),
    state: v.any(),
  },
  returns: v.union(v.literal("set"), v.literal("gone"), v.literal("denied")),
  handler: async (ctx, { session: id, user, ...shown }) => {
    const session = ctx.db.normalizeId("sessions", id);
    if (session === null) return "gone";
    const { collection, document, scope, state } = shown;
    const row = await ctx.db
      .query("presence")
      .withIndex("by_session", (q) =>
        q.eq("session", session).eq("collection", collection).eq("document", document),
      )
      .unique();
    const owner = row ?? (await ctx.db.get("sessions", session));
    if (owner === null) return "gone";
    if (owner.user !== user) return "denied";
    if (state === null) {
      if (row !== null) await ctx.db.delete("presence", row._id);
    } else if (row === null) {
      await checkRoom(ctx, session);
      await ctx.db.insert("presence", { ...shown, session, user, peer: owner.peer, updatedAt: Date.now() });
    } else if (row.scope !== scope || !isSameValue(row.state, state)) {
      await ctx.db.patch("presence", row._id, { scope, state, updatedAt: Date.now() });
    }
    return "set";
  },
});

/** @throws ConvexError `too_large` if the session is shown in as many documents as it may be */
async function checkRoom(ctx: MutationCtx, session: Id<"sessions">): Promise<void> {
  const rows = await ctx.db
    .query("presence")
    .withIndex("by_session", (q) => q.eq("session", session))
    .take(limits.presenceDocuments);
  if (rows.length === limits.presenceDocuments)
    throw new ConvexError({
      code: "too_large" as const,
      message: `A session is shown in ${limits.presenceDocuments} documents at most; leave one before.`,
    });
}

/**
 * Who is in a document. Nothing but its presence rows is read: neither sessions, which a heartbeat writes, nor the
 * time, nor the document, which an edit writes.
 */
export const list = query({
  args: { collection: v.string(), scope: v.string(), document: v.string() },
  returns: vPresence,
  handler: async (ctx, { collection, scope, document }) => {
    const rows = await ctx.db
      .query("presence")
      .withIndex("by_document", (q) =>
        q.eq("collection", collection).eq("scope", scope).eq("document", document),
      )
      .take(limits.presenceShown + 1);
    const entries = rows
      .slice(0, limits.presenceShown)
      .map(({ peer, user, state, updatedAt }) => ({ peer, user, state, updatedAt }));
    return { entries, more: rows.length > limits.presenceShown };
  },
});

/**
 * The scope that a document's newest main state is in; null: there is no such document. Call it with
 * `useStaleSnapshot`: edits of the document then do not conflict with the caller.
 */
export const scopeOf = query({
  args: { collection: v.string(), document: v.string() },
  returns: v.union(v.string(), v.null()),
  handler: async (ctx, { collection, document }) => {
    const delta = await ctx.db
      .query("deltas")
      .withIndex("by_document", (q) => q.eq("collection", collection).eq("document", document))
      .order("desc")
      .first();
    if (delta !== null) return delta.scope;
    const snapshot = await ctx.db
      .query("snapshots")
      .withIndex("by_document", (q) => q.eq("collection", collection).eq("document", document))
      .first();
    return snapshot?.scope ?? null;
  },
});
