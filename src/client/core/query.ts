import type { PlainRow } from "../../collections/index.js";
import { canonicalJson } from "../../shared/canonicalJson.js";
import type { Value } from "convex/values";

export interface PlainQuery {
  readonly where?: (row: PlainRow) => boolean;
  readonly orderBy?: string | readonly [string, "asc" | "desc"];
  readonly limit?: number;
}

/** Which of two rows comes first. Never 0 for rows of different ids. */
export type RowOrder = (a: PlainRow, b: PlainRow) => number;

/** Filters, sorts and cuts rows. */
export function runQuery(rows: Iterable<PlainRow>, query: PlainQuery): PlainRow[] {
  const { where, limit } = query;
  const found: PlainRow[] = [];
  for (const row of rows) if (where === undefined || where(row)) found.push(row);
  found.sort(orderOf(query));
  return limit === undefined ? found : found.slice(0, limit);
}

/** Rows with equal keys stand in id order, so that the result never jumps. */
export function orderOf({ orderBy = "id" }: PlainQuery): RowOrder {
  const [field, direction] = typeof orderBy === "string" ? [orderBy, "asc"] : orderBy;
  const sign = direction === "desc" ? -1 : 1;
  return (a, b) => sign * compareValues(a[field], b[field]) || compareValues(a.id, b.id);
}

/**
 * Missing values first, then by type, then by value, as in Convex's indexes for the types that can be compared. A total
 * order: what is kept sorted is searched by halves.
 */
function compareValues(a: Value | undefined, b: Value | undefined): number {
  if (a === b) return 0;
  const rankA = rankOf(a);
  const rankB = rankOf(b);
  if (rankA !== rankB) return rankA - rankB;
  if (rankA !== composite) return compareOfOneType(a as number, b as number);
  return compareOfOneType(canonicalJson(a as Value), canonicalJson(b as Value));
}

/** NaN comes last among numbers. */
function compareOfOneType<T extends number | string>(a: T, b: T): number {
  if (a < b) return -1;
  if (a > b) return 1;
  return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
}

const composite = 6;

function rankOf(value: Value | undefined): number {
  switch (typeof value) {
    case "undefined":
      return 0;
    case "bigint":
      return 2;
    case "number":
      return 3;
    case "boolean":
      return 4;
    case "string":
      return 5;
    default:
      return value === null ? 1 : composite;
  }
}
