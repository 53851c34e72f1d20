// The two encodings of a Yjs update. V1 is one sequence. V2 has a column for each kind of number, packed by runs, and
// what fits none of them in a sequence after the columns.
import { ByteReader, Unreadable } from "./rowReaderBytes.js";

/** What an update consists of, in the order in which {@link readItems} asks for it, in either encoding. */
export interface Columns {
  /** Counts, first clocks, values, and whose deletions follow. */
  readonly rest: ByteReader;
  client(): number;
  info(): number;
  originClock(): number;
  isRootParent(): boolean;
  text(): string;
  length(): number;
  /** Before the deletions of one client. */
  startDeletions(): void;
  deletedFrom(): number;
  deletedLength(): number;
}

export class ColumnsV1 implements Columns {
  readonly rest: ByteReader;

  constructor(update: Uint8Array) {
    this.rest = new ByteReader(update);
  }

  client(): number {
    return this.rest.uint();
  }

  info(): number {
    return this.rest.byte();
  }

  originClock(): number {
    return this.rest.uint();
  }

  isRootParent(): boolean {
    return this.rest.uint() === 1;
  }

  text(): string {
    return this.rest.text();
  }

  length(): number {
    return this.rest.uint();
  }

  startDeletions(): void {}

  deletedFrom(): number {
    return this.rest.uint();
  }

  deletedLength(): number {
    return this.rest.uint();
  }
}

export class ColumnsV2 implements Columns {
  readonly rest: ByteReader;
  readonly #clients: NumberRuns;
  readonly #originClocks: DifferenceRuns;
  readonly #infos: ByteRuns;
  readonly #texts: Texts;
  readonly #parents: ByteRuns;
  readonly #lengths: NumberRuns;
  #clock = 0;

  constructor(update: Uint8Array) {
    const rest = new ByteReader(update);
    const column = () => rest.part(rest.uint());
    if (rest.uint() !== 0) throw new Unreadable("A feature of Yjs that is not known.");
    column(); // names of formats
    this.#clients = new NumberRuns(column());
    this.#originClocks = new DifferenceRuns(column());
    column(); // clocks of right origins
    this.#infos = new ByteRuns(column());
    this.#texts = new Texts(column());
    this.#parents = new ByteRuns(column());
    column(); // nested types
    this.#lengths = new NumberRuns(column());
    this.rest = rest;
  }

  client(): number {
    return this.#clients.next();
  }

  info(): number {
    return this.#infos.next();
  }

  originClock(): number {
    return this.#originClocks.next();
  }

  isRootParent(): boolean {
    return this.#parents.next() === 1;
  }

  text(): string {
    return this.#texts.next();
  }

  length(): number {
    return this.#lengths.next();
  }

  startDeletions(): void {
    this.#clock = 0;
  }

  /** Counted from the end of the deletion before. */
  deletedFrom(): number {
    this.#clock += this.rest.uint();
    return this.#clock;
  }

  deletedLength(): number {
    const length = this.rest.uint() + 1;
    this.#clock += length;
    return length;
  }
}

/** Bytes, each with how often it is repeated; the last one for ever. */
class ByteRuns {
  readonly #from: ByteReader;
  #value = 0;
  #left = 0;

  constructor(from: ByteReader) {
    this.#from = from;
  }

  next(): number {
    if (this.#left === 0) {
      this.#value = this.#from.byte();
      this.#left = this.#from.isAtEnd ? Infinity : this.#from.uint() + 1;
    }
    this.#left--;
    return this.#value;
  }
}

/** Numbers; a negative one stands for several, and how many follows. */
class NumberRuns {
  readonly #from: ByteReader;
  #value = 0;
  #left = 0;

  constructor(from: ByteReader) {
    this.#from = from;
  }

  next(): number {
    if (this.#left === 0) {
      const read = this.#from.int();
      const isRun = read < 0 || Object.is(read, -0);
      this.#value = Math.abs(read);
      this.#left = isRun ? this.#from.uint() + 2 : 1;
    }
    this.#left--;
    return this.#value;
  }
}

/** Numbers told by the difference to the one before; the lowest bit says that it is repeated, and how often follows. */
class DifferenceRuns {
  readonly #from: ByteReader;
  #value = 0;
  #difference = 0;
  #left = 0;

  constructor(from: ByteReader) {
    this.#from = from;
  }

  next(): number {
    if (this.#left === 0) {
      const read = this.#from.int();
      this.#difference = Math.floor(read / 2);
      this.#left = read & 1 ? this.#from.uint() + 2 : 1;
    }
    this.#left--;
    return (this.#value += this.#difference);
  }
}

/** All strings in one, and behind it their lengths in code units. */
class Texts {
  readonly #all: string;
  readonly #lengths: NumberRuns;
  #at = 0;

  constructor(from: ByteReader) {
    this.#all = from.text();
    this.#lengths = new NumberRuns(from);
  }

  next(): string {
    const start = this.#at;
    this.#at += this.#lengths.next();
    if (this.#at > this.#all.length) throw new Unreadable("The strings end early.");
    return this.#all.slice(start, this.#at);
  }
}
