import type { Appender } from "./outbox/appender.js";
import type { Storage } from "./ports/storage.js";
import type { Transaction } from "./base/types.js";
import type { LocalTransaction } from "./view/localTransaction.js";
import type { FailureDecisions, View } from "./view/view.js";
import type { Writer } from "./writer.js";

export interface FailureParts {
  /** @throws ReplicaError `closed` */
  assertOpen(): void;
  readonly view: () => View;
  readonly writer: () => Writer;
  readonly appender: () => Appender;
  readonly storage: Storage;
  /** It is out of the database. */
  onRemoved(id: string, sequence: number): void;
  onError(error: unknown): void;
}

/** What becomes of a failed transaction, as the user decides. */
export function createFailureDecisions(parts: FailureParts): FailureDecisions {
  const { assertOpen, view, writer, storage, onRemoved, onError } = parts;
  const remove = async (id: string, sequence: number) => {
    await parts.appender().idle(); // a retry's new transaction is stored before the failed one goes (I-4)
    await storage.removeFailed([sequence]);
    onRemoved(id, sequence);
  };
  const removeStored = ({ id, sequence }: LocalTransaction) => {
    if (sequence !== null) remove(id, sequence).catch(onError);
  };
  return {
    retry: (failed): Transaction => {
      assertOpen();
      view().remove([failed]);
      const repeated = writer().repeat(failed);
      removeStored(failed);
      return repeated;
    },
    discard: (failed) => {
      assertOpen();
      failed.enter({ type: "discarded" });
      view().remove([failed]);
      removeStored(failed);
    },
  };
}
