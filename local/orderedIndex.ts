import { compareValues, type Value } from "convex/values";
import type { Document } from "./engine.js";
import { fieldOf, valueOf, type Bound } from "./readSet.js";

export interface IndexQuery {
  /** Equalities on the first fields, then at most a lower and an upper bound on the next: Convex allows no others. */
  readonly bounds: readonly Bound[];
  readonly order: "asc" | "desc";
  /** null: all of the range. */
  readonly most: number | null;
}

/** A table's committed documents in the order of an index. */
export class OrderedIndex {
  readonly #paths: readonly string[][];
  readonly #documents: Document[];

  constructor(fields: readonly string[], documents: Iterable<Document>) {
    this.#paths = [...new Set([...fields, "_creationTime", "_id"])].map((field) => field.split("."));
    this.#documents = [...documents].sort((a, b) => this.#compare(a, b));
  }

  add(document: Document): void {
    this.#documents.splice(this.#placeOf(document), 0, document);
  }

  remove(document: Document): void {
    const place = this.#placeOf(document);
    if (this.#documents[place]?.["_id"] === document["_id"]) this.#documents.splice(place, 1);
  }

  /** The documents in a range, or the first `most` of them in the order asked for; always ascending. */
  find({ bounds, order, most }: IndexQuery): Document[] {
    const sought = bounds.map(({ type, fieldPath, value }) => ({
      type,
      path: fieldPath.split("."),
      value: valueOf(value),
    }));
    const start = this.#first((document) => !isBefore(document, sought));
    const end = this.#first((document) => isAfter(document, sought));
    if (most === null || end - start <= most) return this.#documents.slice(start, end);
    return order === "asc"
      ? this.#documents.slice(start, start + most)
      : this.#documents.slice(end - most, end);
  }

  #placeOf(document: Document): number {
    return this.#first((other) => this.#compare(other, document) >= 0);
  }

  #compare(a: Document, b: Document): number {
    for (const path of this.#paths) {
      const order = compareValues(fieldOf(a, path), fieldOf(b, path));
      if (order !== 0) return order;
    }
    return 0;
  }

  /** The first place from which on `isThere` holds. */
  #first(isThere: (document: Document) => boolean): number {
    let [low, high] = [0, this.#documents.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (isThere(this.#documents[middle]!)) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

type Sought = readonly { type: Bound["type"]; path: string[]; value: Value | undefined }[];

function isBefore(document: Document, sought: Sought): boolean {
  for (const { type, path, value } of sought) {
    const order = compareValues(fieldOf(document, path), value);
    if (type === "Eq" && order !== 0) return order < 0;
    if ((type === "Gt" && order <= 0) || (type === "Gte" && order < 0)) return true;
  }
  return false;
}

function isAfter(document: Document, sought: Sought): boolean {
  for (const { type, path, value } of sought) {
    const order = compareValues(fieldOf(document, path), value);
    if (type === "Eq" && order !== 0) return order > 0;
    if ((type === "Lt" && order >= 0) || (type === "Lte" && order > 0)) return true;
  }
  return false;
}
