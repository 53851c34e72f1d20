import { inspect } from "node:util";
import type { JSONValue } from "convex/values";
import type { Document, FunctionKind, Identity } from "./engine.js";
import type { IndexDefinition, IndexKey, Interval } from "../mvcc/indexKey.js";
import type { Transaction } from "../mvcc/transaction.js";
import type { Usage } from "../values/usage.js";
import type { Environment } from "./environment.js";
import type { FunctionPath } from "./functions.js";
import type { Random } from "./random.js";
import type { Order } from "./queryPlan.js";
import type { QueryStream } from "./queryStream.js";

/** What documents a function sees. */
export interface Reader {
  get(table: string, id: string): Document | null;
  scan(
    table: string,
    index: IndexDefinition,
    interval: Interval,
    order: Order,
  ): Generator<[IndexKey, Document]>;
}

/** A top-level query or mutation, with all functions that it calls. */
export interface Unit {
  readonly transaction: Transaction;
  readonly usage: Usage;
}

/** What a function was scheduled by: a document of a component's `_scheduled_functions`. */
export interface Job {
  /** The store's name of the table it is in. */
  readonly table: string;
  readonly id: string;
}

/** How it came that a function runs. */
export interface Request {
  readonly requestId: string;
  /** null: it was not scheduled. */
  readonly job: Job | null;
  /** Its reads take no time, nor do those of what it calls. */
  readonly isInstant?: boolean;
}

interface Common extends Environment {
  readonly kind: FunctionKind | "httpAction";
  readonly path: FunctionPath;
  /** null also in components: who calls is the app's business. */
  readonly identity: Identity | null;
  readonly request: Request;
}

/** A query or mutation to be run in a transaction that has begun. */
export interface TransactionCall {
  readonly kind: "query" | "mutation";
  readonly path: FunctionPath;
  /** The arguments object, as Convex JSON. */
  readonly args: JSONValue;
  readonly identity: Identity | null;
  readonly request: Request;
  readonly unit: Unit;
  /** Default: what the transaction sees. */
  readonly reader?: Reader;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly random: Random;
  readonly logLines: string[];
  readonly journal?: string | null;
  /** Whether a mutation called it: only there may values hold the commit's timestamp before there is one. */
  readonly isNested: boolean;
}

/** What a query or mutation returned, as Convex JSON. */
export interface FunctionResult {
  readonly value: JSONValue;
  /** Where its paginated query ended; undefined: there was none. */
  readonly nextJournal: string | undefined;
}

/** A call into the deployment that a query or mutation waits for. */
export interface PendingSyscall {
  readonly operation: string;
  readonly args: JSONValue;
  readonly resolve: (json: string) => void;
  readonly reject: (error: unknown) => void;
}

/** One run of one query or mutation, nested ones included. */
export interface TransactionExecution extends Common {
  readonly isTransaction: true;
  readonly kind: "query" | "mutation";
  readonly unit: Unit;
  readonly reader: Reader;
  /** In the order in which they were made. */
  readonly pending: PendingSyscall[];
  readonly streams: Map<number, QueryStream>;
  /** Where a paginated query that runs again has to end. */
  readonly journal: string | null;
  /** Where the paginated query of this run ended; undefined: there was none. */
  nextJournal: string | undefined;
  unhandled: { readonly error: unknown } | null;
  /** Milliseconds that its own JavaScript took, and that it is not charged for yet. */
  ownMs: number;
  isOver: boolean;
}

/** One run of one action. */
export interface ActionExecution extends Common {
  readonly isTransaction: false;
  readonly kind: "action" | "httpAction";
  /** What it waits for, by operation. */
  readonly waiting: Map<string, number>;
}

export type Execution = TransactionExecution | ActionExecution;

/** What a function threw, as it crosses from one function to another and out to clients. */
export interface Failure {
  readonly message: string;
  /** Of a ConvexError. */
  readonly data: JSONValue | undefined;
}

/** An error that ended a function, for the function that called it. */
export class FunctionError extends Error {
  /** Convex JSON; `convex/server` makes a ConvexError of an error that has it. */
  readonly data: JSONValue | undefined;

  /** @param cause - what the handler threw */
  constructor({ message, data }: Failure, cause?: unknown) {
    super(message, { cause });
    this.data = data;
  }
}

export function describeFailure(error: unknown): Failure {
  try {
    const isCoded = typeof error === "object" && error !== null && Symbol.for("ConvexError") in error;
    // The wrapper of `convex/server` around every function has made JSON text of it.
    const data = isCoded ? (error as { data?: unknown }).data : undefined;
    const parsed = typeof data === "string" ? (JSON.parse(data) as JSONValue) : null;
    return { message: `Uncaught ${wordsOf(error)}`, data: isCoded ? parsed : undefined };
  } catch {
    return { message: "Uncaught error that does not let itself be described", data: undefined };
  }
}

/** Anything can be thrown. */
function wordsOf(error: unknown): string {
  if (typeof error !== "object" || error === null || !("message" in error)) return inspectShortly(error);
  const { name = "Error", message } = error as { name?: unknown; message?: unknown };
  return `${String(name)}: ${String(message)}`;
}

function inspectShortly(value: unknown): string {
  return typeof value === "string" ? value : inspect(value, { depth: 1 });
}
