// For tests and benchmarks: clients that each watch one query, as those behind the backend's sockets do.
import type { JSONValue } from "convex/values";
import type { Identity } from "./engine/engine.js";
import type { LocalEngine } from "./engine/localEngine.js";
import { Calls, type Call } from "./server/calls.js";
import { Faults } from "./server/faults.js";
import { QueryCache, type QueryExecution } from "./server/queryCache.js";
import { Stats } from "./server/stats.js";

export interface Watched {
  readonly path: string;
  readonly args: JSONValue;
  /** The arguments that it goes on with after an answer; null: with the same. */
  next(answer: JSONValue): JSONValue;
}

/** What executions of watched queries came to since it was asked last. */
export interface WatchCost {
  /** That ran. */
  readonly executions: number;
  /** Answers that one of those for somebody else was good for. */
  readonly shared: number;
  readonly rows: number;
  readonly bytes: number;
}

interface Subscriber {
  readonly watched: Watched;
  readonly identity: Identity | null;
  args: JSONValue;
  execution: QueryExecution;
}

/** Equal queries of one identity share an execution, and one is run again when something that it read was written. */
export class Subscribers {
  readonly #cache: QueryCache;
  readonly #subscribers: Subscriber[] = [];
  #stats = new Stats();

  constructor(engine: LocalEngine) {
    // What runs in the background beside is not theirs.
    const stats = {
      note: (call: Call) => call.kind === "query" && this.#stats.note(call),
      noteCacheHit: (path: string) => this.#stats.noteCacheHit(path),
    } as unknown as Stats;
    this.#cache = new QueryCache(new Calls(engine, new Faults(() => {}), stats, () => {}));
    engine.onCommit((commit) => this.#cache.noteCommit(commit));
  }

  add(watched: Watched, identity: Identity | null = null): void {
    const { args } = watched;
    this.#subscribers.push({ watched, identity, args, execution: this.#watch(watched, args, identity) });
  }

  /** Until all have what there is. @throws if a query fails */
  async settle(): Promise<void> {
    for (let isMoving = true; isMoving;) {
      await Promise.all(this.#subscribers.map(({ execution }) => execution.ended));
      isMoving = false;
      // Who moves does so with all others: in between nothing of theirs is given back, which the next one could share.
      const left: QueryExecution[] = [];
      for (const subscriber of this.#subscribers) {
        const { watched, identity, execution } = subscriber;
        const { result, staleAt } = execution;
        if (result?.ok === false) throw new Error(`"${watched.path}" failed: ${result.message}`);
        const isRight = result !== null && staleAt === null;
        const args = (isRight ? watched.next(result.value) : null) ?? subscriber.args;
        if (staleAt === null && JSON.stringify(args) === JSON.stringify(subscriber.args)) continue;
        isMoving = true;
        subscriber.args = args;
        subscriber.execution = this.#watch(watched, args, identity);
        left.push(execution);
      }
      for (const execution of left) this.#cache.release(execution);
    }
  }

  takeCost(): WatchCost {
    const { totals } = this.#stats.report();
    this.#stats = new Stats();
    return {
      executions: totals.calls,
      shared: totals.cacheHits,
      rows: totals.rowsRead,
      bytes: totals.bytesRead,
    };
  }

  #watch({ path }: Watched, args: JSONValue, identity: Identity | null): QueryExecution {
    return this.#cache.watch({ path, args, identity, journal: null }, "");
  }
}
