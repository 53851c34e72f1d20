// What a simulation asks of the server under test, wherever the real functions and the real component run.
import type { FunctionReference } from "convex/server";
import type { PlainRow } from "../../collections/index.js";
import type { Operation } from "../../shared/operations.js";
import type { ReplicaApi } from "../../shared/replicaApi.js";
import type { Violation } from "../violation.js";
import type { Timeline } from "./timeline.js";

/** What the app's hooks decide by: the simulation changes it while it runs. */
export interface AccessRules {
  mayRead(user: string | null, scope: string): boolean;
}

export interface ServerWrite {
  readonly document: string;
  readonly operations: readonly Operation[];
}

/** What is stored of a document, in the order in which it is applied; scope null: nothing is. */
export interface StoredState {
  readonly scope: string | null;
  readonly blobs: readonly ArrayBuffer[];
}

/** Where nothing is read of the collection but its epoch. */
export const endOfStream = { collection: "sites", scope: "DE", cursor: { ts: 2n ** 62n, document: "" } };

/** What a commit has left behind. */
export interface Left {
  /** When it was; null: it was none that may change what anybody could see. */
  readonly ts: bigint | null;
  /** The collection's. */
  readonly epoch: string;
  /** Of {@link Surroundings.documents}. */
  readonly states: readonly StoredState[];
  /** Which release has made it. */
  readonly version: number;
  /** The app's rows of `sites`, as its own functions read them. */
  readonly rows: readonly PlainRow[];
}

/** The world of one simulation, which a server lives in: its time and randomness are the simulation's. */
export interface Surroundings extends AccessRules {
  readonly seed: number;
  readonly timeline: Timeline;
  /** Of `sites`: those that are looked at. */
  readonly documents: readonly string[];
  /** To be told of each commit that may have changed them, in order, before any query is answered after it. */
  onCommit(left: Left): void;
  /** What was asked may be answered differently from now on. */
  onChange(): void;
  /** For the trace: what happened within the server. */
  note(line: string): void;
  /** Something has not gone as it must. It is kept until nothing goes on that it could disturb. */
  onViolation(violation: Violation): void;
}

/** Whether time passes while a call runs is the engine's affair: then others run meanwhile. */
export interface Backend {
  readonly api: ReplicaApi;
  /** As a client calls it, signed in as `user`, or anonymously. No time passes meanwhile. */
  query(query: FunctionReference<"query">, args: object, user: string | null): Promise<unknown>;
  /** @throws OverloadError if it is to be sent again */
  mutation(mutation: FunctionReference<"mutation">, args: object, user: string | null): Promise<unknown>;
  /** In one mutation of the app's, by its writer; as version 1 writes it. @returns false: by now the documents are such that it is refused */
  write(changes: readonly ServerWrite[]): Promise<boolean>;
  /** From now on functions are those of this release; what runs runs on. */
  deploy(version: number): void;
  compact(documents: readonly string[]): Promise<void>;
  purge(document: string): Promise<void>;
  /** What is done every hour and every day: leaves are pruned, receipts retired. */
  tidy(): Promise<void>;
  newEpoch(): Promise<void>;
  /**
   * Takes a backup. Not every engine can: then none is ever restored.
   *
   * @returns restores it, under the timestamps that it had, and ends with a new epoch; `onRestored` is called before its
   *   commit is told of
   */
  backUp?(): Promise<(onRestored: () => void) => Promise<void>>;
}

/** Nothing was done, for too many wanted the same at once: a client's socket is closed, and it comes back with the same. */
export class OverloadError extends Error {
  override readonly name = "OverloadError";
}

/** How a server comes into the world of a simulation. */
export interface BackendDriver {
  /** What runs the functions, by name. */
  readonly engine: string;
  /** Whether who asks for the time or for random numbers is a function that the engine has its own for. */
  hasOwnGlobals(): boolean;
  /** When a run begins, in milliseconds since 1970. */
  beginsAt(seed: number): number;
  /** Loads whatever takes real time: in a world that is sealed nothing may, for it would draw from its numbers. */
  prepare(): Promise<void>;
  /** Starts an empty server. */
  start(surroundings: Surroundings): Promise<Backend>;
}
