import type { Transaction } from "./base/types.js";
import type { Storage } from "./ports/storage.js";
import type { LocalTransaction } from "./view/localTransaction.js";
import type { View } from "./view/view.js";
import type { Writer } from "./writer.js";

export interface FailedTransactionsOptions {
  readonly view: View;
  readonly writer: Writer;
  readonly storage: Storage;
  /** @throws ReplicaError `closed` */
  assertWritable(): void;
  /** Everything written so far is stored. */
  idle(): Promise<void>;
  onRemoved(ids: readonly string[], sequences: readonly number[]): void;
  onError(error: unknown): void;
}

/** What the user decides about transactions that have failed. */
export class FailedTransactions {
  readonly #options: FailedTransactionsOptions;

  constructor(options: FailedTransactionsOptions) {
    this.#options = options;
  }

  /** @throws ReplicaError `closed` */
  retry(failed: LocalTransaction): Transaction {
    const { view, writer } = this.#options;
    const repeated = writer.repeat(failed, () => view.remove([failed]));
    this.#remove(failed);
    return repeated;
  }

  /** @throws ReplicaError `closed` */
  discard(failed: LocalTransaction): void {
    this.#options.assertWritable();
    failed.enter({ type: "discarded" });
    this.#options.view.remove([failed]);
    this.#remove(failed);
  }

  #remove({ id, sequence }: LocalTransaction): void {
    if (sequence === null) return;
    const { storage, idle, onRemoved, onError } = this.#options;
    const removed = async () => {
      await idle(); // a retry's new transaction is stored before the failed one goes (I-4)
      await storage.removeFailed([sequence]);
      onRemoved([id], [sequence]);
    };
    removed().catch(onError);
  }
}
