import type { LocalTransaction } from "./localTransaction.js";
import { keyOf } from "../core/keys.js";

/**
 * The transactions that a tab knows of, and those of each document in the order in which they apply: stored ones by
 * their place in the outbox, and behind them those that are not stored yet, as they were made. What is done for each
 * write takes no longer however many there are.
 */
export class TransactionIndex {
  readonly #all = new Map<string, LocalTransaction>();
  readonly #queues = new Map<string, DocumentQueue>();
  readonly #failed = new Set<LocalTransaction>();

  /** How many are neither failed nor gone. */
  get unfinished(): number {
    return this.#all.size - this.#failed.size;
  }

  get failed(): number {
    return this.#failed.size;
  }

  /** Whether no transaction is on any document. */
  get isEmpty(): boolean {
    return this.#queues.size === 0;
  }

  /** All of them, in outbox order. */
  list(): LocalTransaction[] {
    return [...this.#all.values()].sort(byPlace);
  }

  find(id: string): LocalTransaction | undefined {
    return this.#all.get(id);
  }

  /** Takes it in, on no document yet. */
  add(transaction: LocalTransaction): void {
    this.#all.set(transaction.id, transaction);
    this.noteFailed(transaction);
  }

  /** It is on this document, too. @returns whether it comes after all others there */
  enqueue(transaction: LocalTransaction, key: string): boolean {
    const queue = this.#queues.get(key) ?? new DocumentQueue();
    this.#queues.set(key, queue);
    return queue.add(transaction);
  }

  /** It is stored. @returns the documents on which it applies in another order than before */
  place(transaction: LocalTransaction): string[] {
    return keysOf(transaction).filter((key) => this.#queues.get(key)?.place(transaction) === true);
  }

  /** Takes notice of its having failed, if it has. */
  noteFailed(transaction: LocalTransaction): void {
    if (transaction.phase !== "failed") return;
    this.#failed.add(transaction);
    for (const key of keysOf(transaction)) this.#queues.get(key)?.noteFailed(transaction);
  }

  remove(transaction: LocalTransaction): void {
    this.#all.delete(transaction.id);
    this.#failed.delete(transaction);
    for (const key of keysOf(transaction)) {
      const queue = this.#queues.get(key);
      queue?.remove(transaction);
      if (queue?.isEmpty === true) this.#queues.delete(key);
    }
  }

  /** The unfinished ones on a document, in the order in which they apply. */
  unfinishedOn(key: string): Iterable<LocalTransaction> {
    return this.#queues.get(key)?.unfinished() ?? [];
  }

  statusOn(key: string): "failed" | "pending" | "synced" {
    const queue = this.#queues.get(key);
    if (queue === undefined) return "synced";
    return queue.hasFailed ? "failed" : "pending";
  }

  /** Whether an earlier unfinished one is on one of its documents. */
  isQueued(transaction: LocalTransaction): boolean {
    return keysOf(transaction).some((key) => {
      const first = this.#queues.get(key)?.first;
      return first !== undefined && first !== transaction;
    });
  }

  /** The ids of these. */
  queuedBehind(transaction: LocalTransaction): string[] {
    const behind = new Set<string>();
    for (const key of keysOf(transaction))
      for (const other of this.unfinishedOn(key)) {
        if (other === transaction) break;
        behind.add(other.id);
      }
    return [...behind];
  }

  /** Those that have come to stand first on one of these documents, or do so no more, since this was asked last. */
  turned(keys: Iterable<string>): LocalTransaction[] {
    return [...keys].flatMap((key) => this.#queues.get(key)?.turn() ?? []);
  }
}

/** The transactions of one document. */
class DocumentQueue {
  #stored = new Set<LocalTransaction>();
  /** Not stored yet. */
  readonly #fresh = new Set<LocalTransaction>();
  readonly #failed = new Set<LocalTransaction>();
  /** The highest place of those that were ever stored here, and the newest of the others. */
  #highest = -Infinity;
  #newest: LocalTransaction | null = null;
  #firstBefore: LocalTransaction | undefined;

  get isEmpty(): boolean {
    return this.#stored.size + this.#fresh.size + this.#failed.size === 0;
  }

  get hasFailed(): boolean {
    return this.#failed.size > 0;
  }

  get first(): LocalTransaction | undefined {
    return firstOf(this.#stored) ?? firstOf(this.#fresh);
  }

  *unfinished(): Generator<LocalTransaction> {
    yield* this.#stored;
    yield* this.#fresh;
  }

  /** @returns whether it is the last one now */
  add(transaction: LocalTransaction): boolean {
    if (!transaction.isUnfinished) {
      this.#failed.add(transaction);
      return false;
    }
    if (transaction.sequence !== null) return this.#addStored(transaction) && this.#fresh.size === 0;
    if (this.#fresh.has(transaction)) return this.#newest === transaction;
    this.#fresh.add(transaction);
    this.#newest = transaction;
    return true;
  }

  /** @returns whether the order is another one */
  place(transaction: LocalTransaction): boolean {
    if (!this.#fresh.has(transaction)) return false;
    const wasNext = firstOf(this.#fresh) === transaction;
    this.#fresh.delete(transaction);
    return !this.#addStored(transaction) || !wasNext;
  }

  noteFailed(transaction: LocalTransaction): void {
    this.remove(transaction);
    this.#failed.add(transaction);
  }

  remove(transaction: LocalTransaction): void {
    this.#stored.delete(transaction);
    this.#fresh.delete(transaction);
    this.#failed.delete(transaction);
  }

  turn(): LocalTransaction[] {
    const [before, first] = [this.#firstBefore, this.first];
    this.#firstBefore = first;
    if (before === first) return [];
    return [first, before].filter((each) => each !== undefined && this.#has(each)) as LocalTransaction[];
  }

  #has(transaction: LocalTransaction): boolean {
    return this.#stored.has(transaction) || this.#fresh.has(transaction);
  }

  /** @returns whether it is the last one of these */
  #addStored(transaction: LocalTransaction): boolean {
    const sequence = transaction.sequence as number;
    const isHighest = sequence > this.#highest;
    this.#stored.add(transaction);
    if (isHighest) {
      this.#highest = sequence;
      return true;
    }
    const inOrder = [...this.#stored].sort(byPlace);
    this.#stored = new Set(inOrder);
    return inOrder.at(-1) === transaction;
  }
}

/** Each document that it is on, once. */
function keysOf({ changes }: LocalTransaction): string[] {
  const [only] = changes;
  if (only !== undefined && changes.length === 1) return [keyOf(only.collection, only.id)];
  return [...new Set(changes.map(({ collection, id }) => keyOf(collection, id)))];
}

function firstOf<T>(set: ReadonlySet<T>): T | undefined {
  for (const each of set) return each;
  return undefined;
}

/** Those that are not stored come last, in the order in which they are. */
function byPlace(a: LocalTransaction, b: LocalTransaction): number {
  return (a.sequence ?? Infinity) - (b.sequence ?? Infinity) || 0;
}
