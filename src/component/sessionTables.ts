import { defineTable } from "convex/server";
import { v } from "convex/values";
import { vScopeCursor } from "../shared/sessionWire.js";

const vUser = v.union(v.string(), v.null());

export const sessionTables = {
  // One row per tab. Written by join; patched by that tab's heartbeats, which touch nothing else; deleted by leave, by
  // a join of its client that is over the limit, and once its deadline has passed. Its id is a secret of the tab. Read
  // by its own tab's calls, and by the sweep on a stale snapshot.
  sessions: defineTable({
    client: v.string(),
    tab: v.string(),
    user: vUser,
    /** By which others know it. */
    peer: v.string(),
    seenAt: v.number(),
    deadline: v.number(),
    cursors: v.array(vScopeCursor),
  })
    .index("by_client", ["client", "user", "tab"])
    .index("by_deadline", ["deadline"]),

  // One row per session and document, under the scope in which the document was when it was written. A row is there
  // only as long as its session is: it is inserted where the session was read, and deleted in the transaction that
  // deletes the session. Written by setPresence. Read by the presence query (by_document), which reads nothing else.
  presence: defineTable({
    collection: v.string(),
    scope: v.string(),
    document: v.string(),
    session: v.id("sessions"),
    peer: v.string(),
    user: vUser,
    state: v.any(),
    updatedAt: v.number(),
  })
    .index("by_document", ["collection", "scope", "document"])
    .index("by_session", ["session", "collection", "document"]),

  // At most one row: how many live sessions read each collection. Written by the sweep of sessions, when it wakes and
  // finds others than before. Read by the sweep and by health, which a heartbeat must not re-run.
  audiences: defineTable({
    counts: v.array(v.object({ collection: v.string(), sessions: v.number() })),
  }),

  // At most one row: as long as it stands, the sweep named after its id runs. Written by the first join, deleted by
  // the sweep that finds no session. Read by join and by the sweep.
  sleepers: defineTable({ task: v.literal("sessions"), startedAt: v.number() }).index("by_task", ["task"]),
};
