import { backoffMs } from "../core/backoff.js";
import type { Clock, Randomness } from "../ports/clock.js";

export interface StandingQuestionOptions<Answer> {
  readonly clock: Clock;
  readonly randomness: Randomness;
  /** Asks the server, from where things stand now. @returns ends the question */
  ask(take: (answer: Answer) => void, fail: (error: unknown) => void): () => void;
  /** Works an answer in. Whatever it throws fails the question. */
  process(answer: Answer): Promise<void>;
  /** What has come so far is worked in, or has failed. */
  onIdle?(): void;
  /** The query, or working in what it answered, has failed: it is begun again after a while. */
  onFailed(error: unknown): void;
  /** Time to begin again. */
  begin(): void;
}

/**
 * A question to the server that stays open as a subscription, and is asked anew from further on. One answer is worked in
 * at a time; of those that come meanwhile the newest holds all of the others.
 */
export class StandingQuestion<Answer> {
  readonly #options: StandingQuestionOptions<Answer>;
  #endLast: () => void = () => {};
  #cancelRetry: () => void = () => {};
  #next: Answer | null = null;
  #isBusy = false;
  #isStopped = false;
  #isFailed = false;
  #failures = 0;

  constructor(options: StandingQuestionOptions<Answer>) {
    this.#options = options;
  }

  /** Whether an answer is being worked in. */
  get isBusy(): boolean {
    return this.#isBusy;
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Whether it waits to be begun again. */
  get isFailed(): boolean {
    return this.#isFailed;
  }

  /**
   * Asks from where things stand now. An answer to the question before is passed over, as the next one holds all of it;
   * that question is let go of afterwards, so that an equal one is not asked twice.
   */
  ask(): void {
    if (this.#isStopped) return;
    this.#cancelRetry();
    [this.#isFailed, this.#next] = [false, null];
    const endLast = this.#endLast;
    let isCurrent = true;
    const end = this.#options.ask(
      (answer) => isCurrent && this.#take(answer),
      (error) => isCurrent && this.#fail(error),
    );
    this.#endLast = () => {
      isCurrent = false;
      end();
    };
    endLast();
  }

  /** An answer was worked in: the next failure is a first one. */
  noteSuccess(): void {
    this.#failures = 0;
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancelRetry();
    this.#endLast();
  }

  #take(answer: Answer): void {
    if (this.#isStopped) return;
    this.#next = answer;
    if (!this.#isBusy) void this.#work();
  }

  async #work(): Promise<void> {
    this.#isBusy = true;
    try {
      while (this.#next !== null && !this.#isStopped) {
        const answer = this.#next;
        this.#next = null;
        await this.#options.process(answer);
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#isBusy = false;
      if (!this.#isStopped) this.#options.onIdle?.();
    }
  }

  #fail(error: unknown): void {
    if (this.#isStopped) return;
    const { clock, randomness, begin, onFailed } = this.#options;
    this.#endLast();
    this.#cancelRetry();
    [this.#isFailed, this.#next] = [true, null];
    this.#cancelRetry = clock.setTimer(begin, backoffMs(++this.#failures, randomness.fraction()));
    onFailed(error);
  }
}
