// What a server holds of places: bytes as the component stores them, made from the rows alone, so that a page that is
// loaded again makes the same.
import { insertOperations } from "../../src/collections/index.js";
import { authorUpdate, encodeSnapshot, openDocument } from "../../src/shared/document.js";
import type { Operation } from "../../src/shared/operations.js";
import type { StateEntry } from "../../src/shared/wire.js";
import { places, type Place } from "./places.js";

/** `deltas`: as devices inserted them (V1). `snapshots`: as an import or compaction leaves them (V2). */
export type Form = "deltas" | "snapshots";

/** Documents of one commit, as an import writes them. */
const documentsACommit = 100;
/** Of the devices that inserted them. */
const authors = 50;

/** The stream of a scope in which each place was inserted, in order. */
export function entriesOf(rows: readonly Place[], form: Form): StateEntry[] {
  return rows.map((row, index) => ({
    document: row.id,
    ts: BigInt(Math.floor(index / documentsACommit) + 1),
    type: form === "deltas" ? "update" : "snapshot",
    bytes: bytesOf(row, form).buffer,
  }));
}

/** Where that stream ends. */
export function endOf(count: number): bigint {
  return BigInt(Math.ceil(count / documentsACommit));
}

export function bytesOf(row: Place, form: Form): Uint8Array<ArrayBuffer> {
  const doc = openDocument([]);
  const update = authorUpdate(doc, 1000 + (row.population % authors), insertOperations(places, row));
  return form === "deltas" ? update!.bytes : encodeSnapshot(doc);
}

/** Another device, and what it holds of the documents that it changes. */
export class Editor {
  readonly #author: number;
  readonly #docs = new Map<string, ReturnType<typeof openDocument>>();

  constructor(author: number) {
    this.#author = author;
  }

  /** @throws Error if the operations change nothing */
  edit(row: Place, form: Form, operations: readonly Operation[]): Uint8Array<ArrayBuffer> {
    const doc = this.#docs.get(row.id) ?? openDocument([bytesOf(row, form)]);
    this.#docs.set(row.id, doc);
    const update = authorUpdate(doc, this.#author, operations);
    if (update === null) throw new Error(`These operations change nothing of ${row.id}.`);
    return update.bytes;
  }
}

/** What a colleague does to a place in a visit. */
export function visit(n: number): Operation[] {
  return [
    { type: "set", field: "note", value: `visit ${n}: gate locked, called the owner` },
    { type: "increment", field: "visits", by: 1 },
  ];
}
