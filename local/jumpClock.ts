// For tests: a clock whose time passes only when everybody waits for it, and then at once.
import { setImmediate } from "node:timers";
import { createOrderedMap } from "./mvcc/btree.js";
import type { Clock } from "./clock.js";

export class JumpClock implements Clock {
  #now: number;
  #added = 0;
  #isJumping = false;
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
    this.#jumpSoon();
    return () => void this.#waiting.delete(key);
  }

  /** After all that is going on now has come to wait for something. */
  #jumpSoon(): void {
    if (this.#isJumping) return;
    this.#isJumping = true;
    setImmediate(() => {
      this.#isJumping = false;
      const next = this.#waiting.minKey();
      if (next === undefined) return;
      const wake = this.#waiting.get(next);
      this.#waiting.delete(next);
      this.#now = next[0];
      wake?.();
      if (this.#waiting.size > 0) this.#jumpSoon();
    });
  }
}
