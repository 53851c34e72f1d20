import { v } from "convex/values";
import { limits } from "../shared/limits.js";
import { vScopeCursor, type ScopeCursor } from "../shared/sessionWire.js";
import { mutation, type MutationCtx } from "./_generated/server.js";
import { removeSession } from "./removeSession.js";
import { keepSleeper } from "./sweepSessions.js";

const vUser = v.union(v.string(), v.null());

/** Begins a tab's session, or renews the one it has. */
export const join = mutation({
  args: { client: v.string(), tab: v.string(), user: vUser, cursors: v.array(vScopeCursor) },
  returns: v.object({ session: v.string(), peer: v.string() }),
  handler: async (ctx, { client, tab, user, cursors }) => {
    const now = Date.now();
    await keepSleeper(ctx, now);
    const own = await ctx.db
      .query("sessions")
      .withIndex("by_client", (q) => q.eq("client", client).eq("user", user).eq("tab", tab))
      .unique();
    if (own !== null) {
      await ctx.db.patch("sessions", own._id, seenNow(now, cursors));
      return { session: own._id, peer: own.peer };
    }
    await makeRoom(ctx, client, user);
    const peer = crypto.randomUUID();
    const session = await ctx.db.insert("sessions", { client, tab, user, peer, ...seenNow(now, cursors) });
    return { session, peer };
  },
});

/**
 * Puts a session's deadline off. One that comes early, within half an interval, writes nothing: however often a client
 * calls, a row is written twice an interval at most.
 */
export const heartbeat = mutation({
  args: { session: v.string(), user: vUser, cursors: v.optional(v.array(vScopeCursor)) },
  returns: v.union(v.literal("alive"), v.literal("gone"), v.literal("denied")),
  handler: async (ctx, { session, user, cursors }) => {
    const id = ctx.db.normalizeId("sessions", session);
    const row = id === null ? null : await ctx.db.get("sessions", id);
    if (row === null) return "gone";
    if (row.user !== user) return "denied";
    const now = Date.now();
    if (now - row.seenAt < limits.heartbeatMs / 2) return "alive";
    await ctx.db.patch("sessions", row._id, seenNow(now, cursors ?? row.cursors));
    return "alive";
  },
});

/** Ends a session at once. @returns `gone`: it has ended already */
export const leave = mutation({
  args: { session: v.string(), user: vUser },
  returns: v.union(v.literal("left"), v.literal("gone"), v.literal("denied")),
  handler: async (ctx, { session, user }) => {
    const id = ctx.db.normalizeId("sessions", session);
    const row = id === null ? null : await ctx.db.get("sessions", id);
    if (row === null) return "gone";
    if (row.user !== user) return "denied";
    await removeSession(ctx, row._id);
    return "left";
  },
});

function seenNow(now: number, cursors: ScopeCursor[]) {
  return { seenAt: now, deadline: now + limits.sessionDeadlineMs, cursors };
}

/** Of a client and user that has all the sessions it may have, the one not seen for longest leaves. */
async function makeRoom(ctx: MutationCtx, client: string, user: string | null): Promise<void> {
  const others = await ctx.db
    .query("sessions")
    .withIndex("by_client", (q) => q.eq("client", client).eq("user", user))
    .take(limits.clientSessions);
  if (others.length < limits.clientSessions) return;
  const oldest = others.reduce((a, b) => (b.seenAt < a.seenAt ? b : a));
  await removeSession(ctx, oldest._id);
}
