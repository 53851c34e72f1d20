import type { PlainRow } from "../../collections/index.js";
import { isSameValue } from "../../shared/canonicalJson.js";
import type { Value } from "convex/values";

export interface PlainQuery {
  readonly where?: (row: PlainRow) => boolean;
  readonly orderBy?: string | readonly [string, "asc" | "desc"];
  readonly limit?: number;
}

/** Filters, sorts and cuts rows. Rows with equal keys stand in id order, so that the result never jumps. */
export function runQuery(rows: Iterable<PlainRow>, { where, orderBy, limit }: PlainQuery): PlainRow[] {
  const found: PlainRow[] = [];
  for (const row of rows) if (where === undefined || where(row)) found.push(row);
  const [field, direction] =
    orderBy === undefined ? ["id", "asc"] : typeof orderBy === "string" ? [orderBy, "asc"] : orderBy;
  const sign = direction === "desc" ? -1 : 1;
  found.sort((a, b) => sign * compareValues(a[field], b[field]) || compareValues(a.id, b.id));
  return limit === undefined ? found : found.slice(0, limit);
}

/** Missing values first, then by type, then by value, as in Convex's indexes for the types that can be compared. */
function compareValues(a: Value | undefined, b: Value | undefined): number {
  const [rankA, rankB] = [rankOf(a), rankOf(b)];
  if (rankA !== rankB) return rankA - rankB;
  // First without a look into the values: a sort of ten thousand rows compares a hundred thousand times.
  if (a === b) return 0;
  if ((a as string) < (b as string)) return -1;
  if ((a as string) > (b as string) || !isSameValue(a, b)) return 1;
  return 0;
}

const ranks: Partial<Record<string, number>> = { undefined: 0, bigint: 2, number: 3, boolean: 4, string: 5 };

function rankOf(value: Value | undefined): number {
  if (value === null) return 1;
  return ranks[typeof value] ?? 6;
}
