import { getConvexSize, type JSONValue, type Value } from "convex/values";
import type { Document } from "./engine.js";
import { hasPlaceholder } from "../mvcc/pendingTs.js";
import { fromJson } from "../values/fromJson.js";
import type { TransactionLimits } from "../values/usage.js";
import { insertDocument, read, store } from "./databaseSyscalls.js";
import type { Reader, TransactionExecution } from "./execution.js";
import { notFound, toHandle, type FunctionAddress } from "./functions.js";
import type { Host } from "./host.js";
import { scheduledFunctions, withTarget } from "./systemTables.js";
import type { Args, Syscalls } from "./syscalls.js";

export const callSyscalls: Syscalls<TransactionExecution> = {
  "1.0/runUdf": async (execution, args, host) => {
    const { udfType, transactionLimits } = args as unknown as {
      udfType: "query" | "snapshotQuery" | "mutation";
      transactionLimits?: TransactionLimits;
    };
    if (udfType === "mutation" && execution.kind === "query")
      throw new Error("A query cannot run a mutation.");
    return runNested(execution, { udfType, transactionLimits, args }, host);
  },
  "1.0/createFunctionHandle": createHandle,
  "1.0/schedule": (execution, args, host) => schedule(execution, args, host),
  "1.0/cancel_job": (execution, args, host) => cancel(execution, args["id"] as string, host),
};

export function createHandle(
  { path }: { readonly path: { readonly component: string } },
  args: Args,
  host: Host,
): JSONValue {
  return toHandle(host.functions.resolve(args as FunctionAddress, path.component));
}

async function runNested(
  parent: TransactionExecution,
  {
    udfType,
    transactionLimits,
    args,
  }: {
    udfType: "query" | "snapshotQuery" | "mutation";
    transactionLimits: TransactionLimits | undefined;
    args: Args;
  },
  host: Host,
): Promise<JSONValue> {
  const { unit, now, random, logLines, request } = parent;
  const path = host.functions.resolve(args as FunctionAddress, parent.path.component);
  unit.usage.begin(transactionLimits);
  unit.transaction.beginNested();
  try {
    const { value } = await host.runInTransaction({
      kind: udfType === "mutation" ? "mutation" : "query",
      path,
      args: args["args"] ?? {},
      identity: path.component === parent.path.component ? parent.identity : null,
      request,
      unit,
      reader: udfType === "snapshotQuery" ? committedReader(parent) : parent.reader,
      now,
      random: random.fork(),
      logLines,
      isNested: true,
    });
    unit.transaction.commitNested();
    unit.usage.commit();
    return value;
  } catch (error) {
    unit.transaction.rollbackNested();
    unit.usage.rollback();
    throw error;
  }
}

/** What was there when the transaction began: without its own writes, and without depending on what is read. */
function committedReader({ unit: { transaction } }: TransactionExecution): Reader {
  return {
    get: (table, id) => transaction.getCommitted(table, id),
    scan: (table, index, interval, order) => transaction.scanCommitted(table, index, interval, order),
  };
}

/** Five years. */
const furthestMs = 5 * 365 * 24 * 60 * 60 * 1000;

/** Writes down what is to be run; it runs once that is committed. @returns the id of it */
export function schedule(execution: TransactionExecution, args: Args, host: Host): string {
  const path = host.functions.resolve(args as FunctionAddress, execution.path.component);
  if (host.functions.find(path) === undefined) throw new Error(notFound(path, "function"));
  const scheduledTime = (args["ts"] as number) * 1000;
  if (!(Math.abs(scheduledTime - execution.now) <= furthestMs))
    throw new Error("InvalidScheduledTime: it must be within five years from now, or before.");
  const given = fromJson(args["args"] ?? {});
  if (hasPlaceholder(given))
    throw new Error(
      `Invalid arguments for "${path.name}": a scheduled function cannot take a commit timestamp that is not known yet.`,
    );
  execution.unit.usage.schedule(getConvexSize(given));
  const job: Document = {
    name: path.name.replace(":", ".js:"),
    args: [given],
    scheduledTime,
    ...(isCanceled(execution)
      ? { state: { kind: "canceled" }, completedTime: execution.now }
      : { state: { kind: "pending" } }),
  };
  return insertDocument(execution, host, scheduledFunctions, withTarget(job, path));
}

/** What was canceled while it runs goes on; what it schedules from then on never runs. */
function isCanceled({ request: { job }, unit: { transaction } }: TransactionExecution): boolean {
  const document = job && transaction.get(job.table, job.id);
  return document !== null && stateOf(document) === "canceled";
}

export function cancel(execution: TransactionExecution, id: string, host: Host): JSONValue {
  const { component } = execution.path;
  const isJob = host.tables.tableOf(component, id) === scheduledFunctions;
  const job = isJob ? read(execution, host, scheduledFunctions, id) : null;
  if (job === null) throw new Error(`There is no scheduled function with the ID ${id}.`);
  if (!["pending", "inProgress"].includes(stateOf(job))) return {};
  const ended = { state: { kind: "canceled" }, completedTime: execution.now };
  store(execution, host, scheduledFunctions, { ...job, ...ended });
  return {};
}

export function stateOf(job: Document): string {
  return (job["state"] as Record<string, Value>)["kind"] as string;
}
