import type { Phase } from "../base/publication.js";

/** So many transactions are remembered. */
const mostRemembered = 10_000;

interface Foretold {
  readonly covered: string[];
  phase: Phase;
}

/** What was heard of transactions that are not known, or not any more: messages of several tabs overtake one another. */
export class Hearsay {
  readonly #finished = new Set<string>();
  readonly #foretold = new Map<string, Foretold>();

  /** Whether it is over: a late message about it does not bring it back. */
  isFinished(id: string): boolean {
    return this.#finished.has(id);
  }

  noteFinished(id: string): void {
    this.#foretold.delete(id);
    this.#finished.add(id);
    dropOldest(this.#finished);
  }

  /** The leader has said something of a transaction whose own message is still on its way. */
  noteCovered(id: string, document: string): void {
    this.#of(id).covered.push(document);
  }

  notePhase(id: string, phase: Phase): void {
    this.#of(id).phase = phase;
  }

  /** Its own message has come. @returns what was heard of it before */
  take(id: string): Readonly<Foretold> {
    const foretold = this.#foretold.get(id);
    this.#foretold.delete(id);
    return foretold ?? nothingHeard();
  }

  #of(id: string): Foretold {
    const foretold = this.#foretold.get(id) ?? nothingHeard();
    this.#foretold.set(id, foretold);
    dropOldest(this.#foretold);
    return foretold;
  }
}

function nothingHeard(): Foretold {
  return { covered: [], phase: { type: "waiting" } };
}

/** @param ids in the order in which they came */
function dropOldest(ids: Set<string> | Map<string, unknown>): void {
  if (ids.size <= mostRemembered) return;
  const [oldest] = ids.keys();
  ids.delete(oldest as string);
}
