// What became of attempts to hand transactions over: kept with each of them, so that a reload goes on waiting.
import { limits } from "../../shared/limits.js";
import { remainingMs } from "../core/waiting.js";
import type { OutboxEntry, StoredAttempt } from "../ports/storage.js";
import type { Step } from "./steps.js";

/** Attempts that failed while the server failed at everything: they wait for the server, not for one transaction. */
export function isOfServer({ faults }: StoredAttempt): boolean {
  return faults === 0;
}

export function lastAttempt({ transaction }: OutboxEntry): StoredAttempt | undefined {
  return transaction.attempts?.at(-1);
}

/** How often the transaction that was tried most often failed by its own fault. */
export function faultsOf(entries: readonly OutboxEntry[]): number {
  return entries.reduce((most, entry) => Math.max(most, lastAttempt(entry)?.faults ?? 0), 0);
}

/** For how much longer it is not to be tried, in ms. */
export function waitMs(entry: OutboxEntry, now: number): number {
  const { endedAt = 0, nextRetryAt = 0 } = lastAttempt(entry) ?? {};
  return remainingMs({ since: endedAt, until: nextRetryAt }, now);
}

/**
 * As {@link waitMs}, of what was sent.
 *
 * @param reconnectedAt when a lost connection came back last: what waited for the server need not wait longer
 */
export function resendMs(entries: readonly OutboxEntry[], reconnectedAt: number, now: number): number {
  const waits = entries.map((entry) => {
    const last = lastAttempt(entry);
    const isBack = last !== undefined && isOfServer(last) && last.endedAt <= reconnectedAt;
    return isBack ? 0 : waitMs(entry, now);
  });
  return Math.max(0, ...waits);
}

/** The attempt that follows the last one of `entry`. */
export function nextAttempt(
  entry: OutboxEntry | undefined,
  attempt: Omit<StoredAttempt, "tries" | "faults"> & { readonly faults?: number },
): StoredAttempt {
  const last = entry === undefined ? undefined : lastAttempt(entry);
  return { faults: last?.faults ?? 0, ...attempt, tries: (last?.tries ?? 0) + 1 };
}

/** Notes an attempt with what it led to: with the entries that are stored, and in what the tabs are told. */
export function withAttempts(
  step: Step,
  attempts: ReadonlyMap<string, StoredAttempt>,
  source: OutboxEntry[],
): Step {
  const before = new Map(source.map(({ transaction }) => [transaction.id, transaction.attempts ?? []]));
  const attemptsOf = (id: string): { attempts?: readonly StoredAttempt[] } => {
    const attempt = attempts.get(id);
    return attempt === undefined
      ? {}
      : { attempts: [...(before.get(id) ?? []), attempt].slice(-limits.keptAttempts) };
  };
  return {
    commit: {
      ...step.commit,
      outbox: (step.commit.outbox ?? []).map((entry) => ({
        ...entry,
        transaction: { ...entry.transaction, ...attemptsOf(entry.transaction.id) },
      })),
    },
    publication: {
      ...step.publication,
      transactions: step.publication.transactions.map((each) => ({ ...each, ...attemptsOf(each.id) })),
    },
  };
}

/** That entries wait again, after an attempt that came to nothing. */
export function waitingStep(entries: readonly OutboxEntry[]): Step {
  return {
    commit: { outbox: entries },
    publication: {
      rows: [],
      covered: [],
      transactions: entries.map(({ transaction }) => ({ id: transaction.id, phase: { type: "waiting" } })),
    },
  };
}
