// `globalThis.Convex`, by which `convex/server` reaches the deployment that runs it. Which execution calls is known
// from the asynchronous context that it runs in.
import type { JSONValue } from "convex/values";
import { currentEnvironment, giveVariables, runOutside, writeLog } from "./environment.js";
import type { Execution } from "./execution.js";
import type { Host } from "./host.js";
import { storeBlob, readBlob } from "./storageSyscalls.js";
import { performInAction, performSync, type Args } from "./syscalls.js";

interface ConvexGlobal {
  syscall(operation: string, args: string): string;
  asyncSyscall(operation: string, args: string): Promise<string>;
  jsSyscall(operation: string, args: Record<string, unknown>): unknown;
}

const hosts = new WeakMap<Execution, Host>();

/** From now on the execution's calls are answered. */
export function bindSyscalls(execution: Execution, host: Host): void {
  install();
  hosts.set(execution, host);
  giveVariables(execution, () => host.variables.of(execution.path.component));
}

const convexGlobal: ConvexGlobal = {
  syscall(operation, args) {
    const { execution, host } = current();
    return JSON.stringify(performSync(execution, operation, JSON.parse(args) as Args, host));
  },
  asyncSyscall(operation, args) {
    const { execution, host } = current();
    const given = JSON.parse(args) as JSONValue;
    if (!execution.isTransaction) return callInAction(execution, operation, given, host);
    return new Promise((resolve, reject) =>
      execution.pending.push({ operation, args: given, resolve, reject }),
    );
  },
  async jsSyscall(operation, args) {
    const { execution, host } = current();
    const { component } = execution.path;
    if (operation === "storage/storeBlob")
      return runOutside(() => storeBlob(args["blob"] as Blob, component, host));
    if (operation === "storage/getBlob")
      return runOutside(() => readBlob(args["storageId"] as string, component, host));
    throw new Error(`The local backend has no syscall "${operation}" in ${execution.kind}s.`);
  },
};

async function callInAction(
  execution: Execution & { isTransaction: false },
  operation: string,
  args: JSONValue,
  host: Host,
): Promise<string> {
  const { waiting } = execution;
  const count = (change: number) => waiting.set(operation, (waiting.get(operation) ?? 0) + change);
  count(1);
  try {
    return JSON.stringify(await runOutside(() => performInAction(execution, operation, args, host)));
  } finally {
    count(-1);
  }
}

function current(): { execution: Execution; host: Host } {
  const execution = currentEnvironment() as Execution | undefined;
  const host = execution && hosts.get(execution);
  if (execution === undefined || host === undefined)
    throw new Error("The Convex database is being used outside of a Convex function.");
  if (execution.isTransaction && execution.isOver)
    throw new Error(`${execution.path.name} has ended: it cannot call its deployment any more.`);
  return { execution, host };
}

let isInstalled = false;

/** Another runtime in the same process, convex-test for one, keeps its own, for what is not run by this engine. */
function install(): void {
  if (isInstalled) return;
  isInstalled = true;
  let other = (globalThis as { Convex?: unknown }).Convex;
  Object.defineProperty(globalThis, "Convex", {
    configurable: true,
    get: () => (currentEnvironment() === undefined ? other : convexGlobal),
    set: (value: unknown) => void (other = value),
  });
  process.on("unhandledRejection", (error) => {
    const execution = currentEnvironment() as Execution | undefined;
    if (execution?.isTransaction) execution.unhandled ??= { error };
    else if (execution !== undefined) writeLog(execution, "error", ["Unhandled rejection:", error]);
    else if (process.listenerCount("unhandledRejection") === 1) throw error; // what Node does where nobody listens
  });
}
