import fs from "node:fs";
import type { Site } from "../example/convex/collections.js";

/**
 * `seed:insert` takes 500. A fifth of that is far from the second that a function has, also on a slow machine, and
 * leaves room between two chunks for those who use the app meanwhile.
 */
const chunkSize = 100;
/** How far it must have got since the last line, where lines cannot be overwritten. */
const lineEvery = 0.1;

export interface SeedOptions {
  readonly what: string;
  readonly rows: readonly Site[];
  /** A file that tells how far an earlier start got; null: there was none, and nothing is kept. */
  readonly marker: string | null;
  readonly signal: AbortSignal;
  /** What is there already stays as it is. */
  insert(rows: readonly Site[]): Promise<unknown>;
}

/**
 * Inserts the rows, or those that an earlier start did not get to, with a line that tells how far it is. Ends between
 * two chunks if it is aborted. The marker is written behind the data: what it misses is found there, and stays.
 */
export async function seedSites({ what, rows, marker, insert, signal }: SeedOptions): Promise<void> {
  const earlier = marker === null ? null : readMarker(marker);
  const before = earlier?.of === rows.length ? earlier.done : 0;
  if (before === rows.length) return;
  const progress = new Progress(what, before, rows.length);
  for (let done = before; done < rows.length && !signal.aborted;) {
    const chunk = rows.slice(done, done + chunkSize);
    await insert(chunk);
    done += chunk.length;
    if (marker !== null) writeMarker(marker, { done, of: rows.length });
    progress.show(done);
  }
  progress.end();
}

/** Whether an earlier start got through its list. */
export function isDone(marker: string | null): boolean {
  const found = marker === null ? null : readMarker(marker);
  return found !== null && found.done === found.of;
}

interface Marker {
  readonly done: number;
  /** How long the list was: of another list it says nothing. */
  readonly of: number;
}

/** @returns null if there is none, or it was cut short: all of the list is gone through again */
function readMarker(file: string): Marker | null {
  try {
    return JSON.parse(fs.readFileSync(file, "utf8")) as Marker;
  } catch {
    return null;
  }
}

function writeMarker(file: string, marker: Marker): void {
  fs.writeFileSync(`${file}.next`, JSON.stringify(marker));
  fs.renameSync(`${file}.next`, file);
}

class Progress {
  readonly #what: string;
  readonly #before: number;
  readonly #total: number;
  readonly #start = performance.now();
  readonly #isTerminal = process.stdout.isTTY === true;
  #shown: number;

  constructor(what: string, before: number, total: number) {
    this.#what = what;
    this.#before = before;
    this.#total = total;
    this.#shown = before;
  }

  show(done: number): void {
    const isDue = done - this.#shown >= this.#total * lineEvery || done === this.#total;
    if (!this.#isTerminal && !isDue) return;
    this.#shown = done;
    const line = this.#line(done);
    process.stdout.write(this.#isTerminal ? `\r${line.padEnd(100)}` : `${line}\n`);
  }

  end(): void {
    if (this.#isTerminal) process.stdout.write("\n");
  }

  #line(done: number): string {
    const seconds = (performance.now() - this.#start) / 1_000;
    const perSecond = (done - this.#before) / seconds;
    const left = Math.ceil((this.#total - done) / perSecond);
    const count = `${done.toLocaleString("en")} of ${this.#total.toLocaleString("en")}`;
    const percent = `${Math.floor((done / this.#total) * 100)} %`;
    const end = left === 0 ? `in ${clock(Math.round(seconds))}` : `${clock(left)} left`;
    return `${this.#what}: ${count} · ${percent} · ${Math.round(perSecond)} a second · ${end}`;
  }
}

function clock(seconds: number): string {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
