import type { JSONValue } from "convex/values";
import type { Calls } from "./calls.js";
import type { CallResult, Identity } from "../engine/engine.js";
import type { Commit } from "../mvcc/versionedStore.js";

/** A query as somebody watches it. */
export interface Query {
  readonly path: string;
  readonly args: JSONValue;
  readonly identity: Identity | null;
  /** What its last run has left. */
  readonly journal: string | null;
}

/** One run of a query, for all who watch it with the same arguments and identity. */
export interface QueryExecution {
  readonly key: string;
  /** Once it has ended. */
  readonly result: CallResult | null;
  readonly ended: Promise<unknown>;
  /** The first commit that it may have come to something else with; null: it is right still. */
  readonly staleAt: bigint | null;
}

interface Execution extends QueryExecution {
  result: CallResult | null;
  staleAt: bigint | null;
  /** What was committed while it ran: only at its end is it known what it read. */
  missed: Commit[];
  watchers: number;
}

/** Shares executions of equal queries, as long as somebody watches them and nothing that they read was written. */
export class QueryCache {
  readonly #calls: Calls;
  /** That new watchers may share. */
  readonly #newest = new Map<string, Execution>();
  /** That somebody watches, and that are not known to be stale. */
  readonly #live = new Set<Execution>();

  constructor(calls: Calls) {
    this.#calls = calls;
  }

  /** The query as of the newest commit. To be given back with `release`. */
  watch(query: Query, sessionId: string): QueryExecution {
    const key = JSON.stringify([query.path, query.args, query.identity, query.journal]);
    const newest = this.#newest.get(key);
    // One that runs still, on a snapshot from before the newest commit, may turn out to be stale.
    const isShared = newest !== undefined && newest.missed.length === 0;
    const execution = isShared ? newest : this.#start(key, query, sessionId);
    if (isShared) this.#calls.noteCacheHit(query.path);
    execution.watchers += 1;
    return execution;
  }

  release(released: QueryExecution): void {
    const execution = released as Execution;
    execution.watchers -= 1;
    if (execution.watchers === 0) this.#forget(execution);
  }

  noteCommit(commit: Commit): void {
    for (const execution of this.#live)
      if (execution.result === null) execution.missed.push(commit);
      else this.#check(execution, execution.result, commit);
  }

  /** New code: every query may come to something else. */
  makeAllStale(ts: bigint): void {
    for (const execution of this.#live) this.#makeStale(execution, ts);
  }

  #start(key: string, { path, args, identity, journal }: Query, sessionId: string): Execution {
    const run = async () => {
      const result = await this.#calls.make({ kind: "query", path, args, identity, journal }, sessionId);
      execution.result = result;
      for (const commit of execution.missed.splice(0)) this.#check(execution, result, commit);
    };
    const execution: Execution = {
      key,
      result: null,
      ended: run(), // which begins at once: at the newest commit
      staleAt: null,
      missed: [],
      watchers: 0,
    };
    this.#newest.set(key, execution);
    this.#live.add(execution);
    return execution;
  }

  #check(execution: Execution, { snapshot }: CallResult, { ts, writes }: Commit): void {
    if (snapshot === null || ts <= snapshot.ts || execution.staleAt !== null) return;
    if (writes.some((write) => snapshot.isTouchedBy(write))) this.#makeStale(execution, ts);
  }

  #makeStale(execution: Execution, ts: bigint): void {
    execution.staleAt = ts;
    this.#forget(execution);
  }

  #forget(execution: Execution): void {
    this.#live.delete(execution);
    if (this.#newest.get(execution.key) === execution) this.#newest.delete(execution.key);
  }
}

/** Whether an execution tells what its query comes to as of a commit. */
export function isRightAt({ result, staleAt }: QueryExecution, ts: bigint): boolean {
  if (result === null || (staleAt !== null && staleAt <= ts)) return false;
  return result.snapshot === null || result.snapshot.ts <= ts;
}
