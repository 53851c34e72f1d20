/** What planning needs to know of a queued transaction. */
export interface QueuedTransaction {
  readonly id: string;
  /** Each document it touches: see `keyOf`. */
  readonly documents: readonly string[];
  /** Whether it may be merged with its neighbours: a single write, not a `transact()` group. */
  readonly isSingle: boolean;
  /** It waits for nobody, and fails with nobody. */
  readonly isParallel?: boolean;
  /** Not to be sent yet. */
  readonly isDeferred?: boolean;
}

/** Transactions that go to the server as one. */
export interface PlannedGroup<T extends QueuedTransaction> {
  readonly transactions: T[];
  readonly documents: readonly string[];
}

/**
 * Chooses what one push carries, in outbox order: neighbouring single writes of one document become one group, a
 * `transact()` group stays alone, a parallel transaction too. A document is in at most one group of a push; a
 * transaction whose document is taken waits, and with it everything ordered that is later on any of its documents: so
 * the operations on one document are sent in the order in which they were made (I-5), but for parallel ones, which go
 * as soon as the document is free in a push.
 *
 * @param blocked documents of groups that were sent and not answered: what is ordered waits for them
 */
export function planPush<T extends QueuedTransaction>(
  queue: readonly T[],
  most: { readonly groups: number; readonly updates: number; readonly transactions: number },
  blocked: ReadonlySet<string> = new Set(),
): PlannedGroup<T>[] {
  const groups = new Map<string, PlannedGroup<T>>();
  const planned: PlannedGroup<T>[] = [];
  const waiting = new Set(blocked);
  let updates = 0;
  let taking = 0;
  for (const transaction of queue) {
    const { documents, isSingle, isParallel = false, isDeferred = false } = transaction;
    const taken = documents.map((document) => groups.get(document)).find((group) => group !== undefined);
    const isFree = !isDeferred && (isParallel || !documents.some((document) => waiting.has(document)));
    const hasRoom = taking < most.transactions;
    const joins = hasRoom && isFree && isSingle && taken?.transactions[0]?.isSingle === true;
    const fits = hasRoom && planned.length < most.groups && updates + documents.length <= most.updates;
    if (joins) {
      taken.transactions.push(transaction);
      taking++;
    } else if (isFree && taken === undefined && (fits || planned.length === 0)) {
      const group = { transactions: [transaction], documents };
      planned.push(group);
      taking++;
      updates += documents.length;
      for (const document of documents) groups.set(document, group);
    } else {
      for (const document of documents) waiting.add(document);
    }
  }
  return planned;
}

/**
 * The transactions that fail with one that touched `documents`: later ordered ones on these, and those behind them.
 *
 * @param queue in outbox order; holds nothing that comes before the failed one
 */
export function dependentsOf<T extends QueuedTransaction>(
  documents: readonly string[],
  queue: readonly T[],
): T[] {
  const touched = new Set(documents);
  return queue.filter((transaction) => {
    if (transaction.isParallel || !transaction.documents.some((document) => touched.has(document)))
      return false;
    for (const document of transaction.documents) touched.add(document);
    return true;
  });
}
