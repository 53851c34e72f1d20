import { nextTick } from "node:process";
import { setImmediate } from "node:timers";
import type { Random } from "./random.js";

interface Waiting {
  readonly resolve: () => void;
  readonly onEnd: (ms: number) => void;
}

/** After so long the event loop gets its turn too: sockets and timers live there. */
const longestWithoutEventLoopMs = 2;
/** With a seed, after so many: how long they take is another each time. */
const mostWithoutEventLoop = 64;

/**
 * Who of the running functions goes on next. One at a time: a turn begins when its `take` resolves, and ends when
 * nothing is left to do but to wait, so that the time in between is that function's own, and the order of turns is
 * the whole of what is undecided about how functions interleave. With a seed that order is always the same.
 *
 * `process.nextTick` is what makes this exact: Node calls it back when all promise callbacks that the turn set off
 * have run, and before anything else does.
 */
export class Turns {
  readonly #random: Random | null;
  readonly #waiting: Waiting[] = [];
  #isRunning = false;
  #lastInEventLoop = 0;
  #sinceEventLoop = 0;
  /** Those that wait for the runtime: what rejections there are still, what another thread does. */
  #outside = 0;
  /** Until it resolves nobody has a turn. */
  #back: Promise<void> | null = null;

  /** @param random - decides who is next; null: who waited longest */
  constructor(random: Random | null) {
    this.#random = random;
  }

  /** Waits for a turn. @param onEnd is told how long it took, in milliseconds */
  take(onEnd: (ms: number) => void): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ resolve, onEnd });
      if (this.#isRunning) return;
      this.#isRunning = true;
      this.#scheduleNext();
    });
  }

  /** Node tells of rejections that nobody handles once nothing is left to run before the event loop goes on. */
  async untilRejectionsAreKnown(): Promise<void> {
    this.#outside += 1;
    await new Promise((resolve) => setImmediate(resolve));
    this.#outside -= 1;
  }

  /**
   * Waits for another thread's work; to be called in a turn. With a seed nobody has a turn until it is done: when that
   * is is the machine's affair, and is to decide nothing.
   */
  async untilDone<T>(work: Promise<T>): Promise<T> {
    this.#outside += 1;
    let goOn = () => {};
    if (this.#random !== null) this.#back = new Promise((resolve) => (goOn = resolve));
    try {
      return await work;
    } finally {
      this.#outside -= 1;
      this.#back = null;
      goOn();
    }
  }

  /** Whether somebody has a turn, or waits for one: else nothing goes on but what time or the world outside sets off. */
  get isBusy(): boolean {
    return this.#isRunning || this.#outside > 0;
  }

  #scheduleNext(): void {
    if (this.#back !== null) return void this.#back.then(() => this.#scheduleNext());
    if (!this.#isEventLoopDue()) return nextTick(() => this.#next());
    setImmediate(() => {
      this.#lastInEventLoop = performance.now();
      this.#sinceEventLoop = 0;
      this.#next();
    });
  }

  #isEventLoopDue(): boolean {
    if (this.#random !== null) return ++this.#sinceEventLoop > mostWithoutEventLoop;
    return performance.now() - this.#lastInEventLoop >= longestWithoutEventLoopMs;
  }

  #next(): void {
    const place = this.#random?.below(this.#waiting.length) ?? 0;
    const [turn] = this.#waiting.splice(place, 1);
    if (turn === undefined) {
      this.#isRunning = false;
      return;
    }
    const start = performance.now();
    turn.resolve();
    const end = () => {
      turn.onEnd(performance.now() - start);
      this.#scheduleNext();
    };
    // Asked for outside of promise callbacks it would come before the turn has begun.
    queueMicrotask(() => nextTick(end));
  }
}
