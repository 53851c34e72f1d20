import { compareValues, jsonToConvex, type JSONValue, type Value } from "convex/values";
import type { Document, Write } from "./engine.js";

/** One bound of an index range, as a query states it. */
export interface Bound {
  readonly type: "Eq" | "Gt" | "Gte" | "Lt" | "Lte";
  readonly fieldPath: string;
  readonly value: JSONValue;
}

type Range = readonly {
  readonly isMet: (order: number) => boolean;
  path: string[];
  value: Value | undefined;
}[];

/**
 * What a query has read: single documents, and ranges of tables. A range stands for every document in it, also
 * beyond what the query took of it: a query runs again too often rather than too seldom.
 */
export class ReadSet {
  readonly #documents = new Set<string>();
  readonly #ranges = new Map<string, Range[]>();

  addDocument(component: string, id: string): void {
    this.#documents.add(`${component} ${id}`);
  }

  /** No bounds: the whole table. */
  addRange(component: string, table: string, bounds: readonly Bound[]): void {
    const key = `${component} ${table}`;
    const range = bounds.map(({ type, fieldPath, value }) => ({
      isMet: comparisons[type],
      path: fieldPath.split("."),
      value: valueOf(value),
    }));
    const ranges = this.#ranges.get(key);
    if (range.length === 0 || ranges === undefined) this.#ranges.set(key, [range]);
    else if (ranges[0]?.length !== 0) ranges.push(range);
  }

  isTouchedBy({ component, table, id, before, after }: Write): boolean {
    if (this.#documents.has(`${component} ${id}`)) return true;
    const ranges = this.#ranges.get(`${component} ${table}`) ?? [];
    return ranges.some((range) => isIn(range, before) || isIn(range, after));
  }
}

const comparisons: Readonly<Record<Bound["type"], (order: number) => boolean>> = {
  Eq: (order) => order === 0,
  Gt: (order) => order > 0,
  Gte: (order) => order >= 0,
  Lt: (order) => order < 0,
  Lte: (order) => order <= 0,
};

function isIn(range: Range, document: Document | null): boolean {
  if (document === null) return false;
  return range.every(({ isMet, path, value }) => isMet(compareValues(fieldOf(document, path), value)));
}

export function fieldOf(document: Document, path: readonly string[]): Value | undefined {
  return path.reduce<unknown>(
    (value, name) =>
      typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined,
    document,
  ) as Value | undefined;
}

/** A bound's value; a bound on a field that is not there has its own word for that. */
export function valueOf(value: JSONValue): Value | undefined {
  if (typeof value === "object" && value !== null && "$undefined" in value) return undefined;
  return jsonToConvex(value);
}
