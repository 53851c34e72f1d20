import type { CronState } from "../crons/cronRunner.js";
import type { Document } from "./engine.js";
import { wholeIndex } from "../mvcc/indexKey.js";
import { insertDocument, store } from "./databaseSyscalls.js";
import type { TransactionExecution } from "./execution.js";
import type { Host } from "./host.js";

/** One document, with when each cron ran and runs next: written by the engine as they run, read when it starts. */
const table = "_crons";

export function readCronState(execution: TransactionExecution, host: Host): CronState[] {
  const document = find(execution, host);
  return document === null ? [] : (JSON.parse(document["state"] as string) as CronState[]);
}

export function writeCronState(
  execution: TransactionExecution,
  host: Host,
  states: readonly CronState[],
): void {
  const document = find(execution, host);
  const state = JSON.stringify(states);
  if (document === null) insertDocument(execution, host, table, { state });
  else store(execution, host, table, { ...document, state });
}

function find({ reader }: TransactionExecution, { tables }: Host): Document | null {
  const index = tables.index("", table, "by_creation_time");
  for (const [, document] of reader.scan(tables.key("", table), index, wholeIndex, "asc")) return document;
  return null;
}
