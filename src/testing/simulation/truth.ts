import { projectRow, type PlainRow } from "../../collections/index.js";
import { canonicalJson } from "../../shared/canonicalJson.js";
import { openDocument } from "../../shared/document.js";
import { readMain, type MainState } from "../../shared/mainDocument.js";
import { firstEpoch } from "../../shared/wire.js";
import { Violation } from "../violation.js";
import type { Left } from "./backend.js";
import { newest, ownFields, sitesOf } from "./releases.js";
import { allDocuments } from "./steps.js";

/** What is stored of a document: which of whose changes, and what they come to in the newest release. */
export interface State {
  readonly clocks: ReadonlyMap<number, number>;
  readonly main: MainState;
  readonly row: PlainRow | null;
}

export interface TrueDocument extends State {
  /** null: it is nowhere. */
  readonly scope: string | null;
  /** When it last changed. */
  readonly ts: bigint;
  /** The release that has written the app's row of it. */
  readonly version: number;
}

/** What a commit has made of a document that was there before and is after. */
export interface Rewritten {
  readonly ts: bigint;
  readonly document: string;
  /** As the newest release has them. */
  readonly fields: readonly string[];
}

export function stateOf(id: string, blobs: readonly Uint8Array[]): State {
  const doc = openDocument(blobs);
  const authors = [...doc.store.clients.keys()].sort((a, b) => a - b);
  const clockOf = (author: number) => {
    const last = doc.store.clients.get(author)?.at(-1);
    return last === undefined ? 0 : last.id.clock + last.length;
  };
  const main = readMain(doc);
  return {
    clocks: new Map(authors.map((author) => [author, clockOf(author)])),
    main,
    row: projectRow(sitesOf(newest), id, main),
  };
}

export function coversClocks(state: State, other: State): boolean {
  return [...other.clocks].every(([author, clock]) => (state.clocks.get(author) ?? 0) >= clock);
}

/** What the server holds, looked at after each of its commits. */
export class Truth {
  readonly documents = new Map<string, TrueDocument>();
  /** The collection's. */
  epoch = firstEpoch;
  readonly rewritten: Rewritten[] = [];

  /** A backup was restored. @param documents what the server held when it was taken */
  restore(documents: ReadonlyMap<string, TrueDocument>): void {
    this.documents.clear();
    for (const [id, document] of documents) this.documents.set(id, document);
  }

  /**
   * Takes in what a commit has left behind.
   *
   * @throws Violation I-10 if it has changed what it must not
   * @throws Violation I-9 if the app's rows are not what the documents come to
   */
  take({ ts, epoch, version, states, rows }: Left): void {
    this.epoch = epoch;
    for (const [index, id] of allDocuments.entries()) {
      const { scope, blobs } = states[index] ?? { scope: null, blobs: [] };
      const state = stateOf(
        id,
        blobs.map((blob) => new Uint8Array(blob)),
      );
      const known = this.documents.get(id);
      const isSame = known !== undefined && known.scope === scope && isSameState(known, state);
      if (isSame || (known === undefined && scope === null)) continue;
      if (ts === null) throw new Violation("I-10", `"${id}" was changed by what should have changed nothing`);
      if (known !== undefined) this.#noteRewritten(ts, id, known.row, state.row);
      this.documents.set(id, { ...state, scope, ts, version });
    }
    this.#checkRows(rows, ts === null ? null : version);
  }

  /** @param version of the release that may have written a row anew and have changed nothing of its document */
  #checkRows(rows: readonly PlainRow[], version: number | null): void {
    for (const [id, document] of this.documents) {
      const row = rows.find((each) => each.id === id);
      const isAsOf = (release: number) =>
        canonicalJson((row === undefined ? null : ownFields(release, row)) as never) ===
        canonicalJson(projectRow(sitesOf(release), id, document.main) as never);
      if (isAsOf(document.version)) continue;
      if (version === null || !isAsOf(version)) {
        const expected = canonicalJson(projectRow(sitesOf(document.version), id, document.main) as never);
        const found = canonicalJson((row ?? null) as never);
        throw new Violation(
          "I-9",
          `the app's row of "${id}" is\n${found}, and the document comes to\n${expected}`,
        );
      }
      this.documents.set(id, { ...document, version });
    }
    const stray = rows.find(({ id }) => !this.documents.has(id));
    if (stray !== undefined)
      throw new Violation("I-9", `the app has a row of "${stray.id}", which nobody has written`);
  }

  #noteRewritten(ts: bigint, document: string, before: PlainRow | null, after: PlainRow | null): void {
    if (before === null || after === null) return;
    const fields = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(
      (field) =>
        canonicalJson((before[field] ?? null) as never) !== canonicalJson((after[field] ?? null) as never),
    );
    if (fields.length > 0) this.rewritten.push({ ts, document, fields });
  }
}

function isSameState(a: State, b: State): boolean {
  return (
    coversClocks(a, b) &&
    coversClocks(b, a) &&
    canonicalJson(a.row as never) === canonicalJson(b.row as never)
  );
}

/** Rows in an order of their own, as one text to compare. */
export function textOf(rows: Iterable<PlainRow>): string {
  return canonicalJson([...rows].sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)) as never);
}
