import type { JSONValue } from "convex/values";
import type { FunctionKind } from "./engine.js";
import { cancel, createHandle, schedule } from "./callSyscalls.js";
import type { ActionExecution, TransactionExecution } from "./execution.js";
import type { FunctionAddress } from "./functions.js";
import type { Host } from "./host.js";
import { storageSyscalls } from "./storageSyscalls.js";
import type { Args, Syscall, Syscalls } from "./syscalls.js";
import { inSystemMutation } from "./unit.js";

export const actionSyscalls: Syscalls<ActionExecution> = {
  "1.0/actions/query": calling("query"),
  "1.0/actions/mutation": calling("mutation"),
  "1.0/actions/action": calling("action"),
  "1.0/actions/schedule": (execution, args, host) =>
    inOwnMutation(execution, host, (own) => schedule(own, args, host)),
  "1.0/actions/cancel_job": (execution, args, host) =>
    inOwnMutation(execution, host, (own) => cancel(own, args["id"] as string, host)),
  "1.0/createFunctionHandle": createHandle,
  "1.0/actions/vectorSearch": () => {
    throw new Error("The local backend has no vector search. Test what searches on a Convex deployment.");
  },
  ...Object.fromEntries(
    Object.entries(storageSyscalls).map(([operation, perform]): [string, Syscall<ActionExecution>] => [
      operation,
      (execution, args, host) =>
        inOwnMutation(execution, host, (own) => perform(own, args, host) as JSONValue),
    ]),
  ),
};

/** What an action does to the database by itself: each time a transaction. */
function inOwnMutation<T>(
  { path, request }: ActionExecution,
  host: Host,
  work: (execution: TransactionExecution) => T,
): Promise<T> {
  return inSystemMutation(host, path.component, work, request);
}

/** Each is a transaction, or an action, of its own. */
function calling(kind: FunctionKind): Syscall<ActionExecution> {
  return ({ path, identity, request }: ActionExecution, args: Args, host: Host) => {
    const called = host.functions.resolve(args as FunctionAddress, path.component);
    return host.call({
      kind,
      path: called,
      args: args["args"] ?? {},
      identity: called.component === path.component ? identity : null,
      request,
    });
  };
}
