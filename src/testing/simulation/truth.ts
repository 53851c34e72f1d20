import { projectRow, type AnyCollection, type PlainRow } from "../../collections/index.js";
import { canonicalJson } from "../../shared/canonicalJson.js";
import { openDocument } from "../../shared/document.js";
import { readMain, type MainState } from "../../shared/mainDocument.js";
import { firstEpoch } from "../../shared/wire.js";
import { Violation } from "../violation.js";
import type { Left, StoredState } from "./backend.js";
import type { Releases } from "./releases.js";

/** What is stored of a document: which of whose changes, and what they come to in the newest release. */
export interface State {
  readonly clocks: ReadonlyMap<number, number>;
  readonly main: MainState;
  readonly row: PlainRow | null;
}

export interface TrueDocument extends State {
  readonly collection: string;
  readonly id: string;
  /** null: it is nowhere. */
  readonly scope: string | null;
  /** When it last changed. */
  readonly ts: bigint;
  readonly blobs: readonly Uint8Array[];
  /** The release that has written the app's row of it. */
  readonly version: number;
}

/** What a commit has made of a document that was there before and is after. */
export interface Rewritten {
  readonly ts: bigint;
  readonly collection: string;
  readonly document: string;
  /** Of which more is there than before. */
  readonly authors: readonly number[];
  /** As the newest release has it. */
  readonly before: PlainRow;
  readonly after: PlainRow;
  /** In which these differ. */
  readonly fields: readonly string[];
}

/** @param definition of the newest release */
export function stateOf(definition: AnyCollection, id: string, blobs: readonly Uint8Array[]): State {
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
    row: projectRow(definition, id, main),
  };
}

export function coversClocks(state: State, other: State): boolean {
  return [...other.clocks].every(([author, clock]) => (state.clocks.get(author) ?? 0) >= clock);
}

export function isSameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

/** What the server holds, looked at after each of its commits. */
export class Truth {
  readonly releases: Releases;
  readonly rewritten: Rewritten[] = [];
  readonly #documents = new Map<string, TrueDocument>();
  #epochs: ReadonlyMap<string, string> = new Map();

  constructor(releases: Releases) {
    this.releases = releases;
  }

  get documents(): readonly TrueDocument[] {
    return [...this.#documents.values()];
  }

  get(collection: string, id: string): TrueDocument | undefined {
    return this.#documents.get(keyOf(collection, id));
  }

  epochOf(collection: string): string {
    return this.#epochs.get(collection) ?? firstEpoch;
  }

  /** A backup was restored. @param documents what the server held when it was taken */
  restore(documents: readonly TrueDocument[]): void {
    this.#documents.clear();
    for (const document of documents) this.#documents.set(keyOf(document.collection, document.id), document);
  }

  /**
   * Takes in what a commit has left behind.
   *
   * @throws Violation I-10 if it has changed what it must not
   * @throws Violation I-9 if the app's rows are not what the documents come to
   */
  take({ mayChange, epochs, version, states, rows }: Left): void {
    this.#epochs = epochs;
    const known = states.filter((state) => this.#newest(state.collection) !== undefined);
    for (const state of known) this.#takeState(state, mayChange, version);
    const told = new Set(known.map(({ collection, id }) => keyOf(collection, id)));
    for (const [key, { collection, id, ts }] of this.#documents)
      if (!told.has(key)) this.#takeState({ collection, id, scope: null, ts, blobs: [] }, mayChange, version);
    for (const [collection, own] of rows) this.#checkRows(collection, own, mayChange ? version : null);
  }

  #takeState(stored: StoredState, mayChange: boolean, version: number): void {
    const { collection, id, scope, ts } = stored;
    const blobs = stored.blobs.map((blob) => new Uint8Array(blob));
    const known = this.get(collection, id);
    if (known === undefined && scope === null) return;
    if (known?.scope === scope && areSameBlobs(known.blobs, blobs)) return;
    const state = stateOf(this.#newest(collection) as AnyCollection, id, blobs);
    const isSame = known?.scope === scope && isSameState(known, state);
    if (isSame) return void this.#set({ ...known, blobs });
    if (!mayChange) throw new Violation("I-10", `"${id}" was changed by what should have changed nothing`);
    if (known !== undefined) this.#noteRewritten(ts, known, state);
    this.#set({ ...state, collection, id, scope, ts, blobs, version });
  }

  #set(document: TrueDocument): void {
    this.#documents.set(keyOf(document.collection, document.id), document);
  }

  #newest(collection: string): AnyCollection | undefined {
    return this.releases.find(this.releases.newest, collection);
  }

  /** @param version of the release that may have written a row anew and have changed nothing of its document */
  #checkRows(collection: string, rows: readonly PlainRow[], version: number | null): void {
    for (const document of this.documents) {
      if (document.collection !== collection) continue;
      const row = rows.find((each) => each.id === document.id);
      if (this.#isAsOf(document.version, document, row)) continue;
      if (version === null || !this.#isAsOf(version, document, row)) {
        const expected = canonicalJson(this.#rowIn(document.version, document) as never);
        const found = canonicalJson((row ?? null) as never);
        throw new Violation(
          "I-9",
          `the app's row of "${document.id}" is\n${found}, and the document comes to\n${expected}`,
        );
      }
      this.#set({ ...document, version });
    }
    const stray = rows.find(({ id }) => this.get(collection, id) === undefined);
    if (stray !== undefined)
      throw new Violation("I-9", `the app has a row of "${stray.id}", which nobody has written`);
  }

  #isAsOf(version: number, document: TrueDocument, row: PlainRow | undefined): boolean {
    const definition = this.releases.find(version, document.collection) as AnyCollection;
    const own = row === undefined ? null : ownFields(definition, row);
    return canonicalJson(own as never) === canonicalJson(this.#rowIn(version, document) as never);
  }

  #rowIn(version: number, { collection, id, main }: TrueDocument): PlainRow | null {
    return projectRow(this.releases.find(version, collection) as AnyCollection, id, main);
  }

  #noteRewritten(ts: bigint, known: TrueDocument, { row: after, clocks }: State): void {
    const { collection, id: document, row: before } = known;
    if (before === null || after === null) return;
    const fields = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(
      (field) =>
        canonicalJson((before[field] ?? null) as never) !== canonicalJson((after[field] ?? null) as never),
    );
    const authors = [...clocks.keys()].filter((author) => clocks.get(author) !== known.clocks.get(author));
    if (fields.length > 0) this.rewritten.push({ ts, collection, document, authors, before, after, fields });
  }
}

function keyOf(collection: string, id: string): string {
  return `${collection}\0${id}`;
}

/** Of the app's row what a definition knows: fields of the server's own, or of other releases, stay in the app's table. */
function ownFields(definition: AnyCollection, row: PlainRow): PlainRow {
  const known = Object.keys(definition.row.fields as object);
  return Object.fromEntries(known.filter((name) => name in row).map((name) => [name, row[name]])) as PlainRow;
}

function areSameBlobs(a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean {
  return a.length === b.length && a.every((blob, at) => isSameBytes(blob, b[at] as Uint8Array));
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
