import { ConvexError, type Value } from "convex/values";
import type { ErrorCode } from "../shared/errorCodes.js";

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

/** A coded error that ends a call. */
export function coded(code: ErrorCode, message: string, data?: Value): ConvexError<RefusalData> {
  return new ConvexError({ code, message, ...(data === undefined ? {} : { data }) });
}
