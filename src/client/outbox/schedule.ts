import { limits } from "../../shared/limits.js";
import { keyOf } from "../core/keys.js";
import type { AuthoredGroup, OutboxEntry } from "../ports/storage.js";
import type { AnswerSource } from "./answers.js";
import { faultsOf, isOfServer, lastAttempt, resendMs, waitMs } from "./attempts.js";

/** What is to be sent when. */
export interface Schedule {
  /** For so long, in ms, the server is left alone: it failed at everything. */
  readonly pausedMs: number;
  /** What goes in the next push; empty: nothing that is authored is due. */
  readonly batch: readonly AuthoredGroup[];
  /** In how many ms something that waits for its time is due; null: nothing does. */
  readonly nextDueMs: number | null;
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
  const timed = unanswered.map((each) => ({ ...each, ms: resendMs(each.entries, reconnectedAt, now) }));
  const waits = [...timed.map(({ ms }) => ms), ...source.waiting().map((entry) => waitMs(entry, now))];
  const ahead = waits.filter((ms) => ms > 0);
  return {
    pausedMs: resendMs(outbox.filter(waitsForServer), reconnectedAt, now),
    batch: batchOf(
      timed.filter(({ ms }) => ms === 0),
      mostGroups,
    ),
    nextDueMs: ahead.length === 0 ? null : ahead.reduce((a, b) => Math.min(a, b)),
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
    const keys = group.updates.map(({ collection, document }) => keyOf(collection, document));
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
