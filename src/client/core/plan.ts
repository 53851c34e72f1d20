/** What planning needs to know of a queued transaction. */
export interface QueuedTransaction {
  readonly id: string;
  /** `collection\0id` of each document it touches. */
  readonly documents: readonly string[];
  /** Whether it may be merged with its neighbours: a single write, not a `transact()` group. */
  readonly isSingle: boolean;
}

/** Transactions that go to the server as one. */
export interface PlannedGroup<T extends QueuedTransaction> {
  readonly transactions: T[];
  readonly documents: readonly string[];
}

/**
 * Chooses what one push carries, in outbox order: neighbouring single writes of one document become one group, a
 * `transact()` group stays alone. A document is in at most one group of a push; a transaction whose document
 * is taken waits, and with it everything later on any of its documents: so the operations on one document are
 * sent in the order in which they were made (I-5).
 */
export function planPush<T extends QueuedTransaction>(
  queue: readonly T[],
  most: { readonly groups: number; readonly updates: number; readonly transactions: number },
): PlannedGroup<T>[] {
  const groups = new Map<string, PlannedGroup<T>>();
  const planned: PlannedGroup<T>[] = [];
  const waiting = new Set<string>();
  let updates = 0;
  let taking = 0;
  for (const transaction of queue) {
    const { documents, isSingle } = transaction;
    const taken = documents.map((document) => groups.get(document)).find((group) => group !== undefined);
    const isFree = !documents.some((document) => waiting.has(document));
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
 * The transactions that fail with `failed`: later ones on a document it touched, and those behind these.
 *
 * @param queue in outbox order; holds nothing that comes before `failed`
 */
export function dependentsOf<T extends QueuedTransaction>(
  documents: readonly string[],
  queue: readonly T[],
): T[] {
  const touched = new Set(documents);
  return queue.filter((transaction) => {
    if (!transaction.documents.some((document) => touched.has(document))) return false;
    for (const document of transaction.documents) touched.add(document);
    return true;
  });
}
