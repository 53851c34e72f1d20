// Sessions that missed their deadline are removed by one sleeper, a scheduled function that schedules itself again.
//
//   no sleeper ──join──▶ asleep ──wakes──▶ hands what has expired to `expire`, one call a session ──▶ asleep
//        ▲                                              │
//        └────────────── there is no session ───────────┘
//
// It never multiplies: `sleepers` has one row, and a wake-up carries its id. A row is inserted only where none was
// read, in the transaction that schedules the first wake-up; a wake-up schedules one successor, or deletes the row;
// one whose row is gone ends.
//
// It never dies: a wake-up can hardly fail, for it only reads a bounded range and schedules; what works on the
// sessions are functions of their own. It stops only where a live read of `sessions` finds none, which conflicts with
// a join that comes in the same moment; and that join has read the row, so that it conflicts too. If the chain is
// broken all the same (scheduled functions are not in a backup that is restored), sessions stay that should be gone
// long since: the next join sees that, and puts another sleeper in its place.
//
// It never conflicts with a heartbeat of a live session: it reads sessions on a stale snapshot, and joins read its row,
// which stays as it is from start to stop.
import { v } from "convex/values";
import { limits } from "../shared/limits.js";
import { internal } from "./_generated/api.js";
import type { Id } from "./_generated/dataModel.js";
import { internalMutation, internalQuery, type MutationCtx } from "./_generated/server.js";
import { log } from "./log.js";
import { noteAudiences } from "./readers.js";
import { removeSession } from "./removeSession.js";

/** Makes sure, in the transaction of a join, that somebody wakes up when a deadline has passed. */
export async function keepSleeper(ctx: MutationCtx, now: number): Promise<void> {
  const sleeper = await ctx.db
    .query("sleepers")
    .withIndex("by_task", (q) => q.eq("task", "sessions"))
    .unique();
  if (sleeper !== null) {
    // One that has begun lately may not have come to what it finds there.
    if (now - sleeper.startedAt < limits.sleeperLateMs) return;
    if (!(await isLate(ctx, now))) return;
    await ctx.db.delete("sleepers", sleeper._id);
  }
  const started = await ctx.db.insert("sleepers", { task: "sessions", startedAt: now });
  await ctx.scheduler.runAfter(sleeper === null ? limits.sessionDeadlineMs : 0, internal.sweepSessions.wake, {
    sleeper: started,
    from: 0,
  });
}

/** Whether there are sessions that should have been removed long ago. No live session's row comes so far back. */
async function isLate(ctx: MutationCtx, now: number): Promise<boolean> {
  const late = await ctx.db
    .query("sessions")
    .withIndex("by_deadline", (q) => q.lt("deadline", now - limits.sleeperLateMs))
    .first();
  return late !== null;
}

/**
 * What the sleeper does when it wakes. `from`: deadlines before it are done. Without it each wake-up would pass over
 * all that was deleted from the front of the index and lingers there.
 */
export const wake = internalMutation({
  args: { sleeper: v.id("sleepers"), from: v.number() },
  returns: v.null(),
  handler: async (ctx, { sleeper, from }) => {
    if ((await ctx.db.get("sleepers", sleeper)) === null) return null;
    const now = Date.now();
    const due: { expired: Id<"sessions">[]; next: number | null } = await ctx.runQuery(
      internal.sweepSessions.due,
      { from, now },
      { useStaleSnapshot: true },
    );
    const { expired, next } = due;
    if (expired.length > 0) log("DEBUG", "sessionsExpired", { sessions: expired.length });
    for (const session of expired)
      await ctx.scheduler.runAfter(0, internal.sweepSessions.expire, { session });
    await noteAudiences(ctx, now);
    const isDone = expired.length === 0 && next === null;
    if (isDone && !(await hasSessions(ctx))) {
      await ctx.db.delete("sleepers", sleeper);
      return null;
    }
    const pauseMs = Math.max((next ?? now) - now, limits.sweepPauseMs);
    // Where more have expired than one wake-up takes, the rest begins at `next`. Else a session that beat after the
    // stale snapshot was taken stands in it under an earlier deadline, and one that could not be removed is met again.
    const done = next !== null && next <= now ? next : now - limits.sessionDeadlineMs;
    await ctx.scheduler.runAfter(pauseMs, internal.sweepSessions.wake, { sleeper, from: isDone ? 0 : done });
    return null;
  },
});

/** Sessions whose deadline has passed, in its order, and the first deadline after those. */
export const due = internalQuery({
  args: { from: v.number(), now: v.number() },
  returns: v.object({ expired: v.array(v.id("sessions")), next: v.union(v.number(), v.null()) }),
  handler: async (ctx, { from, now }) => {
    const expired = [];
    const rows = ctx.db.query("sessions").withIndex("by_deadline", (q) => q.gte("deadline", from));
    for await (const { _id, deadline } of rows) {
      if (deadline > now || expired.length === limits.sweptSessions) return { expired, next: deadline };
      expired.push(_id);
    }
    return { expired, next: null };
  },
});

/**
 * Removes one session, if its deadline has passed. It reads only this session: a heartbeat of it in the same moment
 * comes before, and it lives, or after, and is told that it is gone.
 */
export const expire = internalMutation({
  args: { session: v.id("sessions") },
  returns: v.null(),
  handler: async (ctx, { session }) => {
    const row = await ctx.db.get("sessions", session);
    if (row !== null && row.deadline <= Date.now()) await removeSession(ctx, session);
    return null;
  },
});

async function hasSessions(ctx: MutationCtx): Promise<boolean> {
  return (await ctx.db.query("sessions").withIndex("by_deadline").first()) !== null;
}
