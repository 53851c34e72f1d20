import { isRefusal, type ErrorCode, type Refusal } from "../../shared/errorCodes.js";

/** What {@link ReplicaError} knows beside code and message. */
export interface ReplicaErrorOptions extends ErrorOptions {
  /** What `refuse(message, data)` on the server added. */
  readonly data?: unknown;
  /** The transaction that this one failed with. */
  readonly transactionId?: string;
}

/** A coded fault. Compare `code`, never `message`, which says what happened and what to do. */
export class ReplicaError<Code extends ErrorCode = ErrorCode> extends Error {
  override readonly name = "ReplicaError";
  readonly code: Code;
  readonly data: unknown;
  readonly transactionId: string | undefined;

  constructor(code: Code, message: string, options: ReplicaErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.data = options.data;
    this.transactionId = options.transactionId;
  }

  /**
   * Whether `error` carries one of `codes` (any code if none is given). Works on plain data too, so on an error
   * that came from another realm or out of storage.
   */
  static is<C extends ErrorCode = ErrorCode>(error: unknown, ...codes: C[]): error is ReplicaError<C> {
    return isRefusal(error) && (codes.length === 0 || (codes as ErrorCode[]).includes(error.code));
  }
}

/** A stored or sent refusal as an error. */
export function toReplicaError(
  refusal: Refusal & { data?: unknown; transactionId?: string },
): ReplicaError<ErrorCode> {
  const { code, message, data, transactionId } = refusal;
  return new ReplicaError(code, message, {
    data,
    ...(transactionId === undefined ? {} : { transactionId }),
  });
}

/**
 * What a failed call means for the push loop. `refused`: the server answered with a coded refusal of the whole
 * call, or of `transactions` of it. `stop`: this store can never push again. `retry`: anything else.
 */
export type CallFault =
  | { readonly type: "retry"; readonly cause: unknown }
  | { readonly type: "refused"; readonly refusal: Refusal; readonly transactions: readonly string[] | null }
  | { readonly type: "stop"; readonly refusal: Refusal };

/** Classifies an unknown error of a call by its coded data, never by its message. */
export function classifyCallError(error: unknown): CallFault {
  const data = (error as { data?: unknown } | null)?.data;
  if (!isRefusal(data)) return { type: "retry", cause: error };
  if (data.code === "client_taken" || data.code === "client_retired") return { type: "stop", refusal: data };
  const { transactions } = data as { transactions?: unknown };
  const named = Array.isArray(transactions) ? transactions.filter((id) => typeof id === "string") : null;
  return { type: "refused", refusal: data, transactions: named };
}

export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
