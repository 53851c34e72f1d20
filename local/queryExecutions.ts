import type { JSONValue } from "convex/values";
import type { Calls } from "./calls.js";
import type { CallResult, Identity } from "./engine.js";

/** Shares one execution among equal questions of one identity that are asked between the same two commits. */
export class QueryExecutions {
  readonly #calls: Calls;
  readonly #running = new Map<string, Promise<CallResult>>();

  constructor(calls: Calls) {
    this.#calls = calls;
  }

  run(path: string, args: JSONValue, identity: Identity | null): Promise<CallResult> {
    const key = JSON.stringify([path, args, identity]);
    const running = this.#running.get(key);
    if (running !== undefined) return running;
    const execution = this.#calls.make({ kind: "query", path, args, identity });
    this.#running.set(key, execution);
    return execution;
  }

  /** What was asked before may be answered otherwise now. */
  forget(): void {
    this.#running.clear();
  }
}
