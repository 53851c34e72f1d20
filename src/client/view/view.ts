import type { AnyCollection } from "../../collections/index.js";
import { Emitter } from "../base/events.js";
import type { Stored, StoredTransaction } from "../ports/storage.js";
import type { Phase, Publication } from "../base/publication.js";
import type { RowStatus, Transaction } from "../base/types.js";
import { pendingOf } from "../base/pendingChange.js";
import type { MergeRows } from "../core/rebase.js";
import { CollectionView, type OverlaidChange } from "./collectionView.js";
import { LocalTransaction, type TransactionHost } from "./localTransaction.js";

/** What the user decides about a failed transaction. */
export interface FailureDecisions {
  retry(transaction: LocalTransaction): Transaction;
  discard(transaction: LocalTransaction): void;
}

type Dirty = Map<string, Set<string>>;

/** Finished transactions that are remembered, so that a late message about one does not bring it back. */
const mostRemembered = 10_000;

/**
 * What one tab shows: the confirmed rows, and every unfinished or failed transaction it knows of. Each method is
 * one step, after which every listener is called at most once.
 */
export class View implements TransactionHost {
  readonly collections: ReadonlyMap<string, CollectionView>;
  /** Transactions came, changed their state or went. */
  readonly transactionsChanged = new Emitter<readonly LocalTransaction[]>();
  readonly #decisions: FailureDecisions;
  readonly #transactions = new Map<string, LocalTransaction>();
  readonly #byDocument = new Map<string, LocalTransaction[]>();
  readonly #finished = new Set<string>();
  /** What the leader said of transactions whose own message is still on its way: tabs' messages can overtake. */
  readonly #foretold = new Map<string, { covered: string[]; phase: Phase }>();
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
  }

  /** Unfinished and failed ones, in outbox order; those not yet stored come last. */
  transactions(): LocalTransaction[] {
    return [...this.#transactions.values()].sort(byOutboxOrder);
  }

  find(id: string): LocalTransaction | undefined {
    return this.#transactions.get(id);
  }

  statusOf(collection: string, id: string): RowStatus {
    const touching = this.#byDocument.get(`${collection}\0${id}`) ?? [];
    if (touching.some((each) => each.phase === "failed")) return "failed";
    return touching.some((each) => each.isUnfinished) ? "pending" : "synced";
  }

  queuedBehind(transaction: LocalTransaction): string[] {
    if (transaction.strategy === "parallel") return [];
    const behind = new Set<string>();
    for (const { collection, id } of transaction.changes)
      for (const other of this.#byDocument.get(`${collection}\0${id}`) ?? [])
        if (other !== transaction && other.isUnfinished && byOutboxOrder(other, transaction) < 0)
          behind.add(other.id);
    return [...behind];
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
  extend(transaction: LocalTransaction, collection: string, id: string): void {
    this.#index(transaction, collection, id);
    this.collections.get(collection)?.recompute(id);
  }

  /** Tells everybody of transactions of this tab: open ones, or ones that could not be stored. */
  show(...transactions: LocalTransaction[]): void {
    this.#settle(transactions, dirtyOf(transactions));
  }

  /** Takes transactions away that never happened, or that the user discarded. */
  remove(transactions: readonly LocalTransaction[]): void {
    for (const transaction of transactions) this.#forget(transaction);
    this.#settle(transactions, dirtyOf(transactions));
  }

  /** Transactions that another tab has stored. */
  receive(entries: Stored["outbox"]): void {
    const added = entries.flatMap(({ sequence, transaction }) => {
      if (this.#transactions.has(transaction.id) || this.#finished.has(transaction.id)) return [];
      const local = this.#add(transaction);
      for (const { collection, id } of local.changes) this.#index(local, collection, id);
      local.becomeDurable(sequence);
      return [local];
    });
    this.#settle(added, dirtyOf(added));
  }

  /** Transactions of this tab are stored: their places may not be where they were shown, behind all the others. */
  place(entries: Stored["outbox"]): void {
    const dirty: Dirty = new Map();
    for (const { sequence, transaction } of entries) {
      this.#transactions.get(transaction.id)?.becomeDurable(sequence);
      for (const { collection, id } of transaction.changes) {
        const touching = this.#byDocument.get(`${collection}\0${id}`) ?? [];
        if (touching.some((other) => (other.sequence ?? 0) > sequence)) mark(dirty, collection, id);
      }
    }
    this.#settle([], dirty);
  }

  /** One step of the leader. */
  apply({ rows, covered, transactions }: Publication): void {
    const dirty: Dirty = new Map();
    const changed = new Set<LocalTransaction>();
    for (const { collection, id, row } of rows) {
      this.collections.get(collection)?.setConfirmed(id, row);
      this.#told?.add(`${collection}\0${id}`);
      mark(dirty, collection, id);
    }
    for (const { transaction, collection, id } of covered) {
      const known = this.#transactions.get(transaction);
      if (known !== undefined) known.cover(`${collection}\0${id}`);
      else this.#foretell(transaction).covered.push(`${collection}\0${id}`);
      mark(dirty, collection, id);
    }
    for (const { id, phase, attempts } of transactions) {
      if (attempts !== undefined) this.#transactions.get(id)?.noteAttempts(attempts);
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
    this.receive(stored.outbox);
    for (const { sequence, transaction } of stored.outbox) {
      this.#transactions.get(transaction.id)?.becomeDurable(sequence);
      const { failure, attempts } = transaction;
      if (attempts !== undefined) this.#transactions.get(transaction.id)?.noteAttempts(attempts);
      const type = transaction.isPersisted ? "persisted_awaiting_sync" : "waiting";
      this.#enter(transaction.id, failure ? { type: "failed", failure } : { type });
    }
    for (const { transactions, updates, isAnswered } of stored.groups)
      for (const id of transactions) {
        // One that failed may be due, or not: who sends it again says so.
        const isTried = (this.#transactions.get(id)?.attempts.length ?? 0) > 0;
        this.#enter(id, {
          type: isAnswered ? "persisted_awaiting_sync" : isTried ? "waiting" : "persisting",
        });
        for (const update of updates)
          if (update.isCovered) this.#transactions.get(id)?.cover(`${update.collection}\0${update.document}`);
      }
    const all = [...this.#transactions.values(), ...gone];
    for (const [collection, ids] of dirtyOf(all)) for (const id of ids) mark(dirty, collection, id);
    this.#settle(all, dirty);
  }

  /** Shows more of the documents that the database held when it was loaded. What was told since then is newer. */
  fill(documents: Stored["documents"]): void {
    const told = this.#told;
    if (told === null) return; // all of it was loaded meanwhile
    const dirty: Dirty = new Map();
    const isTold = ({ collection, id }: (typeof documents)[number]) => told.has(`${collection}\0${id}`);
    this.#confirm(told.size === 0 ? documents : documents.filter((each) => !isTold(each)), dirty);
    this.#settle([], dirty);
  }

  /** There is no more to {@link View.fill} in. @returns whether there was until now */
  endFilling(): boolean {
    const wasFilling = this.#told !== null;
    this.#told = null;
    return wasFilling;
  }

  #notIn(documents: Stored["documents"]): [string, string][] {
    const stored = new Set(documents.map(({ collection, id }) => `${collection}\0${id}`));
    return [...this.collections].flatMap(([name, view]) =>
      [...view.confirmedIds()].flatMap((id): [string, string][] =>
        stored.has(`${name}\0${id}`) ? [] : [[name, id]],
      ),
    );
  }

  #confirm(documents: Stored["documents"], dirty: Dirty): void {
    for (const { collection, id, row } of documents) {
      const view = this.collections.get(collection);
      if (view === undefined || view.confirmedRow(id) === row) continue;
      view.setConfirmed(id, row);
      mark(dirty, collection, id);
    }
  }

  #add(stored: StoredTransaction): LocalTransaction {
    const transaction = new LocalTransaction(stored, this);
    this.#transactions.set(transaction.id, transaction);
    const { covered, phase } = this.#foretell(transaction.id);
    this.#foretold.delete(transaction.id);
    for (const key of covered) transaction.cover(key);
    transaction.enter(phase);
    return transaction;
  }

  #foretell(id: string): { covered: string[]; phase: Phase } {
    const foretold = this.#foretold.get(id) ?? { covered: [], phase: { type: "waiting" } };
    this.#foretold.set(id, foretold);
    const [oldest] = this.#foretold.keys();
    if (this.#foretold.size > mostRemembered) this.#foretold.delete(oldest as string);
    return foretold;
  }

  #index(transaction: LocalTransaction, collection: string, id: string): void {
    const key = `${collection}\0${id}`;
    const touching = this.#byDocument.get(key) ?? [];
    if (!touching.includes(transaction)) this.#byDocument.set(key, [...touching, transaction]);
  }

  #enter(id: string, phase: Phase): LocalTransaction | undefined {
    const transaction = this.#transactions.get(id);
    if (phase.type === "completed") this.#remember(id);
    if (transaction === undefined) {
      if (phase.type === "completed") this.#foretold.delete(id);
      else this.#foretell(id).phase = phase;
      return undefined;
    }
    transaction.enter(phase);
    if (phase.type === "completed") this.#forget(transaction);
    return transaction;
  }

  #remember(id: string): void {
    this.#finished.add(id);
    if (this.#finished.size <= mostRemembered) return;
    const [oldest] = this.#finished;
    this.#finished.delete(oldest as string);
  }

  #forget(transaction: LocalTransaction): void {
    this.#remember(transaction.id);
    this.#transactions.delete(transaction.id);
    for (const { collection, id } of transaction.changes) {
      const key = `${collection}\0${id}`;
      const rest = (this.#byDocument.get(key) ?? []).filter((other) => other !== transaction);
      if (rest.length === 0) this.#byDocument.delete(key);
      else this.#byDocument.set(key, rest);
    }
  }

  #overlayOf(collection: string, id: string): OverlaidChange[] {
    if (this.#byDocument.size === 0) return []; // of most documents, and while opening of all
    const key = `${collection}\0${id}`;
    return (this.#byDocument.get(key) ?? [])
      .filter((transaction) => transaction.isOverlaid(key))
      .sort(byOutboxOrder)
      .flatMap(({ stored, changes, strategy }) =>
        changes
          .filter((change) => change.collection === collection && change.id === id)
          .map((change) =>
            strategy === "parallel" ? { ...change, pending: pendingOf(stored, change) } : change,
          ),
      );
  }

  /** Brings rows up to date first, and calls listeners after: whoever is told sees all of the step. */
  #settle(transactions: readonly LocalTransaction[], dirty: Dirty): void {
    for (const [name, ids] of dirty) {
      const view = this.collections.get(name);
      for (const id of ids) view?.recompute(id);
    }
    for (const [name, ids] of dirty) this.collections.get(name)?.changed.emit(ids);
    const changed = new Set(transactions);
    for (const transaction of this.#touching(dirty))
      if (transaction.isOtherThanTold) changed.add(transaction);
    for (const transaction of changed) transaction.tell();
    if (changed.size > 0) this.transactionsChanged.emit([...changed]);
  }

  /** Those whose place behind others may have changed. */
  #touching(dirty: Dirty): LocalTransaction[] {
    return [...dirty].flatMap(([name, ids]) =>
      [...ids].flatMap((id) => this.#byDocument.get(`${name}\0${id}`) ?? []),
    );
  }
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

function byOutboxOrder(a: LocalTransaction, b: LocalTransaction): number {
  return (a.sequence ?? Infinity) - (b.sequence ?? Infinity) || 0;
}
