export { createReplica } from "./createReplica.js";
export { lastUser } from "./lastUser.js";
export { ReplicaError, type ReplicaErrorOptions } from "./base/errors.js";
export type { Storage } from "./ports/storage.js";
export type { ConvexClientLike } from "./ports/transport.js";
export { MemoryDatabase, MemoryStorage } from "./store/memoryStorage.js";
export type { InspectOptions, InspectedTransaction, Inspection } from "./base/inspection.js";
export type { CollectionOverrides, OverridesOf } from "./base/overrides.js";
export { NonRetriableError, type PersistRequest } from "./base/persistence.js";
export type { PendingChange } from "./core/rebase.js";
export type { RetryPolicy } from "./core/retry.js";
export type {
  Attempt,
  Change,
  Observable,
  OrderBy,
  Query,
  QueryOptions,
  Replica,
  ReplicaCollection,
  ReplicaEvents,
  ReplicaOptions,
  ReplicaStatus,
  RowStatus,
  ScopeState,
  ScopeStatus,
  Subscription,
  TransactOptions,
  Transaction,
  TransactionFilter,
  TransactionState,
  TransactionStrategy,
} from "./base/types.js";
export type { ReplicaApi } from "../shared/replicaApi.js";
