import type { FunctionReference } from "convex/server";
import type { ObjectType } from "convex/values";
import type { PullArgs, PullResult, PushArgs, PushResult, statusArgs, TransactionStatus } from "./wire.js";

type Query<Args extends Record<string, unknown>, Result> = FunctionReference<"query", "public", Args, Result>;
type Mutation<Args extends Record<string, unknown>, Result> = FunctionReference<
  "mutation",
  "public",
  Args,
  Result
>;

/** What `api.replicate` must hold: functions that `replicate.api()` returned. */
export interface ReplicaApi {
  readonly push: Mutation<PushArgs, PushResult>;
  readonly pull: Query<PullArgs, PullResult>;
  readonly status: Query<ObjectType<typeof statusArgs>, TransactionStatus[]>;
}
