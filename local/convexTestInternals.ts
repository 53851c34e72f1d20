// What the engine needs of convex-test (0.0.60) beyond its public face: its stores and its transactions. A backend
// has to replace code and schema and keep the data, to know what each commit wrote, and to hold writers back;
// convex-test, made for tests, has no word for that. All that is private to it and relied on is named here.
import { AsyncLocalStorage } from "node:async_hooks";
import type { TestConvex } from "convex-test";
import type { GenericSchema, SchemaDefinition } from "convex/server";
import type { JSONValue } from "convex/values";
import type { Document } from "./engine.js";
import type { Bound } from "./readSet.js";

export type Test = TestConvex<SchemaDefinition<GenericSchema, boolean>>;
export type Module = Readonly<Record<string, unknown>>;

export interface QuerySource {
  readonly type: "FullTableScan" | "IndexRange" | "Search";
  readonly tableName?: string;
  readonly indexName?: string;
  readonly range?: readonly Bound[];
  readonly order?: "asc" | "desc" | null;
}

export interface Query {
  readonly source: QuerySource;
  readonly operators: readonly ({ readonly limit: number } | { readonly filter: unknown })[];
}

export interface ExportedTable {
  readonly indexes: readonly { readonly indexDescriptor: string; readonly fields: readonly string[] }[];
}

export interface ExportedSchema {
  readonly schemaValidation: boolean;
  readonly tables: ReadonlyMap<string, ExportedTable>;
}

export interface Store {
  _schema: ExportedSchema | null;
  _documents: Readonly<Record<string, Document>>;
  /** What is not committed yet, a record for each level of nested transactions. */
  _writes: Record<string, Document | null>[];
  /** Results of queries that were not read to the end stay here for ever. */
  _queryResults: Record<number, Document[]>;
  get(table: string | undefined, id: string): Document | null;
  insert(table: string, value: Document): string;
  patch(table: string | undefined, id: string, value: Record<string, JSONValue>): void;
  replace(table: string | undefined, id: string, value: Record<string, JSONValue>): void;
  startQuery(query: Query): number;
  paginate(page: { readonly query: Query }): unknown;
  /** Hands all documents of a table that a query may find to `callback`, which looks at each. */
  _iterateDocs(table: string, callback: (document: Document) => void): void;
  /** Uses nothing of `this` but `_schema`. */
  _validate(this: { _schema: ExportedSchema | null }, table: string, document: Document): void;
  validateSchema(this: { _schema: ExportedSchema | null }): void;
}

export interface TransactionManager {
  _lastCommitTs: bigint;
  _waitOnCurrentFunction: Promise<void> | null;
  _metricsTracker: { getTransactionMetrics(): Record<string, { readonly used: number }> } | null;
  begin(isNested: boolean, limits?: unknown): Promise<void>;
  commit(isNested: boolean): bigint | null;
  rollback(isNested: boolean): void;
}

export interface Internals {
  readonly components: Record<string, { readonly db: Store; modules: (path: string) => Promise<Module> }>;
  readonly transactionManager: TransactionManager;
  asyncSyscall: (operation: string, json: string) => Promise<string>;
}

/** Every method of a test hands its state to an AsyncLocalStorage: there it is caught, once. */
export function internalsOf(test: Test): Internals {
  const { run } = AsyncLocalStorage.prototype;
  const caught: Internals[] = [];
  AsyncLocalStorage.prototype.run = function (
    this: AsyncLocalStorage<unknown>,
    store: unknown,
    ...rest: never
  ) {
    if (isInternals(store)) caught.push(store);
    return (run as (...all: unknown[]) => unknown).call(this, store, ...(rest as unknown[]));
  } as typeof run;
  try {
    void test.finishInProgressScheduledFunctions(); // does nothing: nothing is scheduled yet
  } finally {
    AsyncLocalStorage.prototype.run = run;
  }
  const [internals] = caught;
  if (internals === undefined)
    throw new Error("convex-test keeps its state in another way than 0.0.60 does: adapt the engine.");
  return internals;
}

function isInternals(store: unknown): store is Internals {
  return (
    typeof store === "object" && store !== null && "components" in store && "transactionManager" in store
  );
}

/** convex-test's ids are digits, then the table's name. */
export function tableOfId(id: string): string {
  return id.replace(/^[0-9]+/, "");
}
