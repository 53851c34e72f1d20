import {
  mutationGeneric,
  queryGeneric,
  type GenericDataModel,
  type GenericMutationCtx,
  type GenericQueryCtx,
} from "convex/server";
import { getConvexSize, v, type Value } from "convex/values";
import { limits } from "../shared/limits.js";
import {
  heartbeatArgs,
  joinArgs,
  leaveArgs,
  presenceArgs,
  setPresenceArgs,
  vHeartbeatResult,
  vJoinResult,
  vPresenceResult,
  vSetPresenceResult,
  type ScopeCursor,
} from "../shared/sessionWire.js";
import { faultOfId } from "./checkPush.js";
import { coded } from "./refuse.js";
import type { RegisteredCollection, Registry } from "./registration.js";
import type { ReplicateFunctions } from "./types.js";

type QueryCtx = GenericQueryCtx<GenericDataModel>;
type MutationCtx = GenericMutationCtx<GenericDataModel>;
type SessionFunctions = Pick<ReplicateFunctions, "join" | "heartbeat" | "leave" | "setPresence" | "presence">;
type Place = { readonly collection: string; readonly scope: string; readonly document: string };

/**
 * Sessions and presence, as clients call them.
 *
 * Who may see presence (I-12). A client says which scope it holds the document in, and the scope's `read` hook is
 * asked. Presence rows are stored under (collection, scope, document), and `setPresence` stores one only after it has
 * found that the document's newest main state is in that scope. So what a reader of a scope can find under it was
 * written while the document was there, for readers of that scope; asking with another scope finds nothing. The query
 * itself need not know where the document is, and must not: to read its deltas would re-run it at each edit. When a
 * document moves, what is set from then on is under the new scope, a session's old row goes there with it, and what
 * the others had shown in the old scope dies with their sessions.
 */
export function sessionFunctions(registry: Registry): SessionFunctions {
  const { sessions, presence } = registry.component;
  return {
    join: mutationGeneric({
      args: joinArgs,
      returns: vJoinResult,
      handler: async (ctx: MutationCtx, { client, tab, cursors = [] }) => {
        checkId("client id", client);
        checkId("tab id", tab);
        checkCursors(cursors);
        const user = await registry.user(ctx);
        const joined = await ctx.runMutation(sessions.join, { client, tab, user, cursors });
        return { ...joined, heartbeatMs: limits.heartbeatMs };
      },
    }),
    heartbeat: mutationGeneric({
      args: heartbeatArgs,
      returns: vHeartbeatResult,
      handler: async (ctx: MutationCtx, { session, cursors }) => {
        checkId("session id", session);
        checkCursors(cursors ?? []);
        const user = await registry.user(ctx);
        const type = await ctx.runMutation(sessions.heartbeat, {
          session,
          user,
          ...(cursors === undefined ? {} : { cursors }),
        });
        if (type === "denied") throw notYours();
        return { type };
      },
    }),
    leave: mutationGeneric({
      args: leaveArgs,
      returns: v.null(),
      handler: async (ctx: MutationCtx, { session }) => {
        checkId("session id", session);
        const user = await registry.user(ctx);
        const result = await ctx.runMutation(sessions.leave, { session, user });
        if (result === "denied") throw notYours();
        return null;
      },
    }),
    setPresence: mutationGeneric({
      args: setPresenceArgs,
      returns: vSetPresenceResult,
      handler: async (ctx: MutationCtx, { session, state, ...place }) => {
        checkId("session id", session);
        checkState(state);
        const user = await registry.user(ctx);
        const { read } = findCollection(registry, place);
        // Whoever has lost a scope may still take back what is shown there.
        const isTakenBack = state === null;
        if (!isTakenBack && (await read(ctx, { user, scope: place.scope })) !== true)
          throw coded("denied", `Scope ${JSON.stringify(place.scope)} may not be read.`);
        const isThere = isTakenBack || (await isInScope(ctx, registry, place));
        const shown = { session, user, ...place, state: isThere ? state : null };
        const result = await ctx.runMutation(presence.set, shown);
        if (result === "denied") throw notYours();
        return { type: result === "set" && !isThere ? ("elsewhere" as const) : result };
      },
    }),
    presence: queryGeneric({
      args: presenceArgs,
      returns: vPresenceResult,
      handler: async (ctx: QueryCtx, place) => {
        const user = await registry.user(ctx);
        const { read } = findCollection(registry, place);
        if ((await read(ctx, { user, scope: place.scope })) !== true) return { type: "denied" as const };
        return { type: "presence" as const, ...(await ctx.runQuery(presence.list, place)) };
      },
    }),
  };
}

/** @throws ConvexError if there is no such collection, or can be no such document */
function findCollection(
  { collections }: Registry,
  { collection, scope, document }: Place,
): RegisteredCollection {
  const found = collections.get(collection);
  if (found === undefined)
    throw coded("unknown_collection", `The server has no collection ${JSON.stringify(collection)}.`);
  checkScope(scope);
  checkId("document id", document);
  return found;
}

/**
 * Whether the document's newest main state is in the scope, whatever the client says. On a stale snapshot, so that no
 * push to the document conflicts: where it is moving at this very moment, either answer is right.
 */
async function isInScope(
  ctx: MutationCtx,
  registry: Registry,
  { collection, scope, document }: Place,
): Promise<boolean> {
  const { scopeOf } = registry.component.presence;
  return (await ctx.runQuery(scopeOf, { collection, document }, { useStaleSnapshot: true })) === scope;
}

function notYours() {
  return coded("denied", "This session belongs to another user. Join as the user who is signed in now.");
}

function checkId(what: string, id: string): void {
  const fault = faultOfId(what, id);
  if (fault !== null) throw coded(id.length > limits.idLength ? "too_large" : "invalid_update", fault);
}

function checkScope(scope: string): void {
  if (scope.length > limits.idLength)
    throw coded("too_large", `A scope has at most ${limits.idLength} characters, this one ${scope.length}.`);
  if (isTorn(scope)) throw coded("invalid_update", "A scope holds half of a surrogate pair.");
}

function checkCursors(cursors: readonly ScopeCursor[]): void {
  if (cursors.length > limits.sessionCursors)
    throw coded(
      "too_large",
      `A session tells ${limits.sessionCursors} cursors at most, this one ${cursors.length}.`,
    );
  for (const { collection, scope, ts } of cursors) {
    checkId("collection name", collection);
    checkScope(scope);
    if (ts < 0n) throw coded("invalid_update", `A cursor's timestamp is not negative, got ${ts}.`);
  }
}

/** A state is shallow and short: its depth is looked at first, for what measures it goes down as deep. */
function checkState(state: Value): void {
  checkDepth(state, 1);
  const bytes = getConvexSize(state);
  if (bytes > limits.presenceBytes)
    throw coded(
      "too_large",
      `A presence state has ${limits.presenceBytes} bytes at most, this one ${bytes}.`,
    );
}

function checkDepth(value: Value | undefined, depth: number): void {
  if (typeof value === "string" && isTorn(value))
    throw coded("invalid_update", "A text in the presence state holds half of a surrogate pair.");
  if (typeof value !== "object" || value === null || value instanceof ArrayBuffer) return;
  if (depth > limits.valueDepth)
    throw coded("invalid_update", `The presence state is nested deeper than ${limits.valueDepth} levels.`);
  for (const member of Array.isArray(value) ? value : Object.values(value)) checkDepth(member, depth + 1);
}

/** Convex stores no such string. */
function isTorn(text: string): boolean {
  return /\p{Cs}/u.test(text);
}
