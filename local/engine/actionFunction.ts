import type { PublicHttpAction } from "convex/server";
import type { JSONValue } from "convex/values";
import type { Identity } from "./engine.js";
import { fromJson } from "../values/fromJson.js";
import { checkCallSize } from "../values/limits.js";
import { checkArguments, checkReturnValue } from "../values/validators.js";
import { bindSyscalls } from "./convexGlobal.js";
import { runInEnvironment, writeLog } from "./environment.js";
import { describeFailure, FunctionError, type ActionExecution, type Request } from "./execution.js";
import type { FunctionPath } from "./functions.js";
import type { Host, TopLevelCall } from "./host.js";

/** @throws FunctionError, whatever the function threw */
export function runAction(call: TopLevelCall, host: Host, logLines: string[]): Promise<JSONValue> {
  return run(createExecution("action", call, host, logLines), host, async (invoke) => {
    const registered = host.functions.get(call.path, "action");
    const ids = host.tables.idsOf(call.path.component);
    const args = fromJson(call.args);
    checkCallSize("arguments", args);
    checkArguments(registered.args, args, ids);
    const json = await invoke(() => registered.invoke(call.request.requestId, JSON.stringify([call.args])));
    const result = JSON.parse(json) as JSONValue;
    const value = fromJson(result);
    checkCallSize("return value", value);
    checkReturnValue(registered.returns, value, ids);
    return result;
  });
}

/** @throws FunctionError, whatever the handler threw */
export function runHttpAction(
  handler: PublicHttpAction,
  call: { path: FunctionPath; identity: Identity | null; request: Request },
  httpRequest: globalThis.Request,
  host: Host,
  logLines: string[],
): Promise<Response> {
  return run(createExecution("httpAction", call, host, logLines), host, (invoke) =>
    invoke(() => (handler as unknown as Invocable).invokeHttpAction(httpRequest)),
  );
}

/** What `httpAction` of `convex/server` makes, and does not tell of. */
interface Invocable {
  invokeHttpAction(request: globalThis.Request): Promise<Response>;
}

async function run<T>(
  execution: ActionExecution,
  host: Host,
  work: (invoke: <R>(call: () => Promise<R>) => Promise<R>) => Promise<T>,
): Promise<T> {
  try {
    bindSyscalls(execution, host);
    return await work((call) => runInEnvironment(execution, call));
  } catch (error) {
    throw error instanceof FunctionError ? error : new FunctionError(describeFailure(error), error);
  } finally {
    warnOfUnawaited(execution);
  }
}

function createExecution(
  kind: "action" | "httpAction",
  { path, identity, request }: { path: FunctionPath; identity: Identity | null; request: Request },
  host: Host,
  logLines: string[],
): ActionExecution {
  return {
    isTransaction: false,
    kind,
    path,
    identity,
    request,
    now: host.clock.now(),
    random: host.random.fork(),
    logLines,
    waiting: new Map(),
    native: new Set(),
  };
}

/** In Convex's words. */
function warnOfUnawaited(execution: ActionExecution): void {
  const unawaited = [...execution.waiting].filter(([, count]) => count > 0);
  if (unawaited.length === 0) return;
  const count = unawaited.reduce((sum, [, each]) => sum + each, 0);
  const names = unawaited.map(([operation]) => operation.split("/").at(-1)).join(", ");
  writeLog(execution, "warn", [
    `${count} unawaited operation${count === 1 ? "" : "s"}: [${names}]. Async operations should be awaited or they might not run. See https://docs.convex.dev/functions/actions#dangling-promises for more information.`,
  ]);
}
