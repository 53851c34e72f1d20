/**
 * A stream of numbers that a seed decides (sfc32 of the PractRand test suite: 128 bits of state, so that streams that
 * are forked from one another do not meet). Not for secrets.
 */
export class Random {
  readonly #state: Uint32Array;

  constructor(seed: readonly [number, number, number, number]) {
    this.#state = Uint32Array.from(seed);
    for (let round = 0; round < 12; round++) this.uint32();
  }

  /** Another stream, which this one's place decides. */
  fork(): Random {
    return new Random([this.uint32(), this.uint32(), this.uint32(), this.uint32()]);
  }

  /** Goes on as this number, too, decides. */
  stir(number: number): void {
    this.#state[0]! ^= number;
    for (let round = 0; round < 12; round++) this.uint32();
  }

  /** From 0 up to, not including, 1. */
  fraction(): number {
    return (this.uint32() * 2 ** 21 + (this.uint32() >>> 11)) / 2 ** 53;
  }

  /** From 0 up to, not including, `count`. */
  below(count: number): number {
    return Math.floor(this.fraction() * count);
  }

  fill(bytes: Uint8Array): void {
    for (let place = 0; place < bytes.length; place++) bytes[place] = this.uint32();
  }

  uint32(): number {
    const [a = 0, b = 0, c = 0, counter = 0] = this.#state;
    const result = (a + b + counter) >>> 0;
    this.#state[0] = b ^ (b >>> 9);
    this.#state[1] = c + (c << 3);
    this.#state[2] = ((c << 21) | (c >>> 11)) + result;
    this.#state[3] = counter + 1;
    return result;
  }
}

export function seededRandom(seed: number): Random {
  return new Random([seed, 0x9e3779b9, 0x243f6a88, 1]);
}

export function unseededRandom(): Random {
  const [a = 0, b = 0, c = 0, d = 0] = crypto.getRandomValues(new Uint32Array(4));
  return new Random([a, b, c, d]);
}
