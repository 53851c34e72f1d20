import { Loop } from "../base/loop.js";
import type { DocumentName } from "../base/tabMessages.js";
import { dealOut, isSameScreen } from "../core/screen.js";
import type { Clock } from "../ports/clock.js";

/** How long after the first change of a screen it is told: a list that is scrolled through is told of once in so long. */
export const screenMs = 1_000;

/** Something whose rows are on the screen. */
export interface Shown {
  readonly documents: readonly DocumentName[];
}

export interface ScreenOptions {
  readonly clock: Clock;
  /** Whether what queries give may lack rows that are still to be read. */
  isOpening(): boolean;
  tell(documents: readonly DocumentName[]): void;
}

/**
 * What this tab shows, as far as can be known: what the app has prioritised, and the rows of live queries with a limit; of
 * others nobody knows which of their rows are seen. Told when it has become another.
 */
export class Screen {
  readonly #options: ScreenOptions;
  readonly #loop: Loop;
  /** In the order in which they came. */
  readonly #shown = new Set<Shown>();
  #prioritised: readonly DocumentName[] = [];
  #told: readonly DocumentName[] = [];

  constructor(options: ScreenOptions) {
    this.#options = options;
    this.#loop = new Loop(options.clock, async () => this.#look());
  }

  prioritise(documents: readonly DocumentName[]): void {
    this.#prioritised = documents;
    this.note();
  }

  show(shown: Shown): void {
    this.#shown.add(shown);
    this.note();
  }

  hide(shown: Shown): void {
    this.#shown.delete(shown);
    this.note();
  }

  /** What is shown may be something else now. */
  note(): void {
    this.#loop.wake(screenMs);
  }

  stop(): void {
    this.#loop.stop();
  }

  #look(): null {
    if (this.#options.isOpening()) return null; // noted again once all is read
    const newestFirst = [...this.#shown].reverse().map(({ documents }) => documents);
    const documents = dealOut([this.#prioritised, ...newestFirst]);
    if (isSameScreen(documents, this.#told)) return null;
    this.#told = documents;
    this.#options.tell(documents);
    return null;
  }
}
