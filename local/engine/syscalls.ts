// The calls that `convex/server` makes into a deployment: what each is for stands there, in `server/impl`. A query or
// mutation queues them and is resumed with the results, see transactionFunction.ts; an action's are made at once.
import { convexToJson, jsonToConvex, type JSONValue } from "convex/values";
import { actionSyscalls } from "./actionSyscalls.js";
import { callSyscalls } from "./callSyscalls.js";
import { databaseSyscalls } from "./databaseSyscalls.js";
import type { ActionExecution, Execution, TransactionExecution } from "./execution.js";
import type { Host } from "./host.js";
import { querySyscalls, startStream } from "./querySyscalls.js";
import { storageSyscalls } from "./storageSyscalls.js";

export type Args = Readonly<Record<string, JSONValue>>;
export type Syscall<E> = (execution: E, args: Args, host: Host) => JSONValue | Promise<JSONValue>;
export type Syscalls<E> = Readonly<Record<string, Syscall<E>>>;

/** What every function may ask. */
const commonSyscalls: Syscalls<Execution> = {
  "1.0/getUserIdentity": ({ identity }) => identity as JSONValue,
  "1.0/getFunctionMetadata": ({ path }) => ({ name: path.name, componentPath: path.component }),
  "1.0/getDeploymentMetadata": () => ({ name: "local", region: null, class: "s16" }),
  "1.0/getRequestMetadata": ({ kind, request }) => {
    if (kind === "query") throw new Error("getRequestMetadata() is not available in queries.");
    const { requestId, job } = request;
    return { ip: null, userAgent: null, authToken: null, requestId, scheduledFunctionId: job?.id ?? null };
  },
  "1.0/auditLog": () => null,
};

const transactionSyscalls: Syscalls<TransactionExecution> = {
  ...commonSyscalls,
  ...databaseSyscalls,
  ...querySyscalls,
  ...callSyscalls,
  ...storageSyscalls,
  "1.0/getTransactionMetrics": ({ unit }) => convexToJson({ ...unit.usage.metrics() }),
};

/** Several of these that are pending one after the other are answered together. */
export const readOperations: ReadonlySet<string> = new Set([
  "1.0/get",
  "1.0/queryStreamNext",
  "1.0/queryPage",
]);

export function performInTransaction(
  execution: TransactionExecution,
  operation: string,
  args: JSONValue,
  host: Host,
): JSONValue | Promise<JSONValue> {
  return lookUp(transactionSyscalls, operation)(execution, args as Args, host);
}

export function performInAction(
  execution: ActionExecution,
  operation: string,
  args: JSONValue,
  host: Host,
): JSONValue | Promise<JSONValue> {
  return lookUp({ ...commonSyscalls, ...actionSyscalls }, operation)(execution, args as Args, host);
}

/** Those that answer without a promise; only queries and mutations have them. */
export function performSync(execution: Execution, operation: string, args: Args, host: Host): JSONValue {
  if (operation === "1.0/db/normalizeId") {
    const { table, idString } = args as { table: string; idString: string };
    return { id: host.tables.tableOf(execution.path.component, idString) === table ? idString : null };
  }
  if (!execution.isTransaction)
    throw new Error(`${operation} is for queries and mutations: an action has no transaction.`);
  switch (operation) {
    case "1.0/queryStream":
      return { queryId: startStream(execution, args, host) };
    case "1.0/queryCleanup":
      execution.streams.get(args["queryId"] as number)?.close();
      return {};
    case "1.0/getSnapshotTs":
      return convexToJson(execution.unit.transaction.snapshotTs);
    default:
      throw new Error(`The local backend has no syscall "${operation}".`);
  }
}

/** A value that a function handed over, which may hold a placeholder for the commit's timestamp. */
export function valueOf(args: Args, name: string): ReturnType<typeof jsonToConvex> {
  return jsonToConvex(args[name] ?? null);
}

function lookUp<E>(syscalls: Syscalls<E>, operation: string): Syscall<E> {
  const found = syscalls[operation];
  if (found === undefined) throw new Error(`The local backend has no syscall "${operation}" here.`);
  return found;
}
