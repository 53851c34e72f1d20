import { isRefusal } from "../../shared/errorCodes.js";
import type { PushOutcome } from "../../shared/wire.js";
import { emptyPublication, joinPublications, type Publication } from "../base/publication.js";
import type { AuthoredGroup, AuthoredUpdate, Commit, OutboxEntry, StoredFailure } from "../ports/storage.js";
import { waitingStep } from "./attempts.js";
import { completedPublication, failAll, toQueued } from "./authoring.js";

/** What deciding about an answer reads. */
export interface AnswerSource {
  groups(): AuthoredGroup[];
  outbox(): OutboxEntry[];
  waiting(): OutboxEntry[];
}

interface Step {
  readonly commit: Commit;
  readonly publication: Publication;
}
const emptyStep: Step = { commit: {}, publication: emptyPublication };

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
    if (failure !== null) rejected.push({ group, failure });
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
      return settleGroup(answeredAt(group, outcome.status === "duplicate" ? outcome.ts : ts), entries);
    case "gap":
      return {
        commit: { removedGroups: [group.sequence], outbox: entries },
        publication: waitingStep(entries).publication,
      };
    case "rejected":
      return isPutOff(outcome)
        ? {
            commit: { removedGroups: [group.sequence], outbox: entries },
            publication: waitingStep(entries).publication,
          }
        : rejectGroups(source, [{ group, failure: toFailure(outcome) }]);
  }
}

/** Whether a transaction that was not applied may be so once the server, or this app, is a newer one: no outcome. */
export function isPutOff(outcome: PushOutcome): boolean {
  return outcome.status === "rejected" && outcome.code === "schema_too_new";
}

function answeredAt(group: AuthoredGroup, ts: bigint | undefined): AuthoredGroup {
  return { ...group, isAnswered: true, ...(ts === undefined ? {} : { ts }) };
}

/** A group whose bytes will never be applied. */
export interface RejectedGroup {
  readonly group: AuthoredGroup;
  readonly failure: StoredFailure;
}

/** Takes groups out of the outbox's way for good, with everything that waits behind them. */
export function rejectGroups(source: AnswerSource, rejected: readonly RejectedGroup[]): Step {
  const { outbox, publication } = failAll(
    rejected.map(({ group, failure }) => ({ entries: entriesOf(source, group), failure })),
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

function joinSteps(a: Step, b: Step): Step {
  return {
    commit: joinCommits(a.commit, b.commit),
    publication: joinPublications(a.publication, b.publication),
  };
}

function joinCommits(a: Commit, b: Commit): Commit {
  const join = <T>(x: readonly T[] | undefined, y: readonly T[] | undefined) => [...(x ?? []), ...(y ?? [])];
  return {
    groups: join(a.groups, b.groups),
    removedGroups: join(a.removedGroups, b.removedGroups),
    outbox: join(a.outbox, b.outbox),
    removedOutbox: join(a.removedOutbox, b.removedOutbox),
  };
}
