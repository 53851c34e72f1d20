import type { AnyCollection } from "../../collections/index.js";
import { Emitter } from "../base/events.js";
import type { Stored, StoredChange, StoredTransaction } from "../ports/storage.js";
import type { RowsResult } from "../../shared/rowsWire.js";
import type { Phase, Publication } from "../base/publication.js";
import type { RowStatus, Transaction } from "../base/types.js";
import { pendingOf } from "../base/pendingChange.js";
import type { MergeRows } from "../core/rebase.js";
import { CollectionView, type OverlaidChange } from "./collectionView.js";
import { Hearsay } from "./hearsay.js";
import { Hydration } from "./hydration.js";
import { LocalTransaction, type TransactionHost } from "./localTransaction.js";
import { keyOf } from "../core/keys.js";
import { TransactionIndex } from "./transactionIndex.js";

/** What the user decides about a failed transaction. */
export interface FailureDecisions {
  retry(transaction: LocalTransaction): Transaction;
  discard(transaction: LocalTransaction): void;
}

type Dirty = Map<string, Set<string>>;

/**
 * What one tab shows: the confirmed rows, and every unfinished or failed transaction it knows of. Each method is
 * one step, after which every listener is called at most once.
 */
export class View implements TransactionHost {
  readonly collections: ReadonlyMap<string, CollectionView>;
  /** Transactions came, changed their state or went. */
  readonly transactionsChanged = new Emitter<readonly LocalTransaction[]>();
  readonly #decisions: FailureDecisions;
  readonly #hydration: Hydration;
  readonly #transactions = new TransactionIndex();
  readonly #hearsay = new Hearsay();
  /** While the database is being read: the documents that the leader told of meanwhile. Null: all was read. */
  #told: Set<string> | null = null;

  /** @param merges collections that merge parallel transactions in their own way */
  constructor(
    definitions: readonly AnyCollection[],
    decisions: FailureDecisions,
    merges: ReadonlyMap<string, MergeRows> = new Map(),
  ) {
    this.#decisions = decisions;
    this.collections = new Map(
      definitions.map((definition) => {
        const { name } = definition;
        return [name, new CollectionView(definition, (id) => this.#overlayOf(name, id), merges.get(name))];
      }),
    );
    this.#hydration = new Hydration(this.collections);
  }

  /** Unfinished and failed ones, in outbox order; those not yet stored come last. */
  transactions(): LocalTransaction[] {
    return this.#transactions.list();
  }

  /** How many there are. */
  get counts(): { readonly unfinished: number; readonly failed: number } {
    const { unfinished, failed } = this.#transactions;
    return { unfinished, failed };
  }

  find(id: string): LocalTransaction | undefined {
    return this.#transactions.find(id);
  }

  statusOf(collection: string, id: string): RowStatus {
    return this.#transactions.statusOn(keyOf(collection, id));
  }

  isQueued(transaction: LocalTransaction): boolean {
    return transaction.strategy === "ordered" && this.#transactions.isQueued(transaction);
  }

  queuedBehind(transaction: LocalTransaction): string[] {
    return transaction.strategy === "ordered" ? this.#transactions.queuedBehind(transaction) : [];
  }

  retry(transaction: LocalTransaction): Transaction {
    return this.#decisions.retry(transaction);
  }

  discard(transaction: LocalTransaction): void {
    this.#decisions.discard(transaction);
  }

  /** A transaction whose changes grow until {@link View.show}: each is part of the rows at once. */
  open(stored: StoredTransaction): LocalTransaction {
    return this.#add(stored);
  }

  /** A change was added to an open transaction. */
  extend(transaction: LocalTransaction, change: StoredChange): void {
    const { collection, id } = change;
    const isLast = this.#transactions.enqueue(transaction, keyOf(collection, id));
    const view = this.collections.get(collection);
    if (isLast) view?.append(id, asOverlaid(transaction, change));
    else view?.recompute(id);
  }

  /** Tells everybody of an open transaction: from here on it does not grow. */
  show(transaction: LocalTransaction): void {
    this.#tell([transaction], dirtyOf([transaction]));
  }

  /** Transactions of this tab could not be stored: they have failed. */
  refuse(transactions: readonly LocalTransaction[]): void {
    for (const transaction of transactions) this.#transactions.noteFailed(transaction);
    this.#settle(transactions, dirtyOf(transactions));
  }

  /** Takes transactions away that never happened, or that the user discarded. */
  remove(transactions: readonly LocalTransaction[]): void {
    for (const transaction of transactions) this.#forget(transaction);
    this.#settle(transactions, dirtyOf(transactions));
  }

  /** Transactions that another tab has stored. */
  receive(entries: Stored["outbox"]): void {
    const added = this.#addStored(entries);
    const stale: Dirty = new Map();
    for (const transaction of added)
      for (const [collection, ids] of dirtyOf([transaction]))
        for (const id of ids)
          if (!this.#enqueueShown(transaction, collection, id)) mark(stale, collection, id);
    this.#refresh(stale);
    this.#tell(added, dirtyOf(added));
  }

  /** Transactions of this tab are stored: their places may not be where they were shown, behind all the others. */
  place(entries: Stored["outbox"]): void {
    const dirty: Dirty = new Map();
    for (const { sequence, transaction } of entries) {
      const local = this.find(transaction.id);
      local?.becomeDurable(sequence);
      const moved = new Set(local === undefined ? [] : this.#transactions.place(local));
      for (const { collection, id } of transaction.changes)
        if (moved.has(keyOf(collection, id))) mark(dirty, collection, id);
    }
    this.#settle([], dirty);
  }

  /** Shows rows that a page brought with it (see {@link Hydration}). @throws ReplicaError `unknown_collection` */
  hydrate(pages: readonly RowsResult[]): void {
    this.#settleDocuments(this.#hydration.show(pages));
  }

  /** Scopes are read to the end, or not shown any more: nothing of them is but what the stream has told. */
  endHydration(scopes: readonly { readonly collection: string; readonly scope: string }[]): void {
    this.#settleDocuments(this.#hydration.endScopes(scopes));
  }

  /** One step of the leader. */
  apply({ rows, covered, transactions }: Publication): void {
    const dirty: Dirty = new Map();
    const changed = new Set<LocalTransaction>();
    for (const { collection, id, row, incarnation } of rows) {
      this.collections.get(collection)?.setConfirmed(id, row, incarnation);
      this.#told?.add(keyOf(collection, id));
      this.#hydration.end(collection, id);
      mark(dirty, collection, id);
    }
    for (const { transaction, collection, id } of covered) {
      const known = this.find(transaction);
      if (known !== undefined) known.cover(keyOf(collection, id));
      else this.#hearsay.noteCovered(transaction, keyOf(collection, id));
      mark(dirty, collection, id);
    }
    for (const { id, phase, attempts } of transactions) {
      if (attempts !== undefined) this.find(id)?.noteAttempts(attempts);
      const transaction = this.#enter(id, phase);
      if (transaction === undefined) continue;
      changed.add(transaction);
      for (const change of transaction.changes) mark(dirty, change.collection, change.id);
    }
    this.#settle([...changed], dirty);
  }

  /**
   * Shows what the database holds, and of what was known before only what is not yet stored.
   *
   * @param hasMore - whether the rest of its documents follows, to {@link View.fill}
   */
  load(stored: Stored, hasMore = false): void {
    this.#told = hasMore ? new Set() : null;
    this.#hydration.noteStored(stored);
    const dirty: Dirty = new Map();
    for (const [collection, id] of this.#notIn(stored.documents)) {
      this.collections.get(collection)?.setConfirmed(id, null);
      mark(dirty, collection, id);
    }
    this.#confirm(stored.documents, dirty);
    const kept = new Set(stored.outbox.map(({ transaction }) => transaction.id));
    // What was stored after this was read is in nothing of it, and is not gone.
    const lastRead = Math.max(stored.meta.lastSettled ?? 0, stored.outbox.at(-1)?.sequence ?? 0);
    const gone = this.transactions().filter(
      ({ id, sequence }) => sequence !== null && sequence <= lastRead && !kept.has(id),
    );
    for (const transaction of gone) {
      transaction.enter({ type: transaction.phase === "failed" ? "discarded" : "completed" });
      this.#forget(transaction);
    }
    for (const local of this.#addStored(stored.outbox))
      for (const { collection, id } of local.changes)
        this.#transactions.enqueue(local, keyOf(collection, id));
    for (const { sequence, transaction } of stored.outbox) {
      const local = this.find(transaction.id);
      if (local === undefined) continue;
      local.becomeDurable(sequence);
      this.#transactions.place(local);
      const { failure, attempts } = transaction;
      if (attempts !== undefined) local.noteAttempts(attempts);
      const type = transaction.isPersisted ? "persisted_awaiting_sync" : "waiting";
      this.#enter(transaction.id, failure ? { type: "failed", failure } : { type });
    }
    for (const { transactions, updates, isAnswered } of stored.groups)
      for (const id of transactions) {
        // One that failed may be due, or not: who sends it again says so.
        const isTried = (this.find(id)?.attempts.length ?? 0) > 0;
        this.#enter(id, {
          type: isAnswered ? "persisted_awaiting_sync" : isTried ? "waiting" : "persisting",
        });
        for (const update of updates)
          if (update.isCovered) this.find(id)?.cover(keyOf(update.collection, update.document));
      }
    const all = [...this.transactions(), ...gone];
    for (const [collection, ids] of dirtyOf(all)) for (const id of ids) mark(dirty, collection, id);
    if (!hasMore) for (const { collection, id } of this.#hydration.endGone()) mark(dirty, collection, id);
    this.#settle(all, dirty);
  }

  /** Shows more of the documents that the database held when it was loaded. What was told since then is newer. */
  fill(documents: Stored["documents"]): void {
    const told = this.#told;
    if (told === null) return; // all of it was loaded meanwhile
    const dirty: Dirty = new Map();
    const isTold = ({ collection, id }: (typeof documents)[number]) => told.has(keyOf(collection, id));
    this.#confirm(told.size === 0 ? documents : documents.filter((each) => !isTold(each)), dirty);
    this.#settle([], dirty);
  }

  /** There is no more to {@link View.fill} in. @returns whether there was until now */
  endFilling(): boolean {
    const wasFilling = this.#told !== null;
    this.#told = null;
    if (wasFilling) this.#settleDocuments(this.#hydration.endGone());
    return wasFilling;
  }

  /** The documents that are shown as confirmed and are not among these. */
  #notIn(documents: Stored["documents"]): [string, string][] {
    const stored = new Map([...this.collections.keys()].map((name) => [name, new Set<string>()]));
    for (const { collection, id } of documents) stored.get(collection)?.add(id);
    return [...this.collections].flatMap(([name, view]) =>
      [...view.confirmedIds()].flatMap((id): [string, string][] =>
        stored.get(name)?.has(id) === true ? [] : [[name, id]],
      ),
    );
  }

  #confirm(documents: Stored["documents"], dirty: Dirty): void {
    for (const document of documents) {
      const { collection, id, row, incarnation } = document;
      const view = this.collections.get(collection);
      const isUncovered = this.#hydration.noteDocument(document);
      if (view === undefined || (view.confirmedRow(id) === row && !isUncovered)) continue;
      view.setConfirmed(id, row, incarnation);
      mark(dirty, collection, id);
    }
  }

  #add(stored: StoredTransaction): LocalTransaction {
    const transaction = new LocalTransaction(stored, this);
    const { covered, phase } = this.#hearsay.take(transaction.id);
    for (const key of covered) transaction.cover(key);
    transaction.enter(phase);
    this.#transactions.add(transaction);
    return transaction;
  }

  /** Of these, the ones that were not known. */
  #addStored(entries: Stored["outbox"]): LocalTransaction[] {
    return entries.flatMap(({ sequence, transaction }) => {
      if (this.find(transaction.id) !== undefined || this.#hearsay.isFinished(transaction.id)) return [];
      const local = this.#add(transaction);
      local.becomeDurable(sequence);
      return [local];
    });
  }

  /** Takes a stored one in on a document. @returns whether the row shows it; if not, it is to be worked out anew */
  #enqueueShown(transaction: LocalTransaction, collection: string, id: string): boolean {
    const key = keyOf(collection, id);
    const isLast = this.#transactions.enqueue(transaction, key);
    if (!transaction.isOverlaid(key)) return true;
    if (isLast)
      for (const change of changesOn(transaction, collection, id))
        this.collections.get(collection)?.append(id, change);
    return isLast;
  }

  #enter(id: string, phase: Phase): LocalTransaction | undefined {
    const transaction = this.find(id);
    if (phase.type === "completed") this.#hearsay.noteFinished(id);
    if (transaction === undefined) {
      if (phase.type !== "completed") this.#hearsay.notePhase(id, phase);
      return undefined;
    }
    transaction.enter(phase);
    if (phase.type === "completed") this.#forget(transaction);
    else this.#transactions.noteFailed(transaction);
    return transaction;
  }

  #forget(transaction: LocalTransaction): void {
    this.#hearsay.noteFinished(transaction.id);
    this.#transactions.remove(transaction);
  }

  #overlayOf(collection: string, id: string): OverlaidChange[] {
    if (this.#transactions.isEmpty) return []; // while opening, mostly
    const key = keyOf(collection, id);
    return [...this.#transactions.unfinishedOn(key)]
      .filter((transaction) => transaction.isOverlaid(key))
      .flatMap((transaction) => changesOn(transaction, collection, id));
  }

  #settleDocuments(documents: readonly { readonly collection: string; readonly id: string }[]): void {
    const dirty: Dirty = new Map();
    for (const { collection, id } of documents) mark(dirty, collection, id);
    this.#settle([], dirty);
  }

  /** One step: rows that are to be worked out anew, and everybody who is to be told of it. */
  #settle(transactions: readonly LocalTransaction[], dirty: Dirty): void {
    this.#refresh(dirty);
    this.#tell(transactions, dirty);
  }

  #refresh(stale: Dirty): void {
    for (const [name, ids] of stale) {
      const view = this.collections.get(name);
      for (const id of ids) view?.recompute(id);
    }
  }

  /** Rows are up to date: whoever is told sees all of the step. */
  #tell(transactions: readonly LocalTransaction[], dirty: Dirty): void {
    for (const [name, ids] of dirty) this.collections.get(name)?.changed.emit(ids);
    const changed = new Set(transactions);
    for (const transaction of this.#turned(dirty)) if (transaction.isOtherThanTold) changed.add(transaction);
    for (const transaction of changed) transaction.tell();
    if (changed.size > 0) this.transactionsChanged.emit([...changed]);
  }

  /** Those that have come to stand first on one of these documents, or do so no more. */
  #turned(dirty: Dirty): LocalTransaction[] {
    if (this.#transactions.isEmpty) return []; // while opening, mostly
    return this.#transactions.turned(
      [...dirty].flatMap(([name, ids]) => [...ids].map((id) => keyOf(name, id))),
    );
  }
}

function changesOn(transaction: LocalTransaction, collection: string, id: string): OverlaidChange[] {
  return transaction.changes
    .filter((change) => change.collection === collection && change.id === id)
    .map((change) => asOverlaid(transaction, change));
}

function asOverlaid({ stored, strategy }: LocalTransaction, change: StoredChange): OverlaidChange {
  return strategy === "parallel" ? { ...change, pending: pendingOf(stored, change) } : change;
}

function mark(dirty: Dirty, collection: string, id: string): void {
  const ids = dirty.get(collection);
  if (ids) ids.add(id);
  else dirty.set(collection, new Set([id]));
}

function dirtyOf(transactions: readonly LocalTransaction[]): Dirty {
  const dirty: Dirty = new Map();
  for (const { changes } of transactions)
    for (const { collection, id } of changes) mark(dirty, collection, id);
  return dirty;
}
