import type { FunctionReference } from "convex/server";
import type { ObjectType } from "convex/values";
import type {
  RestoreVersionArgs,
  RestoreVersionResult,
  SaveVersionArgs,
  SaveVersionResult,
  VersionAtArgs,
  VersionAtResult,
  VersionsArgs,
  VersionsResult,
} from "./historyWire.js";
import type {
  HeartbeatArgs,
  HeartbeatResult,
  JoinArgs,
  JoinResult,
  LeaveArgs,
  PresenceArgs,
  PresenceResult,
  SetPresenceArgs,
  SetPresenceResult,
} from "./sessionWire.js";
import type {
  PullArgs,
  PullPartArgs,
  PullPartResult,
  PullResult,
  PushArgs,
  PushResult,
  statusArgs,
  TransactionStatus,
} from "./wire.js";

type Query<Args extends Record<string, unknown>, Result> = FunctionReference<"query", "public", Args, Result>;
type Mutation<Args extends Record<string, unknown>, Result> = FunctionReference<
  "mutation",
  "public",
  Args,
  Result
>;

/** Sessions and presence. */
export interface SessionApi {
  readonly join: Mutation<JoinArgs, JoinResult>;
  readonly heartbeat: Mutation<HeartbeatArgs, HeartbeatResult>;
  readonly leave: Mutation<LeaveArgs, null>;
  readonly setPresence: Mutation<SetPresenceArgs, SetPresenceResult>;
  readonly presence: Query<PresenceArgs, PresenceResult>;
}

/** Texts. */
export interface PartApi {
  readonly pullPart: Query<PullPartArgs, PullPartResult>;
}

/** Versions and points in time. */
export interface HistoryApi {
  readonly versions: Query<VersionsArgs, VersionsResult>;
  readonly versionAt: Query<VersionAtArgs, VersionAtResult>;
  readonly saveVersion: Mutation<SaveVersionArgs, SaveVersionResult>;
  readonly restoreVersion: Mutation<RestoreVersionArgs, RestoreVersionResult>;
}

/**
 * What `api.replicate` must hold: functions that `replicate.api()` returned. An app that shows no presence leaves
 * those of {@link SessionApi} out, one that keeps no history those of {@link HistoryApi}.
 */
export interface ReplicaApi extends Partial<SessionApi>, Partial<PartApi>, Partial<HistoryApi> {
  readonly push: Mutation<PushArgs, PushResult>;
  readonly pull: Query<PullArgs, PullResult>;
  readonly status: Query<ObjectType<typeof statusArgs>, TransactionStatus[]>;
}
