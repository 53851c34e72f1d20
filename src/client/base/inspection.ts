import type { Attempt, ReplicaStatus, TransactionState, TransactionStrategy } from "./types.js";
import type { Operation } from "../../shared/operations.js";

export interface InspectOptions {
  /** With what users wrote and what was said about it. Default: false, so that a report can be passed on. */
  readonly content?: boolean;
}

/** An error that was told lately. `message` may quote what was written: only with `content`. */
export interface InspectedError {
  readonly at: number;
  readonly code?: string;
  readonly name: string;
  readonly message?: string;
  readonly dataAtRisk: boolean;
}

/** A transaction in the outbox. Values, metadata and messages are there with `content` only. */
export interface InspectedTransaction {
  readonly id: string;
  /** Its place in the outbox; null: not stored. */
  readonly sequence: number | null;
  readonly state: TransactionState;
  readonly strategy: TransactionStrategy;
  readonly createdAt: number;
  readonly queuedBehind: readonly string[];
  readonly attempts: readonly (Omit<Attempt, "error"> & {
    readonly error: { readonly code?: string; readonly message?: string };
  })[];
  readonly error: {
    readonly code: string;
    readonly transactionId?: string;
    readonly message?: string;
  } | null;
  readonly changes: readonly {
    readonly collection: string;
    readonly id: string;
    readonly operations: readonly (
      Operation | { readonly type: Operation["type"]; readonly field?: string }
    )[];
  }[];
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/** A part that this tab has in memory. */
export interface InspectedPart {
  readonly collection: string;
  readonly id: string;
  readonly part: string;
  /** How many use it. */
  readonly users: number;
  readonly isLoaded: boolean;
  readonly bytes: number;
}

/** Everything about a replica at one moment, for devtools and bug reports. Plain JSON; times in ms since 1970. */
export interface Inspection {
  readonly at: number;
  readonly tab: string;
  /** Tabs that this one has heard of, itself included. */
  readonly tabs: number;
  /** Under which name the server knows this database, and under which Yjs client id it writes. */
  readonly client: string;
  readonly author: number;
  /** How often a tab has become the leader, and how often a leader has written. */
  readonly term: number;
  readonly commit: number;
  readonly status: Omit<ReplicaStatus, "blocked" | "scopes"> & { readonly blocked: string | null };
  readonly scopes: readonly {
    readonly collection: string;
    readonly scope: string;
    readonly state: string;
    readonly epoch: string | null;
    readonly cursor: { readonly ts: string; readonly document: string } | null;
    readonly isComplete: boolean;
  }[];
  readonly documents: readonly {
    readonly collection: string;
    readonly shown: number;
    readonly stored: number;
    readonly bytes: number;
  }[];
  readonly parts: readonly InspectedPart[];
  readonly outbox: readonly InspectedTransaction[];
  /** What was authored and is not settled. */
  readonly groups: readonly {
    readonly sequence: number;
    readonly transactions: readonly string[];
    readonly isAnswered: boolean;
    readonly updates: readonly {
      readonly collection: string;
      readonly document: string;
      readonly bytes: number;
      readonly author: number;
      readonly from: number;
      readonly to: number;
      readonly isCovered: boolean;
    }[];
  }[];
  /** The last ones. */
  readonly errors: readonly InspectedError[];
}
