import { isRefusal } from "../../shared/errorCodes.js";
import type { PushOutcome } from "../../shared/wire.js";
import { emptyPublication, joinPublications, type Publication } from "../base/publication.js";
import type {
  AuthoredGroup,
  AuthoredUpdate,
  Commit,
  OutboxEntry,
  StoredDocument,
  StoredFailure,
} from "../ports/storage.js";
import { completedPublication, failEntries, toQueued } from "./authoring.js";

/** What deciding about an answer reads. */
export interface AnswerSource {
  groups(): AuthoredGroup[];
  outbox(): OutboxEntry[];
  waiting(): OutboxEntry[];
}

/** How an update that the stream will not bring back is settled; null: the stream will bring it. */
export type SettleUnread = (update: AuthoredUpdate) => { readonly document: StoredDocument | null } | null;

interface Step {
  readonly commit: Commit;
  readonly publication: Publication;
}

/**
 * What one answer does. `applied`: its operations stay in the overlay until the stream has brought them back.
 * `rejected`: the transactions fail, and with them what waits behind them. `gap`: they wait again, to be authored
 * anew on what the server holds. A group that is not there was settled by the stream before its answer came.
 */
export function decideAnswer(
  source: AnswerSource,
  outcome: PushOutcome,
  settleUnread: SettleUnread,
): Step | null {
  const group = source.groups().find((each) => each.transactions[0] === outcome.ids[0]);
  if (group === undefined || group.isAnswered) return null;
  const entries = entriesOf(source, group);
  switch (outcome.status) {
    case "applied":
    case "duplicate":
      return settleAnswered(group, entries, settleUnread);
    case "gap":
      return {
        commit: { removedGroups: [group.sequence] },
        publication: {
          ...emptyPublication,
          transactions: entries.map(({ transaction }) => ({
            id: transaction.id,
            phase: { type: "waiting" },
          })),
        },
      };
    case "rejected":
      return rejectGroup(source, group, toFailure(outcome));
  }
}

/** A group whose bytes will never be applied, and everything that waits behind it. */
export function rejectGroup(source: AnswerSource, group: AuthoredGroup, failure: StoredFailure): Step {
  const { outbox, publication } = failEntries(
    entriesOf(source, group),
    failure,
    source.waiting().map(toQueued),
  );
  return { commit: { removedGroups: [group.sequence], outbox }, publication };
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

function settleAnswered(
  group: AuthoredGroup,
  entries: readonly OutboxEntry[],
  settleUnread: SettleUnread,
): Step {
  const documents: StoredDocument[] = [];
  const updates = group.updates.map((update) => {
    const settled = update.isCovered ? null : settleUnread(update);
    if (settled?.document) documents.push(settled.document);
    return settled === null ? update : { ...update, isCovered: true };
  });
  const step = settleGroup({ ...group, updates, isAnswered: true }, entries);
  const rows = documents.map(({ collection, id, row }) => ({ collection, id, row }));
  return {
    commit: { ...step.commit, documents },
    publication: joinPublications({ ...emptyPublication, rows }, step.publication),
  };
}

function toFailure(outcome: Extract<PushOutcome, { status: "rejected" }>): StoredFailure {
  const { code, message, data } = outcome;
  const coded = isRefusal({ code, message }) ? (code as StoredFailure["code"]) : "denied";
  return { code: coded, message, ...(data === undefined ? {} : { data: data as unknown }) };
}
