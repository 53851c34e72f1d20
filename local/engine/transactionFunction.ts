import type { JSONValue, Value } from "convex/values";
import { asPending, hasPlaceholder } from "../mvcc/pendingTs.js";
import { fromJson } from "../values/fromJson.js";
import { checkCallSize } from "../values/limits.js";
import { checkArguments, checkReturnValue } from "../values/validators.js";
import { runInEnvironment } from "./environment.js";
import {
  describeFailure,
  FunctionError,
  type FunctionResult,
  type PendingSyscall,
  type TransactionCall,
  type TransactionExecution,
} from "./execution.js";
import type { RegisteredFunction } from "./functions.js";
import type { Host } from "./host.js";
import { bindSyscalls } from "./convexGlobal.js";
import { performInTransaction, readOperations } from "./syscalls.js";

/** @throws FunctionError, whatever the function threw */
export async function runTransactionFunction(call: TransactionCall, host: Host): Promise<FunctionResult> {
  const execution = createExecution(call);
  try {
    const registered = host.functions.get(call.path, call.kind);
    const args = fromJson(call.args);
    if (!call.isNested) refusePlaceholders(args, `Invalid arguments for ${call.path.name}`);
    const ids = host.tables.idsOf(call.path.component);
    checkCallSize("arguments", asPending(args));
    checkArguments(registered.args, asPending(args), ids);
    const value = await settle(execution, registered, call.args, host);
    const result = fromJson(value);
    if (call.kind === "query" && !call.isNested)
      refusePlaceholders(result, `Function ${call.path.name} return value invalid`);
    checkCallSize("return value", asPending(result));
    checkReturnValue(registered.returns, asPending(result), ids);
    return { value, nextJournal: execution.nextJournal };
  } catch (error) {
    throw error instanceof FunctionError ? error : new FunctionError(describeFailure(error));
  } finally {
    execution.isOver = true;
    for (const stream of execution.streams.values()) stream.close();
  }
}

function createExecution({
  unit,
  reader = unit.transaction,
  ...call
}: TransactionCall): TransactionExecution {
  return {
    ...call,
    isTransaction: true,
    unit,
    reader,
    journal: call.journal ?? null,
    pending: [],
    streams: new Map(),
    native: new Set(),
    nextJournal: undefined,
    unhandled: null,
    ownMs: 0,
    isOver: false,
  };
}

type Settled = { readonly value: string } | { readonly error: unknown };

/**
 * As Convex runs a function: its JavaScript goes on as far as it can; then the calls it made are answered in the order
 * in which it made them, which lets it go on again. It has ended when nothing is left to answer: what it did not
 * await is done all the same, and fails it if it fails.
 */
async function settle(
  execution: TransactionExecution,
  registered: RegisteredFunction,
  args: JSONValue,
  host: Host,
): Promise<JSONValue> {
  const { unit, pending } = execution;
  const takeTurn = async () => {
    await host.turns.take((ms) => (execution.ownMs += ms));
    unit.usage.spend(Math.max(0, execution.ownMs));
    execution.ownMs = 0;
  };
  await takeTurn();
  let settled: Settled | null = null;
  bindSyscalls(execution, host);
  const running = runInEnvironment(execution, () =>
    registered.invoke(execution.request.requestId, JSON.stringify([args])),
  );
  running.then(
    (value) => (settled = { value }),
    (error: unknown) => (settled = { error }),
  );
  const outcome = () => settled; // for the compiler, which takes it for null still
  for (;;) {
    await takeTurn();
    const now = outcome();
    if (now !== null && "error" in now) throw now.error;
    const batch = takeBatch(pending);
    if (batch.length === 0 && execution.native.size > 0) await receive(execution, host, takeTurn);
    else if (batch.length === 0) break;
    else await answer(batch, execution, host, takeTurn);
  }
  await host.turns.untilRejectionsAreKnown();
  if (execution.unhandled !== null) throw execution.unhandled.error;
  const end = outcome();
  if (end === null || !("value" in end)) throw new Error("Returned promise will never resolve");
  return JSON.parse(end.value) as JSONValue;
}

/** The next call, or as many reads as follow one another. */
function takeBatch(pending: PendingSyscall[]): PendingSyscall[] {
  const other = pending.findIndex(({ operation }) => !readOperations.has(operation));
  return pending.splice(0, other < 0 ? pending.length : Math.max(1, other));
}

async function answer(
  batch: readonly PendingSyscall[],
  execution: TransactionExecution,
  host: Host,
  takeTurn: () => Promise<void>,
): Promise<void> {
  const start = performance.now();
  const canWait = host.readLatency !== null && execution.request.isInstant !== true;
  const hasLatency = canWait && batch.some((call) => isFetch(call, execution, host));
  const answers: (() => void)[] = [];
  let hasWaited = false; // while others had their turns
  for (const { operation, args, resolve, reject } of batch) {
    try {
      const result = performInTransaction(execution, operation, args, host);
      hasWaited ||= result instanceof Promise;
      const json = JSON.stringify(result instanceof Promise ? await result : result);
      answers.push(() => resolve(json));
    } catch (error) {
      answers.push(() => reject(error));
    }
  }
  if (!hasWaited) execution.ownMs -= performance.now() - start;
  if (hasLatency) {
    await host.readLatency?.();
    hasWaited = true;
  }
  if (hasWaited) await takeTurn();
  for (const give of answers) give();
}

/** Whether it reads what was not brought by an earlier read of the same query. */
function isFetch(
  { operation, args }: PendingSyscall,
  { streams }: TransactionExecution,
  host: Host,
): boolean {
  if (operation !== "1.0/queryStreamNext") return readOperations.has(operation);
  const taken = streams.get((args as { queryId: number }).queryId)?.taken ?? 0;
  return taken % host.readAheadRows === 0;
}

/** All that the runtime does for it, in the order in which it was asked. */
async function receive(
  { native }: TransactionExecution,
  host: Host,
  takeTurn: () => Promise<void>,
): Promise<void> {
  const arrived = await host.turns.untilDone(Promise.all(native));
  native.clear();
  await takeTurn();
  for (const give of arrived) give();
}

function refusePlaceholders(value: Value, what: string): void {
  if (hasPlaceholder(value))
    throw new Error(`${what}: a commit timestamp is not known before its mutation has committed.`);
}
