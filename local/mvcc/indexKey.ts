import { compareValues, type Value } from "convex/values";
import type { Document } from "../engine/engine.js";
import { fieldOf } from "../fields.js";

/** Stands behind every value: `[...prefix, behindAll]` is where to look for the last key that begins with a prefix. */
export const behindAll = Symbol("behind all");

/** A document's place in an index: the values of its fields, creation time and id last. */
export type IndexKey = readonly (Value | undefined | typeof behindAll)[];

/** An index as its schema declares it, `_creationTime` and `_id` appended. */
export interface IndexDefinition {
  readonly name: string;
  readonly paths: readonly (readonly string[])[];
}

export function defineIndex(name: string, fields: readonly string[]): IndexDefinition {
  const all = [...new Set([...fields, "_creationTime", "_id"])];
  return { name, paths: all.map((field) => field.split(".")) };
}

export function keyOf({ paths }: IndexDefinition, document: Document): IndexKey {
  return paths.map((path) => fieldOf(document, path));
}

/**
 * The order of an index. A key that is a prefix of another stands before all that begin with it, so that a bound
 * on the first fields can be compared with whole keys.
 */
export function compareKeys(a: IndexKey, b: IndexKey): number {
  const length = Math.min(a.length, b.length);
  for (let place = 0; place < length; place++) {
    const [x, y] = [a[place], b[place]];
    if (typeof x === "symbol") return typeof y === "symbol" ? 0 : 1;
    if (typeof y === "symbol") return -1;
    const order = compareFields(x, y);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

/** As `compareValues` of convex, without its allocations where both are numbers, strings or bigints. */
function compareFields(a: Value | undefined, b: Value | undefined): number {
  if (typeof a === "number" && typeof b === "number" && a !== b && a - b === a - b) return a < b ? -1 : 1;
  if (typeof a === "bigint" && typeof b === "bigint") return a < b ? -1 : a > b ? 1 : 0;
  if (typeof a === "string" && typeof b === "string") return compareStrings(a, b);
  return compareValues(a, b);
}

const firstSurrogate = 0xd800;

/** By UTF-8 bytes. Only beside a surrogate does the order of UTF-16 units differ from that. */
function compareStrings(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let place = 0; place < length; place++) {
    const [x, y] = [a.charCodeAt(place), b.charCodeAt(place)];
    if (x === y) continue;
    return x < firstSurrogate || y < firstSurrogate ? x - y : compareValues(a, b);
  }
  return a.length - b.length;
}

/** A stretch of an index: keys at or after `from` and before `to`; a prefix with `isAfter` stands behind all it begins. */
export interface Edge {
  readonly prefix: IndexKey;
  readonly isAfter: boolean;
}
export interface Interval {
  readonly from: Edge;
  readonly to: Edge;
}

export const wholeIndex: Interval = {
  from: { prefix: [], isAfter: false },
  to: { prefix: [], isAfter: true },
};

/** Negative: the key is before the edge. Never 0: an edge stands between keys. */
export function compareToEdge(key: IndexKey, { prefix, isAfter }: Edge): number {
  const order = compareKeys(key.slice(0, prefix.length), prefix);
  if (order !== 0) return order;
  return isAfter ? -1 : 1;
}

export function isWithin(key: IndexKey, { from, to }: Interval): boolean {
  return compareToEdge(key, from) > 0 && compareToEdge(key, to) < 0;
}

/** Equalities on the first fields, then at most a lower and an upper bound on the next. */
export interface Range {
  readonly equal: IndexKey;
  readonly lower?: { readonly value: Value | undefined; readonly isInclusive: boolean };
  readonly upper?: { readonly value: Value | undefined; readonly isInclusive: boolean };
}

export function intervalOf({ equal, lower, upper }: Range): Interval {
  return {
    from:
      lower === undefined
        ? { prefix: equal, isAfter: false }
        : { prefix: [...equal, lower.value], isAfter: !lower.isInclusive },
    to:
      upper === undefined
        ? { prefix: equal, isAfter: true }
        : { prefix: [...equal, upper.value], isAfter: upper.isInclusive },
  };
}
