import type { Clock } from "../client/ports/clock.js";
import { setImmediate } from "./host.js";

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

  /** Time passes, and no timer runs: as on a machine that sleeps. What became due meanwhile runs next. */
  advance(ms: number): void {
    this.#now += ms;
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

/** What a test waits in. */
export interface World {
  readonly clock: ManualClock;
  /** Calls that are under way. Time stands still for them: a test machine's speed decides nothing. */
  readonly network: { readonly inFlight: number };
}

/**
 * Lets everything that is under way go on, and then time, timer by timer, until `condition` holds.
 *
 * @throws Error if it does not within `mostMs` of real time
 */
export async function until(
  { clock, network }: World,
  condition: () => boolean | Promise<boolean>,
  mostMs = 10_000,
): Promise<void> {
  const end = performance.now() + mostMs;
  let quietTurns = 0;
  while (performance.now() < end) {
    if (await condition()) return;
    await new Promise<void>((resolve) => setImmediate(resolve));
    quietTurns = network.inFlight > 0 ? 0 : quietTurns + 1;
    if (quietTurns > 3 && clock.runNext()) quietTurns = 0;
  }
  throw new Error(`This did not come to hold within ${mostMs} ms: ${condition.toString()}`);
}
