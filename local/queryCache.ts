import type { JSONValue } from "convex/values";
import type { Calls } from "./calls.js";
import type { CallResult, Commit, FunctionCall, Identity } from "./engine.js";
import { ReadSet } from "./readSet.js";

/** One run of a query, for all who watch it with the same arguments and identity. */
export interface QueryExecution {
  readonly key: string;
  readonly reads: ReadSet;
  /** Once it has ended. */
  result: CallResult | null;
  readonly ended: Promise<unknown>;
  /** Whether something was written since that it read, or would have read. */
  isStale: boolean;
  watchers: number;
}

/** Shares executions of equal queries, as long as somebody watches them and nothing that they read was written. */
export class QueryCache {
  readonly #calls: Calls;
  readonly #current = new Map<string, QueryExecution>();

  constructor(calls: Calls) {
    this.#calls = calls;
  }

  /** To be given back with `release`. */
  watch(path: string, args: JSONValue, identity: Identity | null, sessionId: string): QueryExecution {
    const key = JSON.stringify([path, args, identity]);
    const execution =
      this.#current.get(key) ?? this.#start(key, { kind: "query", path, args, identity }, sessionId);
    execution.watchers += 1;
    return execution;
  }

  release(execution: QueryExecution): void {
    execution.watchers -= 1;
    if (execution.watchers === 0) this.#forget(execution);
  }

  /** What was read before a transaction is noted before it commits: nothing is missed, also while a query runs. */
  noteCommit({ writes }: Commit): void {
    for (const execution of this.#current.values())
      if (writes.some((write) => execution.reads.isTouchedBy(write))) this.#makeStale(execution);
  }

  /** New code: every query may come to something else. */
  makeAllStale(): void {
    for (const execution of this.#current.values()) this.#makeStale(execution);
  }

  #start(key: string, call: FunctionCall, sessionId: string): QueryExecution {
    const reads = new ReadSet();
    const ended = this.#calls
      .make(call, { sessionId, reads })
      .then((result) => void (execution.result = result));
    const execution: QueryExecution = { key, reads, result: null, ended, isStale: false, watchers: 0 };
    this.#current.set(key, execution);
    return execution;
  }

  #makeStale(execution: QueryExecution): void {
    execution.isStale = true;
    this.#forget(execution);
  }

  #forget(execution: QueryExecution): void {
    if (this.#current.get(execution.key) === execution) this.#current.delete(execution.key);
  }
}
