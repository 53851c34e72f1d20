import type { JSONValue } from "convex/values";
import type { Clock } from "../clock.js";
import type { Conflict, FunctionKind, Identity } from "./engine.js";
import type { Commit, VersionedStore } from "../mvcc/versionedStore.js";
import type { Usage } from "../values/usage.js";
import type { FunctionResult, Request, TransactionCall } from "./execution.js";
import type { Files } from "./files.js";
import type { FunctionPath, Functions } from "./functions.js";
import type { Gate } from "./gate.js";
import type { Random } from "./random.js";
import type { Tables } from "./tables.js";
import type { Turns } from "./turns.js";
import type { EnvironmentVariables } from "./variables.js";

/** A function that begins a transaction, or an action, of its own. */
export interface TopLevelCall {
  readonly kind: FunctionKind;
  readonly path: FunctionPath;
  /** The arguments object, as Convex JSON. */
  readonly args: JSONValue;
  readonly identity: Identity | null;
  readonly request: Request;
}

/** The deployment, as running functions reach it. */
export interface Host {
  readonly store: VersionedStore;
  readonly tables: Tables;
  readonly turns: Turns;
  readonly gate: Gate;
  readonly clock: Clock;
  readonly random: Random;
  readonly files: Files;
  readonly variables: EnvironmentVariables;
  /** Of the newest push. */
  readonly functions: Functions;
  /** What a read takes, where one is ordered; null: no time. */
  readonly readLatency: (() => Promise<void>) | null;
  /** How many rows of a query one read brings. */
  readonly readAheadRows: number;
  createUsage(): Usage;
  sleep(ms: number): Promise<void>;
  /** To be called at each commit, before anything else runs. */
  noteCommit(commit: Commit): void;
  /** To be called when a transaction is thrown away because of what another has written. */
  noteConflict(conflict: Conflict): void;
  /** Runs a function in a transaction that has begun. @throws FunctionError, whatever the function threw */
  runInTransaction(call: TransactionCall): Promise<FunctionResult>;
  /** Runs a function by itself, for an action. @returns Convex JSON. @throws FunctionError */
  call(call: TopLevelCall): Promise<JSONValue>;
}
