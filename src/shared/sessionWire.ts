// Sessions and presence on the wire: app functions validate with these, the browser takes its types from them.
import { v, type Infer, type ObjectType } from "convex/values";

/** How far a client has read a scope. */
export const vScopeCursor = v.object({ collection: v.string(), scope: v.string(), ts: v.int64() });
export type ScopeCursor = Infer<typeof vScopeCursor>;

export const joinArgs = {
  client: v.string(),
  /** A random id that this tab keeps and shows to nobody: with it an anonymous session is found again. */
  tab: v.string(),
  cursors: v.optional(v.array(vScopeCursor)),
};
export type JoinArgs = ObjectType<typeof joinArgs>;

export const vJoinResult = v.object({
  /** By this the session is addressed. Shown to nobody: who has it acts for an anonymous user. */
  session: v.string(),
  /** By this others see the session in presence, and a client knows itself there. */
  peer: v.string(),
  /** How often to call `heartbeat`. */
  heartbeatMs: v.number(),
});
export type JoinResult = Infer<typeof vJoinResult>;

export const heartbeatArgs = {
  session: v.string(),
  /** Omitted: as told last. */
  cursors: v.optional(v.array(vScopeCursor)),
};
export type HeartbeatArgs = ObjectType<typeof heartbeatArgs>;

/** `gone`: the session missed its deadline, or has left. Join again, and set presence again. */
export const vHeartbeatResult = v.union(
  v.object({ type: v.literal("alive") }),
  v.object({ type: v.literal("gone") }),
);
export type HeartbeatResult = Infer<typeof vHeartbeatResult>;

export const leaveArgs = { session: v.string() };
export type LeaveArgs = ObjectType<typeof leaveArgs>;

export const setPresenceArgs = {
  session: v.string(),
  collection: v.string(),
  /** The scope in which the client holds the document. */
  scope: v.string(),
  document: v.string(),
  /** Any value; null: not shown there any more. */
  state: v.any(),
};
export type SetPresenceArgs = ObjectType<typeof setPresenceArgs>;

/**
 * `gone`: as for a heartbeat. `elsewhere`: the server does not hold the document in this scope (it was not pushed yet,
 * or has moved), and shows the session in it no more; set again once the stream has told where it is.
 */
export const vSetPresenceResult = v.union(
  v.object({ type: v.literal("set") }),
  v.object({ type: v.literal("gone") }),
  v.object({ type: v.literal("elsewhere") }),
);
export type SetPresenceResult = Infer<typeof vSetPresenceResult>;

/** Nothing of the asking client's own: those who watch one document ask with equal arguments. */
export const presenceArgs = { collection: v.string(), scope: v.string(), document: v.string() };
export type PresenceArgs = ObjectType<typeof presenceArgs>;

export const vPresenceEntry = v.object({
  peer: v.string(),
  /** As the server knows the user, whatever the state says. */
  user: v.union(v.string(), v.null()),
  state: v.any(),
  /** When the state was set, in ms since 1970. */
  updatedAt: v.number(),
});
export type PresenceEntry = Infer<typeof vPresenceEntry>;

/** Who is in a document, in the order in which they came; `more`: others are there, who are not listed. */
export const vPresence = v.object({ entries: v.array(vPresenceEntry), more: v.boolean() });

/** `denied`: the user may not read the scope (any more). */
export const vPresenceResult = v.union(
  v.object({ type: v.literal("presence"), ...vPresence.fields }),
  v.object({ type: v.literal("denied") }),
);
export type PresenceResult = Infer<typeof vPresenceResult>;
