import type { Clock } from "../client/ports/clock.js";

interface Timer {
  readonly at: number;
  readonly callback: () => void;
}

/** Time that passes only when told to. */
export class ManualClock implements Clock {
  #now: number;
  #timers: Timer[] = [];

  /** @param start milliseconds since 1970 */
  constructor(start = Date.UTC(2026, 0, 1)) {
    this.#now = start;
  }

  now(): number {
    return this.#now;
  }

  setTimer(callback: () => void, delayMs: number): () => void {
    const timer = { at: this.#now + delayMs, callback };
    this.#timers.push(timer);
    return () => void (this.#timers = this.#timers.filter((other) => other !== timer));
  }

  /** Goes on to the next timer and runs it. @returns whether there was one */
  runNext(): boolean {
    const next = this.#timers.reduce<Timer | null>(
      (first, timer) => (first === null || timer.at < first.at ? timer : first),
      null,
    );
    if (next === null) return false;
    this.#timers = this.#timers.filter((other) => other !== next);
    this.#now = Math.max(this.#now, next.at);
    next.callback();
    return true;
  }
}

/**
 * Lets everything that is under way go on, and time with it, until `condition` holds.
 *
 * @throws Error if it does not within `steps` turns of the event loop
 */
export async function until(
  clock: ManualClock,
  condition: () => boolean | Promise<boolean>,
  steps = 5_000,
): Promise<void> {
  for (let step = 0; step < steps; step++) {
    if (await condition()) return;
    await new Promise((resolve) => setImmediate(resolve));
    // Time passes only when nothing has come of itself for a few turns: calls under way are not overtaken.
    if (step % 4 === 3) clock.runNext();
  }
  throw new Error(`The condition did not come to hold within ${steps} turns: ${condition.toString()}`);
}
