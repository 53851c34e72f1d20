import { Loop } from "../base/loop.js";
import type { Clock } from "../ports/clock.js";
import { storeLimits } from "./storeLimits.js";

export interface FolderOptions {
  readonly clock: Clock;
  /** Folds a bounded step. @returns whether there is more to do */
  fold(): Promise<boolean>;
  onError(error: unknown): void;
}

/**
 * Has the database folded while nobody writes to it: once it was left alone for a while, or, should it never be, as long
 * after it became due. Step by step, so that what is written meanwhile waits for one step at the most.
 */
export class Folder {
  readonly #options: FolderOptions;
  readonly #loop: Loop;
  #lastWriteAt = 0;
  #dueSince: number | null = null;

  constructor(options: FolderOptions) {
    this.#options = options;
    this.#loop = new Loop(options.clock, () => this.#step());
  }

  /** Something was written. */
  note(): void {
    this.#lastWriteAt = this.#options.clock.now();
    this.#dueSince ??= this.#lastWriteAt;
    this.#loop.wake(storeLimits.foldIdleMs);
  }

  stop(): void {
    this.#loop.stop();
  }

  async #step(): Promise<number | null> {
    const now = this.#options.clock.now();
    const idleAt = this.#lastWriteAt + storeLimits.foldIdleMs;
    const latestAt = (this.#dueSince ?? now) + storeLimits.foldLatestMs;
    const beginsAt = Math.min(idleAt, latestAt);
    if (now < beginsAt) return beginsAt - now;
    try {
      if (await this.#options.fold()) return 0;
    } catch (error) {
      this.#options.onError(error); // tried again after the next write
    }
    this.#dueSince = null;
    return null;
  }
}
