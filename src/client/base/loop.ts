import type { Clock } from "../ports/clock.js";

/**
 * Runs `work` when woken, one run at a time. A wake during a run makes another run follow it.
 *
 * `work` answers after how many milliseconds it wants to run again by itself, or null for not until woken.
 */
export class Loop {
  readonly #clock: Clock;
  readonly #work: () => Promise<number | null>;
  #isRunning = false;
  #isStopped = false;
  #isWoken = false;
  #dueAt = Infinity;
  #cancelTimer: () => void = () => {};

  constructor(clock: Clock, work: () => Promise<number | null>) {
    this.#clock = clock;
    this.#work = work;
  }

  /** Runs within `delayMs`, sooner if an earlier wake asked for that. */
  wake(delayMs = 0): void {
    if (this.#isStopped) return;
    if (this.#isRunning && delayMs === 0) this.#isWoken = true;
    else this.#runAt(this.#clock.now() + delayMs);
  }

  /** No run begins after this. */
  stop(): void {
    this.#isStopped = true;
    this.#cancelTimer();
  }

  #runAt(time: number): void {
    if (time >= this.#dueAt) return;
    this.#cancelTimer();
    this.#dueAt = time;
    this.#cancelTimer = this.#clock.setTimer(() => void this.#run(), Math.max(0, time - this.#clock.now()));
  }

  async #run(): Promise<void> {
    this.#dueAt = Infinity;
    if (this.#isStopped) return;
    if (this.#isRunning) {
      this.#isWoken = true;
      return;
    }
    this.#isRunning = true;
    this.#isWoken = false;
    let again: number | null = null;
    try {
      again = await this.#work();
    } finally {
      this.#isRunning = false;
      if (!this.#isStopped && this.#isWoken) this.#runAt(this.#clock.now());
      else if (!this.#isStopped && again !== null) this.#runAt(this.#clock.now() + again);
    }
  }
}
