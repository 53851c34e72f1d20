// For tests and benchmarks: a clock that stands still until it is told to go on, so that what is measured is measured
// alone, and what it sets off in the background after it.
import { setImmediate } from "node:timers/promises";
import type { Clock } from "./clock.js";
import { createOrderedMap } from "./mvcc/btree.js";

/** Who is not done after so many turns of the event loop waits for this clock. */
const mostRounds = 500;

export class HeldClock implements Clock {
  #now: number;
  #added = 0;
  readonly #waiting = createOrderedMap<readonly [ms: number, order: number], () => void>(
    ([a, m], [b, n]) => a - b || m - n,
  );

  constructor(now = Date.UTC(2026, 0, 1)) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  at(ms: number, wake: () => void): () => void {
    const key = [Math.max(ms, this.#now), this.#added++] as const;
    this.#waiting.set(key, wake);
    return () => void this.#waiting.delete(key);
  }

  /** Wakes whoever is due by then, one after the other: the next when what the last one set off has come to rest. */
  async pass(ms: number, settled: () => Promise<void>): Promise<void> {
    const end = this.#now + ms;
    await rest(settled);
    for (let next = this.#waiting.minKey(); next !== undefined && next[0] <= end;) {
      const wake = this.#waiting.get(next);
      this.#waiting.delete(next);
      this.#now = next[0];
      wake?.();
      await rest(settled);
      next = this.#waiting.minKey();
    }
    this.#now = end;
  }
}

async function rest(settled: () => Promise<void>): Promise<void> {
  let isSettled = false;
  void settled().then(() => (isSettled = true));
  for (let round = 0; round < mostRounds && !isSettled; round++) await setImmediate();
}
