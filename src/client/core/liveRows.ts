import type { PlainRow } from "../../collections/index.js";
import { orderOf, type PlainQuery, type RowOrder } from "./query.js";

/**
 * A query's result, kept up to date row by row: at every step what `runQuery` makes of all rows.
 *
 * Matching rows are kept sorted, so that a change finds its place by halves. Of a query with a limit only the first of
 * them are kept, some more than are shown: a row that is not kept comes after all that are, and nothing else needs to be
 * known of it. Only when too many of those kept have gone are all rows gone through.
 */
export class LiveRows {
  readonly #query: PlainQuery;
  readonly #order: RowOrder;
  readonly #all: () => Iterable<PlainRow>;
  /** How many are kept at most. */
  readonly #most: number;
  #kept: readonly PlainRow[] = [];
  #keptById = new Map<string, PlainRow>();
  /** Whether every matching row is kept. */
  #isWhole = true;
  #result: readonly PlainRow[] = [];

  /** @param all the collection's rows */
  constructor(query: PlainQuery, all: () => Iterable<PlainRow>) {
    const { limit = Infinity } = query;
    this.#query = query;
    this.#order = orderOf(query);
    this.#all = all;
    this.#most = 2 * limit + spare;
  }

  /** The same array until it is another result. */
  get result(): readonly PlainRow[] {
    return this.#result;
  }

  /** Begins anew with all rows. @returns whether the result is another one */
  reset(): boolean {
    const first = firstOf(this.#matching(), this.#most + 1, this.#order);
    this.#keptById = new Map(first.map((row) => [row.id, row]));
    this.#isWhole = true;
    this.#keep(first);
    return this.#show();
  }

  /** The rows of these documents may be others now. @returns whether the result is another one */
  change(ids: Iterable<string>, rowOf: (id: string) => PlainRow | undefined): boolean {
    const last = this.#isWhole ? undefined : this.#kept.at(-1);
    const gone: PlainRow[] = [];
    const come: PlainRow[] = [];
    for (const id of ids) {
      const before = this.#keptById.get(id);
      const row = rowOf(id);
      if (row === before) continue;
      if (before !== undefined) gone.push(before);
      if (row === undefined || !this.#isMatching(row)) continue;
      if (last === undefined || this.#order(row, last) <= 0) come.push(row);
    }
    if (gone.length + come.length === 0) return false;
    const kept = firstOf(come, this.#most, this.#order);
    if (kept.length < come.length) this.#isWhole = false;
    for (const { id } of gone) this.#keptById.delete(id);
    for (const row of kept) this.#keptById.set(row.id, row);
    this.#keep(exchange(this.#kept, gone, kept, this.#order));
    const isShort = !this.#isWhole && this.#kept.length < (this.#query.limit ?? 0);
    return isShort ? this.reset() : this.#show();
  }

  *#matching(): Generator<PlainRow> {
    for (const row of this.#all()) if (this.#isMatching(row)) yield row;
  }

  #isMatching(row: PlainRow): boolean {
    return this.#query.where?.(row) ?? true;
  }

  #keep(rows: readonly PlainRow[]): void {
    this.#kept = rows;
    if (rows.length <= this.#most) return;
    this.#kept = rows.slice(0, this.#most);
    for (const { id } of rows.slice(this.#most)) this.#keptById.delete(id);
    this.#isWhole = false;
  }

  #show(): boolean {
    const { limit } = this.#query;
    const rows = limit === undefined ? this.#kept : this.#kept.slice(0, limit);
    const before = this.#result;
    if (rows.length === before.length && rows.every((row, index) => row === before[index])) return false;
    this.#result = rows;
    return true;
  }
}

/** Of a query with a limit so many rows are kept beside twice those shown: they can go before all are gone through. */
const spare = 50;

/** The first so many rows in an order, sorted, without sorting the others. */
function firstOf(rows: Iterable<PlainRow>, count: number, order: RowOrder): PlainRow[] {
  let first: PlainRow[] = [];
  let last: PlainRow | undefined;
  const cut = () => (first = first.sort(order).slice(0, count));
  for (const row of rows) {
    if (last !== undefined && order(row, last) > 0) continue;
    first.push(row);
    if (first.length === 2 * count) last = cut().at(-1);
  }
  return cut();
}

/** Sorted rows without some of them, and with others, sorted as well, in their places. */
function exchange(
  rows: readonly PlainRow[],
  gone: readonly PlainRow[],
  come: readonly PlainRow[],
  order: RowOrder,
): PlainRow[] {
  const cuts = gone.map((row) => placeOf(row, rows, order)).sort((a, b) => a - b);
  const puts = come.map((row) => ({ row, at: placeOf(row, rows, order) }));
  const result: PlainRow[] = [];
  let [cut, put] = [0, 0];
  for (let at = 0; at <= rows.length; at++) {
    for (; puts[put]?.at === at; put++) result.push(puts[put]!.row);
    if (cuts[cut] === at) cut++;
    else if (at < rows.length) result.push(rows[at]!);
  }
  return result;
}

/** Where a row stands among sorted ones, or would. */
function placeOf(row: PlainRow, rows: readonly PlainRow[], order: RowOrder): number {
  let [from, to] = [0, rows.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (order(rows[middle]!, row) < 0) from = middle + 1;
    else to = middle;
  }
  return from;
}
