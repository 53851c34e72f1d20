import type { Clock } from "./ports/clock.js";
import type { StorageSpace, StorageUse } from "./ports/storageSpace.js";

/** An estimate costs the browser a walk through what it has stored. */
const measureMs = 60_000;

/** Watches how much space is left, while a replica is open. */
export class StorageGauge {
  readonly #space: StorageSpace;
  readonly #clock: Clock;
  readonly #onChange: () => void;
  readonly #onError: (error: unknown) => void;
  #use: StorageUse | null = null;
  #cancelTimer: () => void = () => {};
  #isStopped = false;

  constructor(space: StorageSpace, clock: Clock, onChange: () => void, onError: (error: unknown) => void) {
    this.#space = space;
    this.#clock = clock;
    this.#onChange = onChange;
    this.#onError = onError;
  }

  /** As last measured; null: not known. */
  get use(): StorageUse | null {
    return this.#use;
  }

  /** Asks once for the data to be kept, then measures again and again. */
  async start(): Promise<void> {
    await this.#space.requestPersistence().catch(this.#onError);
    await this.measure();
  }

  /** Measures now: what was measured before is known to be out of date. */
  async measure(): Promise<void> {
    if (this.#isStopped) return;
    this.#cancelTimer();
    const use = await this.#space.measure().catch((error: unknown) => {
      this.#onError(error);
      return this.#use;
    });
    if (this.#isStopped || use === null) return;
    this.#use = use;
    this.#onChange();
    this.#cancelTimer();
    this.#cancelTimer = this.#clock.setTimer(() => void this.measure(), measureMs);
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancelTimer();
  }
}
