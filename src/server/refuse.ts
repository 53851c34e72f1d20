import { ConvexError, type Value } from "convex/values";
import { isRefusal, type ErrorCode } from "../shared/errorCodes.js";
import { limits } from "../shared/limits.js";

/** What a refusal carries to the client. */
export type RefusalData = { code: ErrorCode; message: string; data?: Value; transactions?: string[] };

/**
 * The error to throw in a `write` or `onWrite` hook: the transaction is refused as `denied`, and the user is
 * shown `message`.
 *
 * @param data - reaches the client as `error.data`
 * @example `throw refuse("This country is closed.", { until: "2027-01-01" });`
 */
export function refuse(message: string, data?: Value): ConvexError<RefusalData> {
  return coded("denied", message, data);
}

/** A coded error that ends a call; `transactions`: those of a push at fault, which the client then isolates. */
export function coded(
  code: ErrorCode,
  message: string,
  data?: Value,
  transactions?: string[],
): ConvexError<RefusalData> {
  return new ConvexError({
    code,
    message: message.slice(0, limits.messageLength),
    ...(data === undefined ? {} : { data }),
    ...(transactions === undefined ? {} : { transactions }),
  });
}

/** The refusal that a thrown value carries, or null. Nested components may hand it on as plain data. */
export function refusalIn(error: unknown): { code: ErrorCode; message: string; data?: Value } | null {
  const thrown = (error as { data?: unknown } | null)?.data;
  if (!isRefusal(thrown)) return null;
  const { code, message, data } = thrown as { code: ErrorCode; message: string; data?: Value };
  return { code, message: message.slice(0, limits.messageLength), ...(data === undefined ? {} : { data }) };
}

/**
 * A hook that failed, not refused. Nobody knows what it would have said, so nothing is answered for good; but with a
 * code the client sends what it pushed in smaller and smaller pieces, until only what makes the hook fail is left
 * out (I-15). The cause goes to the log.
 */
export function hookFailure(hook: string, collection: string, cause: unknown): ConvexError<RefusalData> {
  console.error(`The hook "${hook}" of collection "${collection}" failed.`, cause);
  const data = (cause as { data?: unknown } | null)?.data as Value | undefined;
  return coded("denied", `The server failed to check or apply a change of "${collection}".`, data);
}
