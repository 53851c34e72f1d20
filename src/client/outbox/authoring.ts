import type { AnyCollection, PlainRow } from "../../collections/index.js";
import { keyOf } from "../core/keys.js";
import type { Operation } from "../../shared/operations.js";
import { applyToRow } from "../core/overlay.js";
import { rebaseOperations, type MergeRows } from "../core/rebase.js";
import { pendingOf } from "../base/pendingChange.js";
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
import type { AuthorAs, AuthorOutcome } from "../documents/author.js";
import { faultsOf, waitMs } from "./attempts.js";

/** What authoring reads: the leader's contents of the database. */
export interface AuthoringSource {
  readonly author: number;
  document(collection: string, id: string): StoredDocument | undefined;
  groups(): AuthoredGroup[];
  outbox(): OutboxEntry[];
  waiting(): OutboxEntry[];
}

export type AuthorDocument = (
  id: string,
  blobs: readonly Uint8Array[],
  author: number,
  operations: readonly Operation[],
  as?: AuthorAs,
) => AuthorOutcome;

/** How authoring is done. */
export interface AuthoringOptions {
  readonly definitions: ReadonlyMap<string, AnyCollection>;
  readonly authorDocument: AuthorDocument;
  /** A Yjs client id that nobody has, above all of `authors`. */
  freshAuthor(authors: readonly number[]): number;
  /** Collections that merge parallel transactions in their own way. */
  readonly merges: ReadonlyMap<string, MergeRows>;
  /** In ms since 1970: what is to be tried again later is left out. */
  readonly now: number;
}

/**
 * What came to nothing so often in company goes alone: a late copy of an earlier push may have brought one of several to
 * the server, which then takes none of them again together (I-3), and each by itself.
 */
const aloneFromFaults = 2;

interface Queued extends QueuedTransaction {
  readonly entry: OutboxEntry;
}

type Outcome =
  | { readonly type: "authored"; readonly group: AuthoredGroup }
  | { readonly type: "unchanged"; readonly entries: readonly OutboxEntry[] }
  | { readonly type: "refused"; readonly entries: readonly OutboxEntry[]; readonly failure: StoredFailure }
  | { readonly type: "waits" };

/**
 * Turns what waits in the outbox into the groups of the next push, as bytes that are stored before they are sent
 * and sent unchanged until answered.
 *
 * What is ordered waits for every unanswered group on its documents: so all that earlier updates of a document hold is
 * at the server. A parallel transaction does not: where an unanswered update stands before it, it is authored beside
 * that, on what the server surely holds and under an author of its own, for the clocks of the other are taken. So its
 * bytes are good whatever becomes of the other. Should it come to nothing without that (an insert that it
 * stands on, a value that it would change back), it waits after all.
 *
 * @returns null if nothing can be authored
 */
export function authorWaiting(
  source: AuthoringSource,
  options: AuthoringOptions,
): { commit: Commit; publication: Publication } | null {
  const queue = source.waiting().map((entry) => ({
    ...toQueued(entry),
    isDeferred: waitMs(entry, options.now) > 0,
  }));
  const most = {
    groups: limits.pushTransactions,
    updates: limits.pushOperations,
    transactions: limits.pushReceipts,
  };
  const plan = planPush(queue, most, documentsOf(unansweredEntries(source)));
  const outcomes = plan.map((group) => authorGroup(group, queue, source, options));
  const groups = outcomes.flatMap((outcome) => (outcome.type === "authored" ? [outcome.group] : []));
  const done = outcomes.flatMap((outcome) => (outcome.type === "unchanged" ? outcome.entries : []));
  const failed = failAll(
    outcomes.flatMap((outcome) => (outcome.type === "refused" ? [outcome] : [])),
    queue,
  );
  if (groups.length + done.length + failed.outbox.length === 0) return null;
  return {
    commit: { groups, removedOutbox: done.map((entry) => entry.sequence), outbox: failed.outbox },
    publication: joinPublications(completedPublication(done), failed.publication),
  };
}

/** Whether the server holds these very bytes. */
function isSure({ isAnswered, isRemade }: AuthoredGroup): boolean {
  return isAnswered && isRemade !== true;
}

function unansweredEntries(source: AuthoringSource): OutboxEntry[] {
  const unanswered = source.groups().filter((group) => !isSure(group));
  const ids = new Set(unanswered.flatMap((group) => group.transactions));
  return ids.size === 0 ? [] : source.outbox().filter(({ transaction }) => ids.has(transaction.id));
}

function documentsOf(entries: readonly OutboxEntry[]): Set<string> {
  return new Set(entries.flatMap((entry) => toQueued(entry).documents));
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
  const { id, changes, isGroup, strategy } = entry.transaction;
  const documents = [...new Set(changes.map((change) => keyOf(change.collection, change.id)))];
  const isParallel = strategy === "parallel";
  const isDoubtful = faultsOf([entry]) >= aloneFromFaults;
  const isSingle = !isGroup && !isParallel && documents.length === 1 && !isDoubtful;
  return { id, documents, isSingle, isParallel, entry };
}

function authorGroup(
  { transactions, documents }: PlannedGroup<Queued>,
  queue: readonly Queued[],
  source: AuthoringSource,
  options: AuthoringOptions,
): Outcome {
  const entries = transactions.map(({ entry }) => entry);
  const groups = source.groups();
  const updates: AuthoredUpdate[] = [];
  let refusal: StoredFailure | null = null;
  let isLess = false;
  for (const key of documents) {
    const [collection = "", document = ""] = key.split("\0");
    const base = source.document(collection, document)?.base;
    const own = groups.flatMap((group) =>
      group.updates
        .filter((each) => each.collection === collection && each.document === document && !each.isCovered)
        .map((each) => ({ ...each, isSure: isSure(group) })),
    );
    const unsure = own.filter((each) => !each.isSure).map((each) => each.author);
    const sure = own.filter((each) => each.isSure).map((each) => each.bytes);
    const outcome = options.authorDocument(
      document,
      [...(base === undefined ? [] : [base]), ...sure],
      unsure.every((each) => each < source.author) ? source.author : options.freshAuthor(unsure),
      collapse(operationsOn(entries, collection, document)),
      authorAs(entries, collection, document, options),
    );
    if (outcome.type === "refused") refusal ??= { code: outcome.code, message: outcome.message };
    if (outcome.type === "unchanged") isLess = true;
    if (outcome.type !== "authored") continue;
    const schemaVersion = options.definitions.get(collection)?.schemaVersion ?? 1;
    updates.push({ ...outcome.update, collection, document, schemaVersion, isCovered: false });
  }
  if ((refusal !== null || isLess) && standsBehind(transactions, queue, source)) return { type: "waits" };
  if (refusal !== null) return { type: "refused", entries, failure: refusal };
  if (updates.length === 0) return { type: "unchanged", entries };
  const sequence = Math.max(...entries.map((entry) => entry.sequence));
  const ids = entries.map(({ transaction }) => transaction.id);
  return { type: "authored", group: { sequence, transactions: ids, updates, isAnswered: false } };
}

/** Whether a parallel transaction was authored without earlier ones on its documents: the others never are. */
function standsBehind(
  transactions: readonly Queued[],
  queue: readonly Queued[],
  source: AuthoringSource,
): boolean {
  const [first] = transactions;
  if (first?.isParallel !== true) return false;
  const { sequence } = first.entry;
  const waiting = queue.map(({ entry }) => entry);
  const earlier = documentsOf(
    [...unansweredEntries(source), ...waiting].filter((each) => each.sequence < sequence),
  );
  return first.documents.some((document) => earlier.has(document));
}

function operationsOn(entries: readonly OutboxEntry[], collection: string, document: string): Operation[] {
  return entries.flatMap(({ transaction }) =>
    transaction.changes.flatMap((change) =>
      change.collection === collection && change.id === document ? change.operations : [],
    ),
  );
}

/** Parallel transactions are found anew on the row as it is where their collection merges them in its own way. */
function authorAs(
  entries: readonly OutboxEntry[],
  collection: string,
  document: string,
  { definitions, merges }: AuthoringOptions,
): AuthorAs | undefined {
  const [definition, merge] = [definitions.get(collection), merges.get(collection)];
  const transaction = entries[0]?.transaction;
  if (definition === undefined) return undefined;
  if (merge === undefined || transaction?.strategy !== "parallel") return { definition };
  return {
    definition,
    operationsOn: (row) =>
      transaction.changes
        .filter((change) => change.collection === collection && change.id === document)
        .reduce<{ row: PlainRow | null; operations: readonly Operation[] }>(
          (so, change) => {
            const pending = pendingOf(transaction, change);
            const operations = rebaseOperations(definition, so.row, pending, merge);
            return {
              row: applyToRow(definition, document, so.row, operations),
              operations: [...so.operations, ...operations],
            };
          },
          { row, operations: [] },
        ).operations,
  };
}
