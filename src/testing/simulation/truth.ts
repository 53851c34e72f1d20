import { projectRow, type PlainRow } from "../../collections/index.js";
import { canonicalJson } from "../../shared/canonicalJson.js";
import { openDocument } from "../../shared/document.js";
import { readMain } from "../../shared/mainDocument.js";
import { firstEpoch } from "../../shared/wire.js";
import { sites } from "../fieldApp.js";
import { Violation } from "../violation.js";
import type { Left } from "./backend.js";
import { allDocuments } from "./steps.js";

/** What is stored of a document: which of whose changes, and what they come to. */
export interface State {
  readonly clocks: ReadonlyMap<number, number>;
  readonly row: PlainRow | null;
}

export interface TrueDocument extends State {
  /** null: it is nowhere. */
  readonly scope: string | null;
  /** When it last changed. */
  readonly ts: bigint;
}

export function stateOf(id: string, blobs: readonly Uint8Array[]): State {
  const doc = openDocument(blobs);
  const authors = [...doc.store.clients.keys()].sort((a, b) => a - b);
  const clockOf = (author: number) => {
    const last = doc.store.clients.get(author)?.at(-1);
    return last === undefined ? 0 : last.id.clock + last.length;
  };
  return {
    clocks: new Map(authors.map((author) => [author, clockOf(author)])),
    row: projectRow(sites, id, readMain(doc)),
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

  get rows(): PlainRow[] {
    return [...this.documents.values()].flatMap(({ row }) => row ?? []);
  }

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
  take({ ts, epoch, states, rows }: Left): void {
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
      this.documents.set(id, { ...state, scope, ts });
    }
    const [real, projected] = [textOf(rows), textOf(this.rows)];
    if (real !== projected)
      throw new Violation("I-9", `the app's rows are\n${real}, and its documents come to\n${projected}`);
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
