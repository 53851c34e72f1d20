// What a simulation asks of the server under test, wherever the real functions and the real component run.
import type { FunctionReference } from "convex/server";
import type { PlainRow } from "../../collections/index.js";
import type { Operation } from "../../shared/operations.js";
import type { ReplicaApi } from "../../shared/replicaApi.js";

/** What the app's hooks decide by: the simulation changes it while it runs. */
export interface AccessRules {
  mayRead(user: string | null, scope: string): boolean;
}

export interface ServerWrite {
  readonly document: string;
  readonly operations: readonly Operation[];
}

export interface Backend {
  readonly api: ReplicaApi;
  /** As a client calls them, signed in as `user`, or anonymously. */
  query(query: FunctionReference<"query">, args: object, user: string | null): Promise<unknown>;
  mutation(mutation: FunctionReference<"mutation">, args: object, user: string | null): Promise<unknown>;
  /** The app's rows of `sites`, as its own functions read them. */
  rows(): Promise<PlainRow[]>;
  /** What is stored of documents of `sites`, in the order in which it is applied; scope null: nothing is. */
  states(documents: readonly string[]): Promise<{ scope: string | null; blobs: ArrayBuffer[] }[]>;
  /** In one mutation of the app's, by its writer. @returns when it committed */
  write(changes: readonly ServerWrite[]): Promise<bigint>;
  compact(documents: readonly string[]): Promise<void>;
  /** @returns when it committed */
  purge(document: string): Promise<bigint>;
  /** What is done every hour and every day: leaves are pruned, receipts retired. */
  tidy(): Promise<void>;
  /** @returns its name */
  newEpoch(): Promise<string>;
  /**
   * Takes a backup. Not every driver can: then none is ever restored.
   *
   * @returns restores it, under the timestamps that it had, and ends with a new epoch; @returns its name
   */
  backUp?(): Promise<() => Promise<string>>;
  /** Resolves once no function runs that this has begun. */
  idle(): Promise<void>;
}

/** Starts an empty server. It lives in the world of one simulation: its time and randomness are the simulation's. */
export type BackendDriver = (rules: AccessRules, seed: number) => Promise<Backend>;
