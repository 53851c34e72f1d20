// For tests and benchmarks: how people edit a long text, keystroke by keystroke, from a recording or made up.
import fs from "node:fs";
import zlib from "node:zlib";
import { seededRandom, type Random } from "./engine/random.js";

/** Some characters taken out at a place, and some put in. */
export interface Edit {
  readonly at: number;
  readonly deleted: number;
  readonly inserted: string;
}

export interface EditTrace {
  /** What it is, for reports. */
  readonly name: string;
  /** In runs: what was typed, or taken back, at one place without a pause in between. */
  readonly edits: readonly Edit[];
}

/** What is recorded in files of the format of github.com/automerge/automerge-perf, as its JSON version has it. */
interface Recording {
  readonly txns: readonly { readonly patches: readonly (readonly [number, number, string])[] }[];
}

/**
 * The recording that the environment variable REPLICATE_TRACE names (JSON, gzipped or not); without one, an invented
 * trace of the same character: the same for everybody.
 */
export function openTrace(file = process.env["REPLICATE_TRACE"]): EditTrace {
  return file === undefined || file === "" ? inventTrace(11, 10_000) : readTrace(file);
}

export function readTrace(file: string): EditTrace {
  const bytes = fs.readFileSync(file);
  const isZipped = bytes[0] === 0x1f && bytes[1] === 0x8b;
  const { txns } = JSON.parse((isZipped ? zlib.gunzipSync(bytes) : bytes).toString()) as Recording;
  const keystrokes = txns.flatMap(({ patches }) =>
    patches.map(([at, deleted, inserted]) => ({ at, deleted, inserted })),
  );
  return { name: `the recording of ${keystrokes.length} keystrokes`, edits: inRuns(keystrokes) };
}

/** Keystrokes in runs: typed one behind the other, deleted one before the other or at one place. */
export function inRuns(edits: readonly Edit[]): Edit[] {
  const runs: Edit[] = [];
  for (const edit of edits) {
    const last = runs.at(-1);
    const joined = last === undefined ? null : join(last, edit);
    if (joined === null) runs.push(edit);
    else runs[runs.length - 1] = joined;
  }
  return runs;
}

function join(run: Edit, { at, deleted, inserted }: Edit): Edit | null {
  const isTyping = run.deleted === 0 && deleted === 0;
  if (isTyping && at === run.at + run.inserted.length) return { ...run, inserted: run.inserted + inserted };
  const isDeleting = run.inserted === "" && inserted === "";
  if (isDeleting && (at === run.at || at + deleted === run.at))
    return { at, deleted: run.deleted + deleted, inserted: "" };
  return null;
}

/** The keystrokes of a run: letters one after the other, deletions backwards. */
export function keystrokesOf({ at, deleted, inserted }: Edit): Edit[] {
  return [
    ...Array.from({ length: deleted }, (_, n) => ({ at: at + deleted - 1 - n, deleted: 1, inserted: "" })),
    ...[...inserted].map((letter, n) => ({ at: at + n, deleted: 0, inserted: letter })),
  ];
}

export function lengthAfter(length: number, { deleted, inserted }: Edit): number {
  return length - deleted + inserted.length;
}

/** The text that comes of edits made in an empty one. */
export function textAfter(edits: readonly Edit[]): string {
  let text = "";
  for (const { at, deleted, inserted } of edits)
    text = text.slice(0, at) + inserted + text.slice(at + deleted);
  return text;
}

/**
 * A trace with the figures of the recording: 29 characters in a run of typing, half of them shorter than 9, some pasted
 * by the thousand; 17 in a run of deletions, half of them 2 or fewer; seven deletions to ten insertions; one jump to
 * two runs, half of them over less than 40 characters, some to anywhere.
 */
export function inventTrace(seed: number, runs: number): EditTrace {
  const random = seededRandom(seed);
  const edits: Edit[] = [];
  let [cursor, length] = [0, 0];
  while (edits.length < runs) {
    if (random.fraction() < 0.55) cursor = jumpFrom(cursor, length, random);
    const inserted = inventText(skewed(9, 1400, random), random);
    edits.push({ at: cursor, deleted: 0, inserted });
    cursor += inserted.length;
    length += inserted.length;
    if (random.fraction() > 0.7) continue;
    const deleted = Math.min(cursor, skewed(2, 6000, random, 4));
    cursor -= deleted;
    length -= deleted;
    edits.push({ at: cursor, deleted, inserted: "" });
  }
  return { name: `an invented trace of ${edits.length} runs`, edits };
}

function jumpFrom(cursor: number, length: number, random: Random): number {
  if (random.fraction() < 0.1) return random.below(length + 1);
  const way = skewed(36, 2000, random) * (random.fraction() < 0.5 ? -1 : 1);
  return Math.max(0, Math.min(length, cursor + way));
}

/** Half of them up to `median`, a few far above it. */
function skewed(median: number, most: number, random: Random, spread = 3): number {
  const place = random.fraction() + random.fraction() + random.fraction() - 1.5;
  return Math.min(most, Math.max(1, Math.round(median * Math.exp(place * spread))));
}

function inventText(length: number, random: Random): string {
  let text = "";
  while (text.length < length) {
    const word = Array.from({ length: 1 + random.below(9) }, () => letters[random.below(letters.length)]);
    text += `${word.join("")}${random.below(12) === 0 ? ".\n" : " "}`;
  }
  return text.slice(0, length);
}

const letters = "eeeeeettttaaaooonnniiisssrrrhhlldducmfgypwbvkq\\{}äö";
