import type { OpenPart, Want } from "../base/tabMessages.js";
import { Loop } from "../base/loop.js";
import type { Clock } from "../ports/clock.js";

/** How often the leader is heard of, and asks who is there. */
export const beatMs = 5_000;
/** A tab that has not answered so many beats is gone: a frozen one asks again once it is back. */
const mostMissed = 6;

interface Known {
  readonly wants: readonly Want[];
  readonly open: readonly OpenPart[];
  missed: number;
}

/**
 * What the other tabs want. Every tab keeps it, for any may be elected next; while this one leads it calls the roll, so
 * that a tab that was killed does not keep its scopes for ever.
 */
export class RollCall {
  readonly #tabs = new Map<string, Known>();
  readonly #loop: Loop;
  readonly #call: () => void;
  readonly #onGone: () => void;
  #isLeading = false;

  /**
   * @param call asks every tab to answer with what it wants
   * @param onGone a tab is gone: fewer scopes may be wanted
   */
  constructor(clock: Clock, call: () => void, onGone: () => void) {
    this.#call = call;
    this.#onGone = onGone;
    this.#loop = new Loop(clock, async () => this.#beat());
  }

  /** How many other tabs are known. */
  get size(): number {
    return this.#tabs.size;
  }

  get wants(): Want[] {
    return [...this.#tabs.values()].flatMap(({ wants }) => wants);
  }

  /** The parts that other tabs have open. */
  get open(): OpenPart[] {
    return [...this.#tabs.values()].flatMap(({ open }) => open);
  }

  /** A tab has said what it wants. */
  note(tab: string, wants: readonly Want[], open: readonly OpenPart[] = []): void {
    this.#tabs.set(tab, { wants, open, missed: 0 });
    if (this.#isLeading) this.#loop.wake(beatMs);
  }

  /** A tab has said that it ends. */
  remove(tab: string): void {
    this.#tabs.delete(tab);
  }

  lead(): void {
    this.#isLeading = true;
    for (const known of this.#tabs.values()) known.missed = 0;
    this.#loop.wake();
  }

  follow(): void {
    this.#isLeading = false;
  }

  stop(): void {
    this.#loop.stop();
  }

  /** @returns null: nobody is there to hear it */
  #beat(): number | null {
    if (!this.#isLeading) return null;
    const gone = [...this.#tabs].filter(([, known]) => ++known.missed > mostMissed);
    for (const [tab] of gone) this.#tabs.delete(tab);
    if (gone.length > 0) this.#onGone();
    if (this.#tabs.size === 0) return null;
    this.#call();
    return beatMs;
  }
}
