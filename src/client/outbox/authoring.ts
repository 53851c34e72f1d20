import type { AnyCollection } from "../../collections/index.js";
import { limits } from "../../shared/limits.js";
import { collapse } from "../core/collapse.js";
import { dependentsOf, planPush, type PlannedGroup, type QueuedTransaction } from "../core/plan.js";
import { failedPublication, joinPublications, type Publication } from "../base/publication.js";
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
  const failed = failAll(
    outcomes.flatMap((outcome) => (outcome.type === "refused" ? [outcome] : [])),
    queue,
  );
  return {
    commit: {
      groups,
      removedOutbox: done.map((entry) => entry.sequence),
      outbox: failed.outbox,
    },
    publication: joinPublications(completedPublication(done), failed.publication),
  };
}

/** Transactions that fail for a reason of their own. */
export interface FailedEntries {
  readonly entries: readonly OutboxEntry[];
  readonly failure: StoredFailure;
}

/**
 * What to store and tell about failed transactions and all that goes down with them. A transaction that stands on
 * several of them fails once, with the one that comes first in the outbox: so what is stored is what is told.
 */
export function failAll(
  failed: readonly FailedEntries[],
  waiting: readonly Queued[],
): { outbox: OutboxEntry[]; publication: Publication } {
  const all = new Map<string, OutboxEntry>();
  for (const { entries } of failed) for (const each of entries) all.set(each.transaction.id, each);
  const outbox: OutboxEntry[] = [];
  for (const { entries, failure } of [...failed].sort((a, b) => sequenceOf(a) - sequenceOf(b))) {
    const [first] = entries;
    const documents = entries.flatMap((entry) => toQueued(entry).documents);
    const behind = waiting.filter(({ id, entry }) => entry.sequence > (first?.sequence ?? 0) && !all.has(id));
    const dependents = dependentsOf(documents, behind).map(({ entry }) => entry);
    for (const each of dependents) all.set(each.transaction.id, each);
    for (const entry of [...entries, ...dependents]) {
      const reason = entry === first ? failure : { ...failure, transactionId: first?.transaction.id ?? "" };
      outbox.push({ ...entry, transaction: { ...entry.transaction, failure: reason } });
    }
  }
  return { outbox, publication: failedPublication(outbox) };
}

function sequenceOf({ entries }: FailedEntries): number {
  return entries[0]?.sequence ?? 0;
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
