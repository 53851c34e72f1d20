import { convexToJson, getDocumentSize, jsonToConvex, type JSONValue, type Value } from "convex/values";
import type { Document } from "./engine.js";
import type { Edge, IndexKey, Interval } from "../mvcc/indexKey.js";
import { compareToEdge } from "../mvcc/indexKey.js";
import type { Reader } from "./execution.js";
import { isMet } from "./filter.js";
import type { QueryPlan } from "./queryPlan.js";

/** What `ctx.db.query().paginate()` asks for. */
export interface PageRequest {
  /** Of the query: a cursor of another one is refused. */
  readonly fingerprint: string;
  readonly cursor: string | null;
  readonly endCursor: string | null;
  readonly pageSize: number;
  readonly maximumRowsRead?: number | null;
  readonly maximumBytesRead?: number | null;
}

export interface Page {
  readonly page: readonly Document[];
  readonly isDone: boolean;
  readonly continueCursor: string;
  readonly splitCursor: string | null;
  readonly pageStatus: "SplitRecommended" | "SplitRequired" | null;
}

/** Behind everything: nothing follows a page that ends there. */
const endCursor = "_end_cursor";

/** Reads one page: from a cursor on, up to an end cursor where there is one, else so many documents. */
export function readPage(
  reader: Reader,
  key: string,
  plan: QueryPlan,
  request: PageRequest,
  noteRead: (document: Document) => void,
): Page {
  const { index, order, operators } = plan;
  const encode = (at: IndexKey) => encodeCursor(request.fingerprint, at);
  const read: IndexKey[] = [];
  const page: Document[] = [];
  let bytes = 0;
  let status: Page["pageStatus"] = null;
  let last: IndexKey | null = null;
  const isFull = () => request.endCursor === null && page.length >= request.pageSize;
  for (const [at, document] of reader.scan(key, index, pageInterval(plan, request), order)) {
    noteRead(document);
    read.push(at);
    bytes += getDocumentSize(document);
    if (operators.every((operator) => "limit" in operator || isMet(operator.filter, document)))
      page.push(document);
    if (
      read.length >= (request.maximumRowsRead || Infinity) ||
      bytes >= (request.maximumBytesRead || Infinity)
    )
      status = "SplitRequired";
    if (isFull() || status !== null) {
      last = at;
      break;
    }
  }
  if (status === null && read.length > request.pageSize + 1) status = "SplitRecommended";
  const middle = read[Math.floor((read.length - 1) / 2)];
  const continueCursor = last === null ? (request.endCursor ?? endCursor) : encode(last);
  return {
    page,
    isDone: continueCursor === endCursor,
    continueCursor,
    splitCursor: status !== null && read.length >= 2 && middle !== undefined ? encode(middle) : null,
    pageStatus: status,
  };
}

/** The query's interval without what lies before the cursor, or behind the end cursor. */
function pageInterval(
  { interval, order }: QueryPlan,
  { fingerprint, cursor, endCursor: end }: PageRequest,
): Interval {
  let { from, to } = interval;
  const isAscending = order === "asc";
  const start = cursor === null || cursor === "" ? null : edgeOf(fingerprint, cursor, isAscending);
  const stop = end === null ? null : edgeOf(fingerprint, end, isAscending);
  if (isAscending) [from, to] = [later(from, start ?? from), earlier(to, stop ?? to)];
  else [from, to] = [later(from, stop ?? from), earlier(to, start ?? to)];
  return { from, to };
}

/** Just behind, in the direction of the query, the document that a cursor stands for. */
function edgeOf(query: string, cursor: string, isAscending: boolean): Edge {
  if (cursor === endCursor) return { prefix: [], isAfter: isAscending };
  return { prefix: decodeCursor(query, cursor), isAfter: isAscending };
}

function later(a: Edge, b: Edge): Edge {
  return isBefore(a, b) ? b : a;
}

function earlier(a: Edge, b: Edge): Edge {
  return isBefore(a, b) ? a : b;
}

/** Cursors are whole keys: only one of the two edges may be a shorter prefix. */
function isBefore(a: Edge, b: Edge): boolean {
  if (a.prefix.length >= b.prefix.length) return compareToEdge(a.prefix, b) < 0;
  return compareToEdge(b.prefix, a) > 0;
}

interface CursorJson {
  /** Of the query that it is of. */
  readonly query: string;
  readonly key: readonly JSONValue[];
}

function encodeCursor(query: string, key: IndexKey): string {
  const values = (key as readonly (Value | undefined)[]).map((value) =>
    value === undefined ? { $undefined: null } : convexToJson(value),
  );
  return JSON.stringify({ query, key: values } satisfies CursorJson);
}

function decodeCursor(query: string, cursor: string): IndexKey {
  const { query: itsQuery, key } = parse(cursor);
  if (itsQuery !== query)
    throw new Error(
      "InvalidCursor: Tried to run a query starting from a cursor, but it is of another query.",
    );
  return key.map((value) =>
    typeof value === "object" && value !== null && "$undefined" in value ? undefined : jsonToConvex(value),
  );
}

function parse(cursor: string): CursorJson {
  try {
    return JSON.parse(cursor) as CursorJson;
  } catch {
    throw new Error(`InvalidCursor: Failed to parse cursor: ${cursor}`);
  }
}
