import { convexToJson, getDocumentSize, type Value } from "convex/values";
import type { Document } from "./engine.js";
import { wholeIndex } from "../mvcc/indexKey.js";
import { asPending } from "../mvcc/pendingTs.js";
import type { TransactionExecution } from "./execution.js";
import type { Host } from "./host.js";
import { readPage, type PageRequest } from "./pagination.js";
import { fingerprintOf, planQuery, type QueryJson, type QueryPlan } from "./queryPlan.js";
import { QueryStream } from "./queryStream.js";
import { isSystemTable, toUser } from "./systemTables.js";
import type { Args, Syscalls } from "./syscalls.js";

export const querySyscalls: Syscalls<TransactionExecution> = {
  "1.0/queryStreamNext": ({ streams }, args) => {
    const stream = streams.get(args["queryId"] as number);
    if (stream === undefined) throw new Error("This query is closed.");
    const value = stream.next();
    return value === null
      ? { value: null, done: true }
      : { value: convexToJson(value as Value), done: false };
  },
  "1.0/queryPage": (execution, args, host) => {
    const request = args as unknown as PageRequest & { query: QueryJson };
    if (execution.path.component !== "")
      throw new Error("paginate() is only supported in the app, not in components.");
    if (execution.nextJournal !== undefined)
      throw new Error(
        "This query or mutation function ran multiple paginated queries. Convex only supports a single paginated query in each function.",
      );
    if (request.pageSize === 0 || request.maximumRowsRead === 0)
      throw new Error(
        "Must request at least one document while paginating: numItems and maximumRowsRead are 1 or more.",
      );
    const { plan, key } = planFor(execution, request.query, host);
    const endCursor = request.endCursor ?? journaledEnd(execution, request.cursor);
    const noteRead = (document: Document) => count(execution, plan.table, document);
    const asked = { ...request, endCursor, fingerprint: fingerprintOf(request.query) };
    const page = readPage(execution.reader, key, plan, asked, noteRead);
    execution.nextJournal = JSON.stringify({ cursor: request.cursor, endCursor: page.continueCursor });
    const documents = page.page.map((document) => convexToJson(toUser(plan.table, document) as Value));
    return { ...page, page: documents };
  },
  "1.0/count": (execution, args, host) => {
    const { component } = execution.path;
    const table = args["table"] as string;
    const index = host.tables.index(component, table, "by_creation_time");
    let documents = 0;
    for (const _ of execution.reader.scan(host.tables.key(component, table), index, wholeIndex, "asc"))
      documents += 1;
    return documents;
  },
};

/** @returns by what number the function asks for its documents, also when it is closed: no other gets it */
export function startStream(execution: TransactionExecution, args: Args, host: Host): number {
  const { plan, key } = planFor(execution, args["query"] as unknown as QueryJson, host);
  const queryId = execution.streams.size + 1;
  const see = (document: Document) => toUser(plan.table, document);
  execution.streams.set(
    queryId,
    new QueryStream(execution.reader, key, plan, (document) => count(execution, plan.table, document), see),
  );
  return queryId;
}

function planFor(
  { unit, path }: TransactionExecution,
  query: QueryJson,
  { tables }: Host,
): { plan: QueryPlan; key: string } {
  const plan = planQuery(query, (table, index) => tables.index(path.component, table, index));
  if (!isSystemTable(plan.table)) unit.usage.indexRange();
  return { plan, key: tables.key(path.component, plan.table) };
}

function count({ unit }: TransactionExecution, table: string, document: Document): void {
  if (!isSystemTable(table)) unit.usage.read(getDocumentSize(asPending(document as Value) as never));
}

/** A subscribed page that runs again ends where it ended, so that the pages after it still fit. */
function journaledEnd({ journal }: TransactionExecution, cursor: string | null): string | null {
  if (journal === null) return null;
  const before = JSON.parse(journal) as { cursor: string | null; endCursor: string };
  return before.cursor === cursor ? before.endCursor : null;
}
