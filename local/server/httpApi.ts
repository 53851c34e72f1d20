import type { JSONValue } from "convex/values";
import type { Calls } from "./calls.js";
import type { FunctionKind } from "../engine/engine.js";
import { identityOf, serverError } from "./syncProtocol.js";

const kinds: Readonly<Record<string, FunctionKind>> = {
  "/api/query": "query",
  "/api/query_at_ts": "query",
  "/api/mutation": "mutation",
  "/api/action": "action",
};

export interface HttpReply {
  readonly status: number;
  readonly body: unknown;
}

/** Answers a call over HTTP, or null if the path is none. */
export async function answerCall(
  calls: Calls,
  path: string,
  body: unknown,
  authorization: string | undefined,
): Promise<HttpReply | null> {
  const isAnyKind = path === "/api/function";
  if (kinds[path] === undefined && !isAnyKind) return null;
  const { path: functionPath, args } = (body ?? {}) as { path?: unknown; args?: JSONValue };
  if (typeof functionPath !== "string")
    return { status: 400, body: { code: "BadRequest", message: `A call of ${path} has to name a "path".` } };
  // The operator, whose key is not looked at: this backend is on loopback, and for development.
  const isTrusted = authorization?.startsWith("Convex ") === true;
  const kind = isAnyKind ? calls.kindOf(functionPath) : (kinds[path] as FunctionKind);
  if (kind === null) return { status: 400, body: notFoundBody(functionPath) };
  const token = /^Bearer (.*)$/.exec(authorization ?? "")?.[1];
  const identity = token === undefined ? null : identityOf(token, Date.now());
  if (token !== undefined && identity === null)
    return { status: 401, body: { code: "InvalidAuthHeader", message: "Could not parse the token." } };
  const given = (Array.isArray(args) ? args[0] : args) ?? {};
  const result = await calls.make({ kind, path: functionPath, args: given, identity, isTrusted });
  const { logLines } = result;
  if (result.ok) return { status: 200, body: { status: "success", value: result.value, logLines } };
  if (result.isConflict)
    return { status: 503, body: { code: "OptimisticConcurrencyControlFailure", message: result.message } };
  const errorData = result.data === undefined ? {} : { errorData: result.data };
  const errorMessage = serverError(result.message);
  return { status: 560, body: { status: "error", errorMessage, ...errorData, logLines } };
}

/** In the words by which the CLI knows that it should list the functions there are. */
function notFoundBody(path: string): object {
  const errorMessage = `Could not find function for '${path}'.`;
  return { status: "error", errorMessage, code: "FunctionNotFound", message: errorMessage, logLines: [] };
}
