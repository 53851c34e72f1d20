import { limits } from "../shared/limits.js";
import type { Id } from "./_generated/dataModel.js";
import type { MutationCtx } from "./_generated/server.js";

/** Deletes a session and all that shows it. It has `limits.presenceDocuments` rows at most. */
export async function removeSession(ctx: MutationCtx, session: Id<"sessions">): Promise<void> {
  const shown = await ctx.db
    .query("presence")
    .withIndex("by_session", (q) => q.eq("session", session))
    .take(limits.presenceDocuments);
  for (const { _id } of shown) await ctx.db.delete("presence", _id);
  await ctx.db.delete("sessions", session);
}
