// For tests and benchmarks: authors who write a long text together, each replaying a trace at a place of their own.
import { encodeSnapshot, openDocument } from "../src/shared/document.js";
import { authorText } from "../src/shared/partDocument.js";
import type { Random } from "./engine/random.js";
import { keystrokesOf, lengthAfter, textAfter, type Edit, type EditTrace } from "./editTrace.js";

/** A text that an author is writing, somewhere in that of all. */
class Manuscript {
  readonly #trace: EditTrace;
  #next = 0;
  #keystrokes: Edit[] = [];
  readonly #made: Edit[] = [];
  length = 0;

  constructor(trace: EditTrace) {
    this.#trace = trace;
  }

  get isFinished(): boolean {
    return this.#keystrokes.length === 0 && this.#next >= this.#trace.edits.length;
  }

  get text(): string {
    return textAfter(this.#made);
  }

  /** The rest of the run that was begun, or the next one. */
  nextRun(): Edit[] {
    if (this.#keystrokes.length > 0) return this.#note(this.#keystrokes.splice(0));
    const run = this.#trace.edits[this.#next++];
    return this.#note(run === undefined ? [] : [run]);
  }

  nextKeystroke(): Edit[] {
    const run = this.#keystrokes.length > 0 ? undefined : this.#trace.edits[this.#next++];
    if (run !== undefined) this.#keystrokes = keystrokesOf(run);
    return this.#note(this.#keystrokes.splice(0, 1));
  }

  #note(edits: Edit[]): Edit[] {
    this.#made.push(...edits);
    this.length = edits.reduce(lengthAfter, this.length);
    return edits;
  }
}

/** The text of all, as those see it who have seen everything; and what it has to be, told without Yjs. */
export class PartReplay {
  readonly doc = openDocument([]);
  readonly #trace: EditTrace;
  readonly #random: Random;
  /** From its beginning to its end. */
  #pieces: (string | Manuscript)[] = [""];
  readonly #manuscripts = new Map<number, Manuscript>();

  constructor(trace: EditTrace, random: Random) {
    this.#trace = trace;
    this.#random = random;
  }

  /** An author's next runs, as one update. */
  type(author: number, runs: number): Uint8Array<ArrayBuffer> {
    return this.#author(author, (manuscript) =>
      Array.from({ length: runs }, () => manuscript.nextRun()).flat(),
    );
  }

  /** An author's next keystroke, as one update. */
  keystroke(author: number): Uint8Array<ArrayBuffer> {
    return this.#author(author, (manuscript) => manuscript.nextKeystroke());
  }

  get text(): string {
    return this.#pieces.map((piece) => (typeof piece === "string" ? piece : piece.text)).join("");
  }

  /** Its state, as it is stored once it is compacted. */
  encode(): Uint8Array<ArrayBuffer> {
    return encodeSnapshot(this.doc);
  }

  #author(author: number, next: (manuscript: Manuscript) => Edit[]): Uint8Array<ArrayBuffer> {
    const manuscript = this.#manuscriptOf(author);
    const update = authorText(this.doc, author, (text) => {
      const start = this.#startOf(manuscript);
      for (const { at, deleted, inserted } of next(manuscript)) {
        if (deleted > 0) text.delete(start + at, deleted);
        if (inserted !== "") text.insert(start + at, inserted);
      }
    });
    return update ?? this.#author(author, next);
  }

  #manuscriptOf(author: number): Manuscript {
    const found = this.#manuscripts.get(author);
    if (found !== undefined && !found.isFinished) return found;
    const begun = new Manuscript(this.#trace);
    this.#manuscripts.set(author, begun);
    if (found !== undefined) this.#pieces[this.#pieces.indexOf(found)] = found.text;
    this.#place(begun);
    return begun;
  }

  /** Anywhere in what is written, but not in what is being written. */
  #place(manuscript: Manuscript): void {
    const length = this.#pieces.reduce(
      (sum, piece) => sum + (typeof piece === "string" ? piece.length : 0),
      0,
    );
    let place = this.#random.below(length + 1);
    this.#pieces = this.#pieces.flatMap((piece) => {
      if (typeof piece !== "string") return [piece];
      const isHere = place >= 0 && place <= piece.length;
      const parts = isHere ? [piece.slice(0, place), manuscript, piece.slice(place)] : [piece];
      place = isHere ? -1 : place - piece.length;
      return parts;
    });
  }

  #startOf(manuscript: Manuscript): number {
    const before = this.#pieces.slice(0, this.#pieces.indexOf(manuscript));
    return before.reduce((sum, piece) => sum + piece.length, 0);
  }
}
