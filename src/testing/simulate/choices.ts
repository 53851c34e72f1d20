import { SeededRandom } from "../random.js";

const syllables = [
  "ba",
  "do",
  "fi",
  "ge",
  "ho",
  "ka",
  "li",
  "mu",
  "ne",
  "po",
  "ra",
  "si",
  "tu",
  "ve",
  "wo",
  "za",
];

/** Chance, as a seed has it. */
export interface Choices {
  /** In [0, 1). */
  next(): number;
  /** A whole number in [0, below). */
  below(below: number): number;
  chance(probability: number): boolean;
  /** One of them; undefined: there is none. */
  pick<T>(list: Iterable<T>): T | undefined;
  /** A made-up one, of 4,096. */
  word(): string;
}

export function createChoices(seed: number): Choices {
  const random = new SeededRandom(seed);
  return {
    next: () => random.next(),
    below: (below) => random.below(below),
    chance: (probability) => random.chance(probability),
    pick: (list) => {
      const all = [...list];
      return all[random.below(all.length)];
    },
    word: () => random.pick(syllables) + random.pick(syllables) + random.pick(syllables),
  };
}
