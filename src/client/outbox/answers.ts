import { isRefusal } from "../../shared/errorCodes.js";
import type { PushOutcome } from "../../shared/wire.js";
import type { AuthoredGroup, AuthoredUpdate, OutboxEntry, StoredFailure } from "../ports/storage.js";
import { completedPublication, failAll, toQueued } from "./authoring.js";
import { emptyStep, joinSteps, type Step } from "./steps.js";
import { isAuthoredAnew, remember, withdraw } from "./withdrawn.js";

/** What deciding about an answer reads. */
export interface AnswerSource {
  groups(): AuthoredGroup[];
  outbox(): OutboxEntry[];
  waiting(): OutboxEntry[];
}

/**
 * What the answers to one push do, in one step. Refusals are decided together: a transaction that waits behind two of
 * them fails once.
 *
 * @param giveUpGap a reason to fail a group that was answered `gap`, or null to author it again
 * @param ts when the server answered
 */
export function decideAnswers(
  source: AnswerSource,
  outcomes: readonly PushOutcome[],
  giveUpGap: (ids: readonly string[]) => StoredFailure | null = () => null,
  ts?: bigint,
): Step | null {
  const rejected: RejectedGroup[] = [];
  const steps: Step[] = [];
  for (const outcome of outcomes) {
    const failure =
      outcome.status === "rejected" && !isPutOff(outcome)
        ? toFailure(outcome)
        : outcome.status === "gap"
          ? giveUpGap(outcome.ids)
          : null;
    const group = source.groups().find((each) => each.transactions[0] === outcome.ids[0] && !each.isAnswered);
    if (group === undefined) continue;
    if (failure !== null) rejected.push({ group, failure, mayBeApplied: outcome.status === "gap" });
    else steps.push(decideAnswer(source, outcome, ts) ?? emptyStep);
  }
  if (rejected.length > 0) steps.push(rejectGroups(source, rejected));
  return steps.length === 0 ? null : steps.reduce(joinSteps);
}

/**
 * What one answer does. `applied`: its operations stay in the overlay until the stream has brought them back.
 * `rejected`: the transactions fail, and with them what waits behind them. `gap`: they wait again, to be authored
 * anew on what the server holds, and so they do where the server is of another schema version. A group that is not there was settled by the stream before its answer came.
 */
export function decideAnswer(source: AnswerSource, outcome: PushOutcome, ts?: bigint): Step | null {
  const group = source.groups().find((each) => each.transactions[0] === outcome.ids[0]);
  if (group === undefined || group.isAnswered) return null;
  const entries = entriesOf(source, group);
  switch (outcome.status) {
    case "applied":
    case "duplicate":
      return settleGroup(toAnswered(group, entries, outcome, ts), entries);
    case "gap":
      return withdraw(group, entries);
    case "rejected":
      return isPutOff(outcome)
        ? withdraw(group, entries)
        : rejectGroups(source, [{ group, failure: toFailure(outcome) }]);
  }
}

/** Whether a transaction that was not applied may be so once the server, or this app, is a newer one: no outcome. */
export function isPutOff(outcome: PushOutcome): boolean {
  return outcome.status === "rejected" && outcome.code === "schema_too_new";
}

/** A duplicate of what was authored more than once may be one of any of these. */
function toAnswered(
  group: AuthoredGroup,
  entries: readonly OutboxEntry[],
  outcome: PushOutcome,
  now: bigint | undefined,
): AuthoredGroup {
  const ts = outcome.status === "duplicate" ? outcome.ts : now;
  const isRemade = outcome.status === "duplicate" && entries.some(isAuthoredAnew);
  return {
    ...group,
    isAnswered: true,
    ...(ts === undefined ? {} : { ts }),
    ...(isRemade ? { isRemade } : {}),
  };
}

/** A group that is sent no more. */
export interface RejectedGroup {
  readonly group: AuthoredGroup;
  readonly failure: StoredFailure;
  /** The server has not decided about it: a late copy may be applied yet. */
  readonly mayBeApplied?: boolean;
}

/** Takes groups out of the outbox's way for good, with everything that waits behind them. */
export function rejectGroups(source: AnswerSource, rejected: readonly RejectedGroup[]): Step {
  const { outbox, publication } = failAll(
    rejected.map(({ group, failure, mayBeApplied = false }) => {
      const entries = entriesOf(source, group);
      return { entries: mayBeApplied ? remember(group, entries) : entries, failure };
    }),
    source.waiting().map(toQueued),
  );
  return { commit: { removedGroups: rejected.map(({ group }) => group.sequence), outbox }, publication };
}

/** Covers updates, whichever groups they are of, and settles these. */
export function settleUpdates(
  source: AnswerSource,
  isSettled: (update: AuthoredUpdate, group: AuthoredGroup) => boolean,
): Step {
  const steps = source.groups().flatMap((group) => {
    if (!group.updates.some((update) => isSettled(update, group))) return [];
    const updates = group.updates.map((update) =>
      isSettled(update, group) ? { ...update, isCovered: true } : update,
    );
    return [settleGroup({ ...group, updates }, entriesOf(source, group))];
  });
  return steps.reduce(joinSteps, emptyStep);
}

export function entriesOf(source: AnswerSource, group: AuthoredGroup): OutboxEntry[] {
  return source.outbox().filter((entry) => group.transactions.includes(entry.transaction.id));
}

/** Every update of the group that is covered leaves the overlay; if that is all, the transactions are done. */
export function settleGroup(group: AuthoredGroup, entries: readonly OutboxEntry[]): Step {
  const isDone = group.updates.every((update) => update.isCovered);
  if (isDone)
    return {
      commit: { removedGroups: [group.sequence], removedOutbox: entries.map((entry) => entry.sequence) },
      publication: completedPublication(entries),
    };
  const covered = group.updates.filter((update) => update.isCovered);
  const phase = { type: group.isAnswered ? "persisted_awaiting_sync" : "persisting" } as const;
  return {
    commit: { groups: [group] },
    publication: {
      rows: [],
      covered: covered.flatMap(({ collection, document }) =>
        group.transactions.map((transaction) => ({ transaction, collection, id: document })),
      ),
      transactions: group.transactions.map((id) => ({ id, phase })),
    },
  };
}

function toFailure(outcome: Extract<PushOutcome, { status: "rejected" }>): StoredFailure {
  const { code, message, data } = outcome;
  const coded = isRefusal({ code, message }) ? (code as StoredFailure["code"]) : "denied";
  return { code: coded, message, ...(data === undefined ? {} : { data: data as unknown }) };
}
