/** Time, as an argument: tests drive it by hand. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Calls `callback` once after `delayMs`. @returns a function that takes it back */
  setTimer(callback: () => void, delayMs: number): () => void;
}

/** Randomness, as an argument. */
export interface Randomness {
  /** A string that no other device makes, for transactions, documents and clients. */
  id(): string;
  /** A Yjs client id: an unsigned 32-bit integer, not 0. */
  author(): number;
  /** A number in [0, 1). */
  fraction(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  setTimer(callback, delayMs) {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

export const systemRandomness: Randomness = {
  id: () => crypto.randomUUID(),
  author: () => crypto.getRandomValues(new Uint32Array(1))[0] || 1,
  fraction: () => Math.random(),
};
