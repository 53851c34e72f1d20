import { limits } from "../../shared/limits.js";
import type { AuthoredGroup, OutboxEntry } from "../ports/storage.js";
import type { AnswerSource } from "./answers.js";
import { dueAt, faultsOf, isOfServer, lastAttempt } from "./attempts.js";

/** What is to be sent when. Times in ms since 1970. */
export interface Schedule {
  /** Until then the server is left alone: it failed at everything. */
  readonly pausedUntil: number;
  /** What goes in the next push; empty: nothing that is authored is due. */
  readonly batch: readonly AuthoredGroup[];
  /** When something that waits for its time is due; null: nothing does. */
  readonly nextDueAt: number | null;
}

/**
 * @param reconnectedAt when a lost connection came back last: what waited for the server need not wait longer
 * @param mostGroups how many one push may carry
 */
export function scheduleOf(
  source: AnswerSource,
  { now, reconnectedAt, mostGroups }: { now: number; reconnectedAt: number; mostGroups: number },
): Schedule {
  const outbox = source.outbox().filter(({ transaction }) => transaction.failure === undefined);
  const byId = new Map(outbox.map((entry) => [entry.transaction.id, entry]));
  const unanswered = source
    .groups()
    .filter((group) => !group.isAnswered)
    .map((group) => ({ group, entries: group.transactions.flatMap((id) => byId.get(id) ?? []) }));
  const timed = unanswered.map((each) => ({ ...each, at: dueAt(each.entries, reconnectedAt) }));
  const waits = [
    ...timed.map(({ at }) => at),
    ...source.waiting().map((entry) => lastAttempt(entry)?.nextRetryAt ?? 0),
  ].filter((at) => at > now);
  return {
    pausedUntil: latest(outbox.filter(waitsForServer).map((entry) => dueAt([entry], reconnectedAt))),
    batch: batchOf(
      timed.filter(({ at }) => at <= now),
      mostGroups,
    ),
    nextDueAt: waits.length === 0 ? null : waits.reduce((a, b) => Math.min(a, b)),
  };
}

/** What has failed by its own fault goes alone: it would take others with it. */
function batchOf(
  due: readonly { readonly group: AuthoredGroup; readonly entries: readonly OutboxEntry[] }[],
  mostGroups: number,
): AuthoredGroup[] {
  const [first] = due;
  if (first !== undefined && faultsOf(first.entries) > 0) return [first.group];
  const batch: AuthoredGroup[] = [];
  const documents = new Set<string>();
  let bytes = 0;
  for (const { group, entries } of due) {
    if (batch.length >= mostGroups) break;
    const keys = group.updates.map(({ collection, document }) => `${collection}\0${document}`);
    // A parallel transaction may be authored beside an unanswered one: a push has one update of a document.
    if (faultsOf(entries) > 0 || keys.some((key) => documents.has(key))) continue;
    bytes += group.updates.reduce((sum, update) => sum + update.bytes.length, 0);
    if (batch.length > 0 && bytes > limits.pushBytes) break;
    batch.push(group);
    for (const key of keys) documents.add(key);
  }
  return batch;
}

function waitsForServer(entry: OutboxEntry): boolean {
  const last = lastAttempt(entry);
  return last !== undefined && isOfServer(last);
}

function latest(times: readonly number[]): number {
  return times.reduce((a, b) => Math.max(a, b), 0);
}
