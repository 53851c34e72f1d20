import type { AnyCollection } from "../../collections/index.js";
import { limits } from "../../shared/limits.js";
import { collapse } from "../core/collapse.js";
import { dependentsOf, planPush, type PlannedGroup, type QueuedTransaction } from "../core/plan.js";
import {
  emptyPublication,
  failedPublication,
  joinPublications,
  type Publication,
} from "../base/publication.js";
import type {
  AuthoredGroup,
  AuthoredUpdate,
  Commit,
  OutboxEntry,
  StoredDocument,
  StoredFailure,
} from "../ports/storage.js";
import type { AuthorOutcome } from "../documents/author.js";

/** What authoring reads: the leader's contents of the database. */
export interface AuthoringSource {
  readonly author: number;
  document(collection: string, id: string): StoredDocument | undefined;
  groups(): AuthoredGroup[];
  waiting(): OutboxEntry[];
}

export type AuthorDocument = (
  id: string,
  blobs: readonly Uint8Array[],
  author: number,
  operations: Parameters<typeof collapse>[0],
) => AuthorOutcome;

interface Queued extends QueuedTransaction {
  readonly entry: OutboxEntry;
}

type Outcome =
  | { readonly type: "authored"; readonly group: AuthoredGroup }
  | { readonly type: "unchanged"; readonly entries: readonly OutboxEntry[] }
  | { readonly type: "refused"; readonly entries: readonly OutboxEntry[]; readonly failure: StoredFailure };

/**
 * Turns what waits in the outbox into the groups of the next push, as bytes that are stored before they are sent
 * and sent unchanged until answered. To be called with nothing unanswered: so all that earlier updates of a
 * document hold is at the server or comes before.
 *
 * @returns null if nothing waits
 */
export function authorWaiting(
  source: AuthoringSource,
  definitions: ReadonlyMap<string, AnyCollection>,
  authorDocument: AuthorDocument,
): { commit: Commit; publication: Publication } | null {
  const queue = source.waiting().map(toQueued);
  const plan = planPush(queue, {
    groups: limits.pushTransactions,
    updates: limits.pushOperations,
    transactions: limits.pushReceipts,
  });
  if (plan.length === 0) return null;
  const outcomes = plan.map((group) => authorGroup(group, source, definitions, authorDocument));
  const groups = outcomes.flatMap((outcome) => (outcome.type === "authored" ? [outcome.group] : []));
  const done = outcomes.flatMap((outcome) => (outcome.type === "unchanged" ? outcome.entries : []));
  const failures = outcomes.flatMap((outcome) =>
    outcome.type === "refused" ? [failEntries(outcome.entries, outcome.failure, queue)] : [],
  );
  return {
    commit: {
      groups,
      removedOutbox: done.map((entry) => entry.sequence),
      outbox: failures.flatMap((failure) => failure.outbox),
    },
    publication: [completedPublication(done), ...failures.map((each) => each.publication)].reduce(
      joinPublications,
      emptyPublication,
    ),
  };
}

/** The transactions that go down with `entries`, and what to store and tell about all of them. */
export function failEntries(
  entries: readonly OutboxEntry[],
  failure: StoredFailure,
  waiting: readonly Queued[],
): { outbox: OutboxEntry[]; publication: Publication } {
  const [first] = entries;
  const documents = entries.flatMap((entry) => toQueued(entry).documents);
  const failed = new Set(entries.map((entry) => entry.sequence));
  const behind = waiting.filter(
    ({ entry }) => entry.sequence > (first?.sequence ?? 0) && !failed.has(entry.sequence),
  );
  const all = [...entries, ...dependentsOf(documents, behind).map(({ entry }) => entry)];
  const failureOf = (entry: OutboxEntry): StoredFailure =>
    entry === first ? failure : { ...failure, transactionId: first?.transaction.id ?? "" };
  return {
    outbox: all.map((entry) => ({
      ...entry,
      transaction: { ...entry.transaction, failure: failureOf(entry) },
    })),
    publication: failedPublication(all, failureOf),
  };
}

/** That transactions are done with, whatever of them is still in the overlay. */
export function completedPublication(entries: readonly OutboxEntry[]): Publication {
  return {
    rows: [],
    covered: entries.flatMap(({ transaction }) =>
      transaction.changes.map(({ collection, id }) => ({ transaction: transaction.id, collection, id })),
    ),
    transactions: entries.map(({ transaction }) => ({ id: transaction.id, phase: { type: "completed" } })),
  };
}

export function toQueued(entry: OutboxEntry): Queued {
  const { id, changes, isGroup } = entry.transaction;
  const documents = [...new Set(changes.map((change) => `${change.collection}\0${change.id}`))];
  return { id, documents, isSingle: !isGroup && documents.length === 1, entry };
}

function authorGroup(
  { transactions, documents }: PlannedGroup<Queued>,
  source: AuthoringSource,
  definitions: ReadonlyMap<string, AnyCollection>,
  authorDocument: AuthorDocument,
): Outcome {
  const entries = transactions.map(({ entry }) => entry);
  const earlier = source.groups().flatMap((group) => group.updates);
  const updates: AuthoredUpdate[] = [];
  for (const key of documents) {
    const [collection = "", document = ""] = key.split("\0");
    const operations = entries.flatMap(({ transaction }) =>
      transaction.changes.flatMap((change) =>
        change.collection === collection && change.id === document ? change.operations : [],
      ),
    );
    const base = source.document(collection, document)?.base;
    const own = earlier.filter(
      (update) => update.collection === collection && update.document === document && !update.isCovered,
    );
    const blobs = [...(base === undefined ? [] : [base]), ...own.map((update) => update.bytes)];
    const outcome = authorDocument(document, blobs, source.author, collapse(operations));
    if (outcome.type === "refused") {
      const { code, message } = outcome;
      return { type: "refused", entries, failure: { code, message } };
    }
    if (outcome.type === "unchanged") continue;
    const schemaVersion = definitions.get(collection)?.schemaVersion ?? 1;
    updates.push({ ...outcome.update, collection, document, schemaVersion, isCovered: false });
  }
  if (updates.length === 0) return { type: "unchanged", entries };
  const sequence = Math.max(...entries.map((entry) => entry.sequence));
  const ids = entries.map(({ transaction }) => transaction.id);
  return { type: "authored", group: { sequence, transactions: ids, updates, isAnswered: false } };
}
