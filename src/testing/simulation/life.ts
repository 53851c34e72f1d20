/**
 * Whether a tab lives. Everything that it does to the world and that the world does to it goes through here: these are
 * the points between which its code runs undisturbed, so a tab that can die at each of them can die at any await.
 */
export class Life {
  readonly #onDeath: () => void;
  #isAlive = true;
  /** Points left to live; null: no end is near. */
  #left: number | null = null;
  /** What waits until the tab is no longer frozen; null: it is not. */
  #frozen: (() => void)[] | null = null;
  #hasBeenFrozen = false;

  constructor(onDeath: () => void) {
    this.#onDeath = onDeath;
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  get isFrozen(): boolean {
    return this.#frozen !== null;
  }

  /** Whether it is frozen, or ever was. */
  get hasBeenFrozen(): boolean {
    return this.#hasBeenFrozen;
  }

  /** Ends it now. Whatever its code still does reaches nobody, and nothing reaches its code. */
  end(): void {
    if (!this.#isAlive) return;
    this.#isAlive = false;
    this.#frozen = null;
    this.#onDeath();
  }

  /** Ends it once it has gone past so many points more. */
  endAfter(points: number): void {
    this.#left = Math.min(points, this.#left ?? Infinity);
    if (points === 0) this.end();
  }

  /** It lives on, whatever was planned. */
  spare(): void {
    this.#left = null;
  }

  /** The tab has come to a point. @returns whether it goes on from there */
  passes(): boolean {
    if (!this.#isAlive) return false;
    if (this.#left !== null && --this.#left <= 0) this.end();
    return this.#isAlive;
  }

  /** The world does something to the tab: at once, when it is no longer frozen, or never. */
  deliver(run: () => void): void {
    if (this.#frozen !== null) this.#frozen.push(run);
    else if (this.passes()) run();
  }

  freeze(): void {
    if (!this.#isAlive) return;
    this.#frozen ??= [];
    this.#hasBeenFrozen = true;
  }

  thaw(): void {
    const waiting = this.#frozen ?? [];
    this.#frozen = null;
    for (const run of waiting) this.deliver(run);
  }
}

/** The answer to what a dead tab asks. */
export const never = new Promise<never>(() => {});
