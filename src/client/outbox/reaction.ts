import { isRefusal } from "../../shared/errorCodes.js";
import type { CallFault } from "../base/errors.js";
import { judgeTry, type RetryPolicy } from "../core/retry.js";
import type { AuthoredGroup, StoredAttempt, StoredFailure } from "../ports/storage.js";

/**
 * What follows on a push that failed as a whole. `pause`: the server fails at anything, nobody is to blame, all wait.
 * `halve`: one of several is to blame, half as many are sent to find out which. `again`: the one that stands alone is
 * tried again later. `reject`: these fail for good.
 */
export type Reaction =
  | { readonly type: "pause" | "halve" }
  | { readonly type: "again"; readonly delayMs: number; readonly faults: number }
  | { readonly type: "reject"; readonly groups: readonly AuthoredGroup[]; readonly failure: StoredFailure };

export interface FailedCall {
  readonly fault: Exclude<CallFault, { type: "stop" }>;
  readonly batch: readonly AuthoredGroup[];
  /** Whether the server does what else is asked of it. */
  readonly isServerWell: boolean;
  /** Tries of the only group that failed by its own fault before. */
  readonly faults: number;
  readonly policy: RetryPolicy;
  /** A random number in [0, 1). */
  readonly fraction: number;
}

export function reactTo({ fault, batch, isServerWell, faults, policy, fraction }: FailedCall): Reaction {
  if (fault.type === "refused") {
    const named = batch.filter(({ transactions }) =>
      fault.transactions?.some((id) => transactions.includes(id)),
    );
    const groups = named.length > 0 ? named : batch.length === 1 ? batch : [];
    const { code, message } = fault.refusal;
    return groups.length === 0 ? { type: "halve" } : { type: "reject", groups, failure: { code, message } };
  }
  if (!isServerWell) return { type: "pause" };
  if (batch.length > 1) return { type: "halve" };
  const verdict = judgeTry(policy, fault.cause, faults, fraction);
  if (verdict.type === "again") return verdict;
  return { type: "reject", groups: batch, failure: givenUp(fault.cause, faults + 1) };
}

/** Why a transaction is given up that nobody has refused. */
export function givenUp(cause: unknown, tries: number): StoredFailure {
  const { message } = describeError(cause);
  const times = tries === 1 ? "once" : `${tries} times`;
  return {
    code: "denied",
    message: `Given up after it failed ${times}: ${message} Retry it, or discard it.`,
  };
}

/** An error as an attempt keeps it. */
export function describeError(cause: unknown): NonNullable<StoredAttempt["error"]> {
  const data = (cause as { data?: unknown } | null)?.data;
  const refusal = isRefusal(data) ? data : isRefusal(cause) ? cause : null;
  if (refusal !== null) return { code: refusal.code, message: refusal.message };
  return { message: cause instanceof Error ? cause.message : String(cause) };
}
