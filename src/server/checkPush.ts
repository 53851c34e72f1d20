import { limits } from "../shared/limits.js";
import type { PushArgs, PushTransaction } from "../shared/wire.js";
import { coded } from "./refuse.js";

/**
 * Refuses a push that no honest client sends, before anything is read for it.
 *
 * @throws ConvexError `too_large` with the limit and the value, or `invalid_update`
 */
export function checkPush({ client, transactions }: PushArgs): void {
  checkId("client id", client);
  atMost("transactions in a push", transactions.length, limits.pushTransactions);
  const ids = transactions.flatMap((transaction) => transaction.ids);
  atMost("local transactions in a push", ids.length, limits.pushReceipts);
  const operations = transactions.flatMap((transaction) => transaction.operations);
  atMost("operations in a push", operations.length, limits.pushOperations);
  // A single transaction may be larger than a push of several: it goes alone.
  const [bytes, limit] = [
    bytesOf(transactions),
    transactions.length === 1 ? limits.transactionBytes : limits.pushBytes,
  ];
  atMost(`bytes in a push of ${transactions.length} transactions`, bytes, limit);
  for (const transaction of transactions) checkTransaction(transaction);
  const documents = operations.map((operation) => `${operation.collection}\0${operation.document}`);
  if (new Set(documents).size < documents.length)
    throw coded("invalid_update", "A push holds at most one update of a document.");
}

function checkTransaction({ ids, operations }: PushTransaction): void {
  if (ids.length === 0) throw coded("invalid_update", "A transaction has no id.");
  for (const id of ids) checkId("transaction id", id);
  atMost("operations in a transaction", operations.length, limits.transactionOperations);
  for (const { collection, document } of operations) {
    checkId("collection name", collection);
    checkId("document id", document);
  }
}

function checkId(what: string, id: string): void {
  if (id.length === 0 || id.length > limits.idLength || id.includes("\0"))
    throw coded(
      "invalid_update",
      `A ${what} is a string of 1 to ${limits.idLength} characters without NUL, got ${id.length} characters.`,
    );
}

function atMost(what: string, value: number, limit: number): void {
  if (value > limit) throw coded("too_large", `There may be ${limit} ${what} at most; these are ${value}.`);
}

function bytesOf(transactions: readonly PushTransaction[]): number {
  return transactions
    .flatMap((transaction) => transaction.operations)
    .reduce((sum, operation) => sum + operation.bytes.byteLength, 0);
}
