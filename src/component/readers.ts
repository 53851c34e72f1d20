// Who reads, as far as live sessions have told it: how many there are, and how far they have come. Sessions beat every
// few seconds: what is here is read on a stale snapshot only, by background work, and bounded.
import { v, type Infer } from "convex/values";
import { limits } from "../shared/limits.js";
import { compactionNeed } from "../shared/compaction.js";
import { internal } from "./_generated/api.js";
import type { Doc } from "./_generated/dataModel.js";
import { internalQuery, type MutationCtx, type QueryCtx } from "./_generated/server.js";
import type { Measured } from "./measure.js";

/** Sessions whose deadline has not passed, those first that will be heard of last. */
async function* liveSessions(ctx: QueryCtx, now: number): AsyncGenerator<Doc<"sessions">> {
  let [count, bytes] = [0, 0];
  const sessions = ctx.db
    .query("sessions")
    .withIndex("by_deadline", (q) => q.gt("deadline", now))
    .order("desc");
  for await (const session of sessions) {
    yield session;
    count += 1;
    for (const { collection, scope } of session.cursors) bytes += 2 * (collection.length + scope.length);
    if (count >= limits.countedSessions || bytes >= limits.countedBytes) return;
  }
}

const vLowest = v.array(v.object({ scope: v.string(), ts: v.int64() }));

/** How far the last of those who read them has come, in each of the scopes that anybody reads. */
export const lowestCursors = internalQuery({
  args: { collection: v.string(), scopes: v.array(v.string()), now: v.number() },
  returns: vLowest,
  handler: async (ctx, { collection, scopes, now }) => {
    const asked = new Set(scopes);
    const lowest = new Map<string, bigint>();
    for await (const { cursors } of liveSessions(ctx, now))
      for (const cursor of cursors) {
        if (cursor.collection !== collection || !asked.has(cursor.scope)) continue;
        const known = lowest.get(cursor.scope);
        if (known === undefined || cursor.ts < known) lowest.set(cursor.scope, cursor.ts);
      }
    return [...lowest].map(([scope, ts]) => ({ scope, ts }));
  },
});

/**
 * Whether those who read a scope have all passed a position. Sessions are looked at once for a whole batch, and only
 * if it holds a document that could be compacted.
 */
export async function readPassage(
  ctx: MutationCtx,
  collection: string,
  measured: readonly Measured[],
  now: number,
): Promise<(scope: string, ts: bigint) => boolean> {
  const waiting = measured.filter((each) => each.part === "" && compactionNeed(each) === "due");
  const scopes = [...new Set(waiting.flatMap(({ scope }) => scope ?? []))];
  if (scopes.length === 0) return () => true;
  const lowest: Infer<typeof vLowest> = await ctx.runQuery(
    internal.readers.lowestCursors,
    { collection, scopes, now },
    { useStaleSnapshot: true },
  );
  const byScope = new Map(lowest.map(({ scope, ts }) => [scope, ts]));
  return (scope, ts) => (byScope.get(scope) ?? ts) >= ts;
}

const vAudience = v.object({ collection: v.string(), sessions: v.number() });
type Audience = Infer<typeof vAudience>;

/** How many live sessions read each collection, by what they told. */
export const countSessions = internalQuery({
  args: { now: v.number() },
  returns: v.array(vAudience),
  handler: async (ctx, { now }) => {
    const counts = new Map<string, number>();
    for await (const { cursors } of liveSessions(ctx, now))
      for (const collection of new Set(cursors.map((cursor) => cursor.collection)))
        counts.set(collection, (counts.get(collection) ?? 0) + 1);
    // What is no collection may have been told as well: the row must not grow by that.
    return [...counts]
      .map(([collection, sessions]) => ({ collection, sessions }))
      .sort((a, b) => b.sessions - a.sessions || (a.collection < b.collection ? -1 : 1))
      .slice(0, limits.collections);
  },
});

/** Notes the counts for health, which must not read what beats. Written only if they are others than before. */
export async function noteAudiences(ctx: MutationCtx, now: number): Promise<void> {
  const counts: Audience[] = await ctx.runQuery(
    internal.readers.countSessions,
    { now },
    { useStaleSnapshot: true },
  );
  const row = await ctx.db.query("audiences").first();
  if (JSON.stringify(row?.counts ?? []) === JSON.stringify(counts)) return;
  if (row === null) await ctx.db.insert("audiences", { counts });
  else await ctx.db.patch("audiences", row._id, { counts });
}

export async function audienceOf(ctx: QueryCtx, collection: string): Promise<number> {
  const row = await ctx.db.query("audiences").first();
  return row?.counts.find((each) => each.collection === collection)?.sessions ?? 0;
}
