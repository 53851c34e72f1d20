import type { Clock } from "../ports/clock.js";
import { beatMs } from "./rollCall.js";

/** Without a word from the leader for so long, it is asked for one. */
export const silenceMs = 4 * beatMs;
/** It answers at once: a tab that is only slowed down does so too, for messages are not slowed down. */
export const answerMs = beatMs;

/**
 * Notices that the leader is frozen: it holds its lock, and does nothing.
 *
 *     hearing ─ silence ─→ asking ─ silence ─→ the leader is given up
 *     asking ─ a word ─→ hearing
 */
export class LeaderWatch {
  readonly #clock: Clock;
  readonly #ask: () => void;
  readonly #giveUp: () => void;
  #cancel: () => void = () => {};

  constructor(clock: Clock, ask: () => void, giveUp: () => void) {
    this.#clock = clock;
    this.#ask = ask;
    this.#giveUp = giveUp;
  }

  /** Begins to watch, or has heard of the leader. */
  hear(): void {
    this.#cancel();
    this.#cancel = this.#clock.setTimer(() => this.#onSilence(), silenceMs);
  }

  stop(): void {
    this.#cancel();
  }

  #onSilence(): void {
    this.#ask();
    this.#cancel = this.#clock.setTimer(() => {
      this.#giveUp();
      this.hear();
    }, answerMs);
  }
}
