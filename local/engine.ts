// What runs functions, behind a narrow seam: the server knows nothing of how data is kept or how a transaction runs.
import type { JSONValue, Value } from "convex/values";
import type { ReadSet } from "./readSet.js";

export type FunctionKind = "query" | "mutation" | "action";

/** Who calls: the claims of a token, as Convex hands them to functions. */
export interface Identity {
  readonly subject: string;
  readonly issuer: string;
  readonly tokenIdentifier: string;
  readonly [claim: string]: JSONValue | undefined;
}

export interface FunctionCall {
  readonly kind: FunctionKind;
  /** `folder/module:name`. */
  readonly path: string;
  /** The arguments object, as Convex JSON. */
  readonly args: JSONValue;
  readonly identity: Identity | null;
  /** Whether internal functions may be called: by the operator, never by a client. */
  readonly isTrusted?: boolean;
}

export interface Usage {
  readonly rows: number;
  readonly bytes: number;
}

/** What a call came to. */
export type CallResult = {
  /** What the function wrote to the console, as Convex words it for clients. */
  readonly logLines: readonly string[];
  readonly read: Usage;
  readonly written: Usage;
} & (
  | { readonly ok: true; readonly value: JSONValue; readonly ts: bigint }
  | { readonly ok: false; readonly message: string; readonly data: JSONValue | undefined }
);

export type Document = Readonly<Record<string, Value>>;

/** One document that a transaction wrote; `null`: it was not there before, or is not after. */
export interface Write {
  /** Where the component is mounted; the app's own tables: "". */
  readonly component: string;
  readonly table: string;
  readonly id: string;
  readonly before: Document | null;
  readonly after: Document | null;
}

export interface Commit {
  readonly ts: bigint;
  readonly writes: readonly Write[];
}

/** A function that ran because it was scheduled. */
export interface ScheduledCall {
  readonly kind: FunctionKind;
  readonly path: string;
  readonly ms: number;
  readonly read: Usage;
  readonly written: Usage;
  readonly error?: string;
}

/** An app's code and schema, evaluated. */
export interface Runtime {
  readonly root: RuntimeComponent;
  readonly components: readonly (RuntimeComponent & { readonly path: string })[];
}

export interface RuntimeComponent {
  /** The default export of `schema.ts`; null: there is none. */
  readonly schema: unknown;
  /** Module exports by path without extension. */
  readonly modules: Readonly<Record<string, Record<string, unknown>>>;
}

/** Why data that is there cannot stay under a new schema. */
export interface SchemaProblem {
  readonly component: string;
  readonly table: string;
  readonly message: string;
}

export interface Engine {
  /** The first document that a new schema forbids. @throws Error if the schema itself is wrong */
  findSchemaProblem(runtime: Runtime): SchemaProblem | null;
  /** Puts new code and schema in the place of the old, between two transactions; data is kept. */
  activate(runtime: Runtime): Promise<void>;
  /**
   * Runs a function. Never rejects: what it throws is in the result.
   *
   * @param reads is filled with what the call reads, while it reads
   */
  run(call: FunctionCall, reads?: ReadSet): Promise<CallResult>;
  /** The timestamp of the newest commit. */
  currentTs(): bigint;
  /** No transaction but queries of `run` begins until `work` has ended. */
  holdWrites<T>(work: () => Promise<T>): Promise<T>;
  /** Calls `listener` at each commit, before anything else runs. */
  onCommit(listener: (commit: Commit) => void): void;
  onScheduledCall(listener: (call: ScheduledCall) => void): void;
  /** Nothing begins any more, nothing that is scheduled runs. */
  close(): void;
}
