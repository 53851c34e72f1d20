// What runs functions, behind a narrow seam: the server knows nothing of how data is kept or how a transaction runs.
import type { JSONValue, Value } from "convex/values";
import type { StoredWrite } from "../mvcc/readSet.js";
import type { EnvironmentVariables } from "./variables.js";
import type { Commit } from "../mvcc/versionedStore.js";

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
  /** No time passes for its reads, whatever a read takes: for who looks on from outside. */
  readonly isInstant?: boolean;
  /** What the last run of this query has left, so that its page ends where it did. */
  readonly journal?: string | null;
}

export interface Usage {
  readonly rows: number;
  readonly bytes: number;
}

/** What a call cost. */
export interface Cost {
  readonly ms: number;
  readonly read: Usage;
  readonly written: Usage;
  /** How often the mutation, or one that the action ran, found at its end that what it had read had changed. */
  readonly conflicts: number;
}

/** What a query stands on. */
export interface Snapshot {
  /** The newest commit that it saw. */
  readonly ts: bigint;
  /** Whether its result may be another once this is written. */
  isTouchedBy(write: StoredWrite): boolean;
}

/** What a call came to. */
export type CallResult = Cost & {
  /** What the function wrote to the console, as Convex words it for clients. */
  readonly logLines: readonly string[];
  /** null: it is no query. */
  readonly snapshot: Snapshot | null;
} & (
    | { readonly ok: true; readonly value: JSONValue; readonly ts: bigint; readonly journal: string | null }
    | {
        readonly ok: false;
        readonly message: string;
        /** Of a ConvexError. */
        readonly data: JSONValue | undefined;
        /** It conflicted, and so did every retry: the client should send it again later. */
        readonly isConflict: boolean;
      }
  );

export type Document = Readonly<Record<string, Value>>;

/** A transaction was thrown away, for another had written what it had read. */
export interface Conflict {
  /** What is begun again, or given up. */
  readonly source: string;
  /** What it would have written to. */
  readonly tables: readonly string[];
  /** What was written. */
  readonly write: StoredWrite;
  /** What had written it. */
  readonly writer: string;
}

/** A function that ran, though no client asked for it. */
export interface BackgroundCall extends Cost {
  readonly kind: FunctionKind | "httpAction";
  /** That of a component's function after where it is mounted: `replicate/compact:run`. */
  readonly path: string;
  readonly cause: "action" | "cron" | "http" | "schedule";
  readonly logLines: readonly string[];
  /** Why it failed. */
  readonly error?: string;
}

/** An app's code and schema, evaluated. */
export interface Runtime {
  readonly root: RuntimeComponent;
  readonly components: readonly (RuntimeComponent & { readonly path: string })[];
}

/** Environment variables of an app or component, as `convex.config.ts` has them. */
export interface ComponentVariables {
  /** What it declares: a validator as JSON text. */
  readonly declares?: readonly [
    name: string,
    validator: { readonly value: string; readonly optional?: boolean },
  ][];
  /** What whoever mounts it has bound them to: a value, or a variable of its own. */
  readonly env?: readonly [
    name: string,
    binding:
      { readonly type: "value"; readonly value: string } | { readonly type: "envVar"; readonly name: string },
  ][];
}

export interface RuntimeComponent extends ComponentVariables {
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
  /** Runs a function. Never rejects: what it throws is in the result, which comes once all it tells is durable. */
  run(call: FunctionCall): Promise<CallResult>;
  /** Of which kind a function of the app is; null: there is none of this name. */
  kindOf(path: string): FunctionKind | null;
  readonly variables: EnvironmentVariables;
  /** The timestamp of the newest commit. */
  currentTs(): bigint;
  /** Calls `listener` at each commit, before anything else runs. */
  onCommit(listener: (commit: Commit) => void): void;
  onBackgroundCall(listener: (call: BackgroundCall) => void): void;
  /** Nothing begins any more, nothing that is scheduled runs; resolves once all is written. */
  close(): Promise<void>;
}
