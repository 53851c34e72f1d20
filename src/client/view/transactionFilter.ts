import type { TransactionFilter } from "../base/types.js";
import type { LocalTransaction } from "./localTransaction.js";

export function matchesFilter(
  transaction: LocalTransaction,
  { state, collection, id }: TransactionFilter,
): boolean {
  const states = state === undefined ? null : typeof state === "string" ? [state] : state;
  if (states !== null && !states.includes(transaction.state)) return false;
  if (collection === undefined && id === undefined) return true;
  return transaction.changes.some(
    (change) =>
      (collection === undefined || change.collection === collection.name) &&
      (id === undefined || change.id === id),
  );
}
