import { toReplicaError, type ReplicaError } from "./base/errors.js";
import type { LeaderStatus } from "./base/tabMessages.js";
import type { ReplicaStatus } from "./base/types.js";
import type { StorageUse } from "./ports/storageSpace.js";
import type { LocalTransaction } from "./view/localTransaction.js";

/** What a replica's status is made of. */
export interface StatusSources {
  readonly leaderStatus: LeaderStatus;
  readonly isConnected: boolean;
  readonly isLeader: boolean;
  readonly transactions: readonly LocalTransaction[];
  readonly isOpening: boolean;
  readonly readOnly: ReplicaError | null;
  readonly storage: StorageUse | null;
}

/** A replica's status: the same object until something in it changes. */
export class StatusBoard {
  readonly #sources: () => StatusSources;
  #shown: ReplicaStatus | null = null;

  constructor(sources: () => StatusSources) {
    this.#sources = sources;
  }

  get(): ReplicaStatus {
    return (this.#shown ??= this.#compute());
  }

  /** @returns whether the status is another one */
  refresh(): boolean {
    const next = this.#compute();
    if (this.#shown !== null && JSON.stringify(this.#shown) === JSON.stringify(next)) return false;
    this.#shown = next;
    return true;
  }

  #compute(): ReplicaStatus {
    const { leaderStatus, isConnected, isLeader, transactions, ...rest } = this.#sources();
    const { scopes, lastSyncAt, blocked, tooNew } = leaderStatus;
    return {
      connection: isConnected ? "connected" : "disconnected",
      leader: isLeader,
      pending: transactions.filter((transaction) => transaction.isUnfinished).length,
      failed: transactions.filter((transaction) => transaction.phase === "failed").length,
      scopes,
      lastSyncAt,
      tooNew,
      blocked: blocked === null ? null : toReplicaError(blocked),
      ...rest,
    };
  }
}
