import { limits } from "../shared/limits.js";
import type { PushArgs, PushTransaction } from "../shared/wire.js";
import { placeKey } from "./judgement.js";
import { coded } from "./refuse.js";

/**
 * Refuses a push that no honest client sends, before anything is read for it. Where one transaction is at fault the
 * error names it.
 *
 * @throws ConvexError `too_large` with the limit and the value, or `invalid_update`
 */
export function checkPush({ client, epochs, transactions, settledBelow }: PushArgs): void {
  checkId("client id", client);
  checkCount("settledBelow", settledBelow);
  atMost("epochs in a push", Object.keys(epochs).length, limits.collections);
  atMost("transactions in a push", transactions.length, limits.pushTransactions);
  const ids = transactions.flatMap((transaction) => transaction.ids);
  atMost("local transactions in a push", ids.length, limits.pushReceipts);
  const operations = transactions.flatMap((transaction) => transaction.operations);
  atMost("operations in a push", operations.length, limits.pushOperations);
  // A single transaction may be larger than a push of several: it goes alone.
  const most = transactions.length === 1 ? limits.transactionBytes : limits.pushBytes;
  atMost(`bytes in a push of ${transactions.length} transactions`, bytesOf(transactions), most);
  for (const transaction of transactions) checkTransaction(transaction);
  if (new Set(ids).size < ids.length)
    throw coded("invalid_update", "A push names each local transaction once, and this one names one twice.");
  const places = operations.map(({ collection, document, part }) => placeKey({ collection, document, part }));
  if (new Set(places).size < places.length)
    throw coded("invalid_update", "A push holds at most one update of a document or part.");
}

function checkTransaction({ ids, sequence, operations }: PushTransaction): void {
  if (ids.length === 0) throw coded("invalid_update", "A transaction has no id.");
  for (const id of ids) checkId("transaction id", id);
  checkCount("sequence", sequence);
  atMost("operations in a transaction", operations.length, limits.transactionOperations, ids);
  for (const { collection, document, part, schemaVersion } of operations) {
    if (!Number.isSafeInteger(schemaVersion) || schemaVersion < 1)
      throw coded(
        "invalid_update",
        `A schema version is a count from 1, got ${schemaVersion}.`,
        undefined,
        ids,
      );
    checkId("collection name", collection, ids);
    checkId("document id", document, ids);
    // Its name is judged with the definition; here it is only kept short.
    atMost("characters in the name of a part", part.length, limits.partLength, ids);
  }
}

/** What an id is refused for, or null: NUL separates parts of keys, U+FFFF stands after all ids in a cursor. */
export function faultOfId(what: string, id: string): string | null {
  const rule = `A ${what} is a string of 1 to ${limits.idLength} characters`;
  if (id.length === 0 || id.length > limits.idLength) return `${rule}, got one of ${id.length}.`;
  return /[\0\uffff\p{Cs}]/u.test(id) ? `${rule} without NUL, U+FFFF and lone surrogates.` : null;
}

function checkId(what: string, id: string, transactions?: string[]): void {
  const fault = faultOfId(what, id);
  if (fault !== null) throw coded("invalid_update", fault, undefined, transactions);
}

function checkCount(what: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0)
    throw coded("invalid_update", `"${what}" is a count, got ${value}.`);
}

function atMost(what: string, value: number, limit: number, transactions?: string[]): void {
  if (value > limit)
    throw coded(
      "too_large",
      `There may be ${limit} ${what} at most; these are ${value}.`,
      undefined,
      transactions,
    );
}

function bytesOf(transactions: readonly PushTransaction[]): number {
  return transactions
    .flatMap((transaction) => transaction.operations)
    .reduce((sum, operation) => sum + operation.bytes.byteLength, 0);
}
