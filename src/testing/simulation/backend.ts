// What a simulation asks of the server under test, wherever the app's functions and the real component run.
import type { FunctionReference } from "convex/server";
import type { PlainRow } from "../../collections/index.js";
import type { ReplicaApi } from "../../shared/replicaApi.js";
import type { Violation } from "../violation.js";
import type { Timeline } from "./timeline.js";

/** What is stored of a document, in the order in which it is applied. */
export interface StoredState {
  readonly collection: string;
  readonly id: string;
  /** null: nothing is stored of it. */
  readonly scope: string | null;
  /** When it last changed. */
  readonly ts: bigint;
  readonly blobs: readonly ArrayBuffer[];
}

/** What a commit has left behind. */
export interface Left {
  /** Whether it was one that may change what anybody could see. */
  readonly mayChange: boolean;
  /** Of each collection that was ever given one, by name. */
  readonly epochs: ReadonlyMap<string, string>;
  /** Of which nothing is stored may be left out. */
  readonly states: readonly StoredState[];
  /** Which release of the app has made it. */
  readonly version: number;
  /** The app's rows as its own functions read them, by collection: of those that have a table. */
  readonly rows: ReadonlyMap<string, readonly PlainRow[]>;
}

/** The world of one simulation, which a server lives in: its time and randomness are the simulation's. */
export interface Surroundings {
  readonly seed: number;
  readonly timeline: Timeline;
  /** To be told of each commit that may have changed documents, in order, before any query is answered after it. */
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
  /** What is done every hour and every day: leaves are pruned, receipts retired. */
  tidy(): Promise<void>;
}

/** Nothing was done, for too many wanted the same at once: a client's socket is closed, and it comes back with the same. */
export class OverloadError extends Error {
  override readonly name = "OverloadError";
}
