import type { PendingChange } from "../core/rebase.js";
import type { StoredChange, StoredTransaction } from "../ports/storage.js";

/** A change of a parallel transaction, as a collection's `merge` is shown it. */
export function pendingOf({ metadata }: StoredTransaction, change: StoredChange): PendingChange {
  const { id, operations, before = {} } = change;
  return { id, operations, before, metadata };
}
