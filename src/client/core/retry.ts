import { limits } from "../../shared/limits.js";
import { backoffMs } from "./backoff.js";

/** How a collection wants failed attempts at its transactions to be taken. */
export interface RetryPolicy {
  /** A transaction that fails alone, while the server does all else, is given up after so many tries; default 5. */
  readonly attempts?: number;
  /** Milliseconds until the next try, after the `attempt`th (from 1) failed with `error`; default: {@link backoffMs}. */
  readonly delay?: (attempt: number, error: unknown) => number;
  /** `fail`: at once. `retry`: it is tried again without limit. Undefined: it is tried `attempts` times. */
  readonly classify?: (error: unknown) => "retry" | "fail" | undefined;
}

/** What one failed try at one transaction means. */
export type Verdict =
  { readonly type: "fail" } | { readonly type: "again"; readonly delayMs: number; readonly faults: number };

/**
 * @param faults how many tries in a row had failed before by the transaction's own fault
 * @param fraction a random number in [0, 1)
 * @throws whatever the policy's own functions throw
 */
export function judgeTry(policy: RetryPolicy, error: unknown, faults: number, fraction: number): Verdict {
  const { attempts = limits.retryAttempts, delay, classify } = policy;
  const kind = classify?.(error);
  const count = faults + 1;
  if (kind === "fail" || (kind === undefined && count >= attempts)) return { type: "fail" };
  const delayMs = delay === undefined ? backoffMs(count, fraction) : delay(count, error);
  return {
    type: "again",
    delayMs: Number.isFinite(delayMs) ? Math.max(0, delayMs) : backoffMs(count, fraction),
    faults: count,
  };
}

/** Which of the policies counts for a transaction over several collections: the first that has one. */
export function policyOf(
  policies: ReadonlyMap<string, RetryPolicy>,
  collections: readonly string[],
): RetryPolicy {
  const name = collections.find((each) => policies.has(each));
  return (name === undefined ? undefined : policies.get(name)) ?? {};
}
