import type { Place } from "../../places.js";
import type { Opened } from "../../subject.js";

export type { Opened, Place };
export type { Subject, Writes } from "../../subject.js";

/** As the server sends them. */
export function* pagesOf(rows: readonly Place[]): Generator<readonly Place[]> {
  for (let at = 0; at < rows.length; at += 256) yield rows.slice(at, at + 256);
}

export function assertCount(found: number, count: number): void {
  if (found !== count) throw new Error(`Of ${count} rows ${found} are there.`);
}

/** What a colleague does to a place in a visit. */
export function visited(row: Place, n: number): Place {
  return { ...row, note: `visit ${n}: gate locked, called the owner`, visits: row.visits + 1 };
}

/** The documents that a round of 100 deltas changes. */
export function chosen(rows: readonly Place[], round: number): readonly Place[] {
  const at = (round * 100) % (rows.length - 100);
  return rows.slice(at, at + 100);
}
