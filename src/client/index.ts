export { createReplica } from "./createReplica.js";
export { ReplicaError, type ReplicaErrorOptions } from "./base/errors.js";
export type { Storage } from "./ports/storage.js";
export type { ConvexClientLike } from "./ports/transport.js";
export { MemoryDatabase, MemoryStorage } from "./store/memoryStorage.js";
export type {
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
  Transaction,
  TransactionFilter,
  TransactionState,
} from "./base/types.js";
export type { ReplicaApi } from "../shared/replicaApi.js";
