import { createHash } from "node:crypto";
import { jsonToConvex, type JSONValue, type Value } from "convex/values";
import { intervalOf, wholeIndex, type IndexDefinition, type Interval, type Range } from "../mvcc/indexKey.js";
import { asPending } from "../mvcc/pendingTs.js";
import type { Expression } from "./filter.js";

/** A query as `convex/server` hands it to a deployment. */
export interface QueryJson {
  readonly source: SourceJson;
  readonly operators: readonly OperatorJson[];
}

export type OperatorJson = { readonly limit: number } | { readonly filter: Expression };

type SourceJson =
  | { readonly type: "FullTableScan"; readonly tableName: string; readonly order: Order | null }
  | {
      readonly type: "IndexRange";
      /** `table.index`. */
      readonly indexName: string;
      readonly range: readonly Bound[];
      readonly order: Order | null;
    }
  | { readonly type: "Search"; readonly indexName: string };

interface Bound {
  readonly type: "Eq" | "Gt" | "Gte" | "Lt" | "Lte";
  readonly fieldPath: string;
  readonly value: JSONValue;
}

export type Order = "asc" | "desc";

/** What stretch of which index a query reads, in which order. */
export interface QueryPlan {
  readonly table: string;
  readonly index: IndexDefinition;
  readonly interval: Interval;
  readonly order: Order;
  readonly operators: readonly OperatorJson[];
}

/** @throws Error if there is no such index, or the range is none of it */
export function planQuery(
  { source, operators }: QueryJson,
  indexOf: (table: string, index: string) => IndexDefinition,
): QueryPlan {
  if (source.type === "Search")
    throw new Error(
      `The local backend has no search: "${source.indexName}" cannot be asked. Test what searches on a Convex deployment.`,
    );
  const order = source.order ?? "asc";
  if (source.type === "FullTableScan") {
    const table = source.tableName;
    return { table, index: indexOf(table, "by_creation_time"), interval: wholeIndex, order, operators };
  }
  const [table = "", name = ""] = source.indexName.split(".");
  const index = indexOf(table, name);
  return { table, index, interval: intervalOf(rangeOf(source.range, index)), order, operators };
}

/** The same for the same query: a cursor of one is none of another. */
export function fingerprintOf({ source, operators }: QueryJson): string {
  const text = JSON.stringify([source, operators]);
  return createHash("sha256").update(text).digest("base64").slice(0, 12);
}

/** Equalities on the first fields, whatever order they come in, then at most a lower and an upper bound on the next one. */
function rangeOf(bounds: readonly Bound[], { name, paths }: IndexDefinition): Range {
  const fields = paths.map((path) => path.join("."));
  const isEquality = ({ type }: Bound) => type === "Eq";
  const equals = bounds.filter(isEquality);
  const equalities = new Map(equals.map(({ fieldPath, value }) => [fieldPath, value]));
  const equal: (Value | undefined)[] = [];
  for (const field of fields.slice(0, equals.length)) {
    const value = equalities.get(field);
    if (value === undefined) throw outOfOrder(name, field, [...equalities.keys()]);
    equal.push(valueOf(value));
  }
  const range: { -readonly [key in keyof Range]: Range[key] } = { equal };
  for (const { type, fieldPath, value } of bounds.filter((bound) => !isEquality(bound))) {
    const side = type.startsWith("G") ? "lower" : "upper";
    if (fieldPath !== fields[equal.length] || range[side] !== undefined)
      throw outOfOrder(name, fields[equal.length], [fieldPath]);
    range[side] = { value: valueOf(value), isInclusive: type.endsWith("e") };
  }
  return range;
}

function outOfOrder(index: string, expected: string | undefined, got: readonly string[]): Error {
  return new Error(
    `Tried to query index ${index} but the query didn't use the index fields in order: expected "${expected ?? "no more"}", got "${got.join('", "')}".`,
  );
}

/** The value of a bound or a literal; a field that is not there has a word of its own. */
export function valueOf(value: JSONValue): Value | undefined {
  if (typeof value === "object" && value !== null && "$undefined" in value) return undefined;
  return asPending(jsonToConvex(value));
}
