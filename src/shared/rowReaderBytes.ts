// How lib0 writes numbers, strings and values, read without lib0: that returns 0 for a number past the end, makes a view
// of the bytes for every string, and is no dependency of ours. Whatever is odd here is `Unreadable`, and Yjs judges.

/** The bytes are malformed, or mean something that only Yjs understands. */
export class Unreadable extends Error {}

/** Deeper than Convex values can be: Yjs would go on until the stack is full. */
const deepest = 64;
/** Blobs up to this become one string at once, which fits a call's arguments; longer ones are read string by string. */
const shortBlob = 4_096;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Reads a stretch of bytes from its start to its end, never beyond. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  /** A character for each byte, so that both have the same offsets; null for bytes that are too many. */
  readonly #characters: string | null;
  #at: number;
  readonly #end: number;
  #numbers: DataView | null = null;

  constructor(bytes: Uint8Array, characters = charactersOf(bytes), from = 0, to = bytes.length) {
    this.#bytes = bytes;
    this.#characters = characters;
    this.#at = from;
    this.#end = to;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#end;
  }

  byte(): number {
    if (this.#at >= this.#end) throw new Unreadable("The bytes end early.");
    return this.#bytes[this.#at++] as number;
  }

  uint(): number {
    const first = this.byte();
    return first < 128 ? first : this.#more(first & 127, 128);
  }

  /** The sign is a bit of its own: there is a negative zero, and it has a meaning. */
  int(): number {
    const first = this.byte();
    const magnitude = first < 128 ? first & 63 : this.#more(first & 63, 64);
    return first & 64 ? -magnitude : magnitude;
  }

  /** A view of the next `length` bytes. */
  view(length: number): Uint8Array {
    const start = this.#skip(length);
    return this.#bytes.subarray(start, start + length);
  }

  /** The next `length` bytes as a reader of their own. */
  part(length: number): ByteReader {
    const start = this.#skip(length);
    return new ByteReader(this.#bytes, this.#characters, start, start + length);
  }

  /** A string behind its length in bytes. Most are short and ASCII: cutting them out of one string is the fastest. */
  text(): string {
    const length = this.uint();
    const start = this.#skip(length);
    const end = start + length;
    if (this.#characters !== null) {
      let at = start;
      while (at < end && (this.#bytes[at] as number) < 128) at++;
      if (at === end) return this.#characters.slice(start, end);
    }
    try {
      return utf8.decode(this.#bytes.subarray(start, end));
    } catch (cause) {
      throw new Unreadable("A string is no UTF-8.", { cause });
    }
  }

  /** A value of a register. Bytes are views. */
  value(depth = 0): unknown {
    switch (this.byte()) {
      case 127:
        return undefined;
      case 126:
        return null;
      case 125:
        return this.int();
      case 124:
        return this.#data().getFloat32(this.#skip(4));
      case 123:
        return this.#data().getFloat64(this.#skip(8));
      case 122:
        return this.#data().getBigInt64(this.#skip(8));
      case 121:
        return false;
      case 120:
        return true;
      case 119:
        return this.text();
      case 118:
        return this.#object(depth + 1);
      case 117:
        return this.#array(depth + 1);
      case 116:
        return this.view(this.uint());
      default:
        throw new Unreadable("There is no such type of value.");
    }
  }

  /** As Yjs does it: of a name that is there twice the last value counts, and `__proto__` is no field. */
  #object(depth: number): Record<string, unknown> {
    const found: Record<string, unknown> = {};
    for (let left = this.#count(depth); left > 0; left--) {
      const name = this.text();
      const value = this.value(depth);
      if (name !== "__proto__") found[name] = value;
    }
    return found;
  }

  #array(depth: number): unknown[] {
    const found: unknown[] = [];
    for (let left = this.#count(depth); left > 0; left--) found.push(this.value(depth));
    return found;
  }

  #count(depth: number): number {
    if (depth > deepest) throw new Unreadable("A value is nested too deeply.");
    return this.uint();
  }

  #more(low: number, scale: number): number {
    let [value, unit] = [low, scale];
    for (;;) {
      const byte = this.byte();
      value += (byte & 127) * unit;
      if (value > Number.MAX_SAFE_INTEGER) throw new Unreadable("A number is too large.");
      if (byte < 128) return value;
      unit *= 128;
    }
  }

  #data(): DataView {
    const { buffer, byteOffset, byteLength } = this.#bytes;
    return (this.#numbers ??= new DataView(buffer, byteOffset, byteLength));
  }

  #skip(length: number): number {
    const start = this.#at;
    if (length > this.#end - start) throw new Unreadable("The bytes end early.");
    this.#at = start + length;
    return start;
  }
}

function charactersOf(bytes: Uint8Array): string | null {
  return bytes.length > shortBlob ? null : String.fromCharCode.apply(null, bytes as unknown as number[]);
}
