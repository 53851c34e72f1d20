// What runs functions, behind a narrow seam: the server knows nothing of how data is kept or how a transaction runs.
import type { JSONValue } from "convex/values";

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

/** What a call came to. `reads` names the tables it read, to be compared with what others write. */
export type CallResult = {
  readonly logLines: readonly string[];
  readonly reads: ReadonlySet<string>;
  readonly read: Usage;
  readonly written: Usage;
} & (
  | { readonly ok: true; readonly value: JSONValue; readonly ts: bigint }
  | { readonly ok: false; readonly message: string; readonly data: JSONValue | undefined }
);

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

export interface Engine {
  /** Puts new code and schema in the place of the old; data is kept. */
  activate(runtime: Runtime): Promise<void>;
  run(call: FunctionCall): Promise<CallResult>;
  /** The timestamp of the newest commit, once all that is running has ended. */
  currentTs(): Promise<bigint>;
  /** Calls `listener` with the tables that were written, after each commit. */
  onWrite(listener: (tables: ReadonlySet<string>) => void): void;
}
