import { toReplicaError, type ReplicaError } from "./base/errors.js";
import type { LeaderStatus } from "./base/tabMessages.js";
import type { ReplicaStatus } from "./base/types.js";
import type { StorageUse } from "./ports/storageSpace.js";

/** What a replica's status is made of. */
export interface StatusSources {
  readonly leaderStatus: LeaderStatus;
  readonly isConnected: boolean;
  readonly isLeader: boolean;
  /** Of transactions. */
  readonly counts: { readonly unfinished: number; readonly failed: number };
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
    if (this.#shown !== null && isSameStatus(this.#shown, next)) return false;
    this.#shown = next;
    return true;
  }

  #compute(): ReplicaStatus {
    const { leaderStatus, isConnected, isLeader, counts, ...rest } = this.#sources();
    const { scopes, lastSyncAt, blocked, tooNew } = leaderStatus;
    return {
      connection: isConnected ? "connected" : "disconnected",
      leader: isLeader,
      pending: counts.unfinished,
      failed: counts.failed,
      scopes,
      lastSyncAt,
      tooNew,
      blocked: blocked === null ? null : toReplicaError(blocked),
      ...rest,
    };
  }
}

/** Most of it is the same object as before: only what is another one is looked into. */
function isSameStatus(a: ReplicaStatus, b: ReplicaStatus): boolean {
  const names = Object.keys(a) as (keyof ReplicaStatus)[];
  return names.every((name) => a[name] === b[name] || JSON.stringify(a[name]) === JSON.stringify(b[name]));
}
