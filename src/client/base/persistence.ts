import type { Change, Transaction } from "./types.js";

/** What a collection's own `persist` and `awaitSync` get. */
export interface PersistRequest {
  /** `id` is the same at each attempt: what is asked for twice under one id is to take effect once. */
  readonly transaction: Pick<Transaction, "id" | "createdAt" | "metadata" | "strategy">;
  readonly changes: readonly Change[];
  /** From 1. It also rises when a tab died in the middle of an attempt: what became of that one nobody knows. */
  readonly attempt: number;
  /** Aborted when the replica is closed or another tab takes over. */
  readonly signal: AbortSignal;
}

/** How a collection's transactions leave the device in place of the Convex push. */
export interface Persister {
  /**
   * Resolves once the transaction is applied for good. Throws to be tried again, {@link NonRetriableError} to fail. Six
   * are under way at a time at most: it is for the app to give up one that is not answered.
   */
  readonly persist: (request: PersistRequest) => Promise<unknown>;
  /** Resolves once what was persisted has come back; throws to be asked again. Default: at once. */
  readonly awaitSync?: (request: PersistRequest) => Promise<unknown>;
}

/** Thrown by a collection's own `persist`: the transaction fails at once, with this message. */
export class NonRetriableError extends Error {
  override readonly name: string = "NonRetriableError";
}
