import { ReplicaError } from "../base/errors.js";
import type { OutboxEntry, Storage, StoredTransaction } from "../ports/storage.js";

/** A transaction on its way into the outbox. */
export interface Appendable {
  readonly stored: StoredTransaction;
  becomeDurable(sequence: number): void;
  failToStore(error: ReplicaError): void;
}

/**
 * Hands writes to the storage in the tick in which they are made (I-1), all of a tick in one storage
 * transaction, in the order in which they were made.
 */
export class Appender {
  readonly #storage: Storage;
  readonly #opened: Promise<unknown>;
  readonly #onAppended: (entries: readonly OutboxEntry[]) => void;
  readonly #onFailed: (error: ReplicaError, transactions: readonly Appendable[]) => void;
  #tick: Appendable[] = [];
  #last: Promise<void> = Promise.resolve();
  #isOpen = false;

  constructor(
    storage: Storage,
    opened: Promise<unknown>,
    onAppended: (entries: readonly OutboxEntry[]) => void,
    onFailed: (error: ReplicaError, transactions: readonly Appendable[]) => void,
  ) {
    this.#storage = storage;
    this.#opened = opened.then(() => void (this.#isOpen = true));
    this.#opened.catch(() => {}); // each append meets the same rejection, and tells of it
    this.#onAppended = onAppended;
    this.#onFailed = onFailed;
  }

  append(transaction: Appendable): void {
    if (this.#tick.length === 0) queueMicrotask(() => this.#flush());
    this.#tick.push(transaction);
  }

  /** Resolves once everything appended so far is stored or has failed to be. */
  async idle(): Promise<void> {
    if (this.#tick.length > 0) this.#flush();
    await this.#last;
  }

  #flush(): void {
    const transactions = this.#tick;
    this.#tick = [];
    if (transactions.length === 0) return;
    // The storage keeps the order of its calls; only before it is open must the call itself wait.
    const stored = transactions.map((each) => each.stored);
    const append = () => this.#storage.append(stored);
    const appended = this.#isOpen ? append() : this.#opened.then(append);
    const done = appended.then(
      (sequences) => this.#onStored(transactions, sequences),
      (error: unknown) => this.#onRefused(transactions, error),
    );
    this.#last = this.#last.then(() => done);
  }

  #onStored(transactions: readonly Appendable[], sequences: readonly number[]): void {
    const entries = transactions.map((transaction, index) => {
      const sequence = sequences[index] as number;
      transaction.becomeDurable(sequence);
      return { sequence, transaction: transaction.stored };
    });
    this.#onAppended(entries);
  }

  #onRefused(transactions: readonly Appendable[], cause: unknown): void {
    const error = ReplicaError.is(cause)
      ? cause
      : new ReplicaError("storage_unavailable", `The write could not be stored: ${String(cause)}`, { cause });
    for (const transaction of transactions) transaction.failToStore(error);
    this.#onFailed(error, transactions);
  }
}
