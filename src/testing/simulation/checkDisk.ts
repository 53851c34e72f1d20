// What must hold of a device's disk at every instant: a tab may be killed in it.
import { blobsOf } from "../../client/documents/base.js";
import { collectionOf } from "../../client/epochs.js";
import type {
  AuthoredGroup,
  AuthoredUpdate,
  Stored,
  StoredDocument,
  StoredScope,
} from "../../client/ports/storage.js";
import type { PushArgs, PushOperation, PushTransaction } from "../../shared/wire.js";
import { endOfCommit } from "../../shared/wire.js";
import { Violation } from "../violation.js";
import { coversClocks, isSameBytes, stateOf, type State, type Truth } from "./truth.js";

/** A device's disk. */
export class DiskCheck {
  /** What was read of documents, by id: most commits leave most of them as they are. */
  readonly #read = new Map<string, { readonly base: Uint8Array; readonly state: State }>();

  /** How far scopes were ever read, in each epoch. */
  readonly #reached = new Map<string, bigint>();

  readonly #groups: { readonly term: number; readonly group: AuthoredGroup }[] = [];
  readonly #truth: Truth;

  /** @param truth what the server holds */
  constructor(truth: Truth) {
    this.#truth = truth;
  }

  /** @returns null: it is of a collection that the app has not on its devices */
  stateOf({ collection, id, base }: StoredDocument): State | null {
    const { releases } = this.#truth;
    const definition = releases.find(releases.newest, collectionOf(collection));
    if (definition === undefined) return null;
    const key = `${collection}\0${id}`;
    const known = this.#read.get(key);
    if (known !== undefined && isSameBytes(known.base, base)) return known.state;
    const state = stateOf(definition, id, blobsOf(base));
    this.#read.set(key, { base, state });
    return state;
  }

  /**
   * I-2, I-11: what a stored cursor has gone past is stored with it; of the next epoch too, which is kept aside until all
   * of it is there (decision 10). A cursor of another epoch than the server's says nothing of what the server holds.
   */
  checkCursors({ scopes, documents }: Stored): void {
    for (const { collection, scope, cursor, epoch } of scopes) {
      const name = collectionOf(collection);
      if (epoch !== this.#truth.epochOf(name)) continue;
      for (const expected of this.#truth.documents) {
        const { id } = expected;
        const isInCommit = [id, endOfCommit].includes(cursor.document);
        const isPast = expected.ts < cursor.ts || (expected.ts === cursor.ts && isInCommit);
        if (expected.collection !== name || expected.scope !== scope || !isPast) continue;
        const stored = documents.find((each) => each.collection === collection && each.id === id);
        const state = stored === undefined ? null : this.stateOf(stored);
        if (state !== null && coversClocks(state, expected)) continue;
        const fault = stored === undefined ? "which is not there" : "which is not all there";
        throw new Violation("I-2", `the stored cursor of ${scope} is past "${id}", ${fault}`);
      }
    }
  }

  /**
   * I-2: and what is stored of the stream is covered by the stored cursor. A scope that is read anew in the same epoch,
   * over what is there, begins at the start again: of what is held then an earlier cursor tells, which was no lie.
   */
  checkDocuments({ scopes, documents }: Stored): void {
    for (const read of scopes) this.#noteReached(read);
    for (const { collection, id, scope, ts } of documents) {
      const read = scopes.find((each) => each.collection === collection && each.scope === scope);
      const reached = read?.unmet === undefined ? read?.cursor.ts : this.#reached.get(keyOf(read));
      if (reached === undefined || reached < ts)
        throw new Violation(
          "I-2",
          `"${id}" is stored as of ${ts}, and the cursor of ${scope} is at ${reached}`,
        );
    }
  }

  /** What is to be sent is stored now: remembers it, and in which leader's term that was first so. */
  noteGroups({ meta, groups }: Stored): void {
    for (const group of groups) {
      const known = this.#groups.some((each) => isSameGroup(each.group, group));
      if (!known) this.#groups.push({ term: meta.term, group });
    }
  }

  /** Of what is sent: which clocks of whose it fills. */
  clocksOf({ collection, document, bytes }: PushOperation): AuthoredUpdate | undefined {
    const sent = new Uint8Array(bytes);
    return this.#groups
      .flatMap(({ group }) => group.updates)
      .find(
        (update) =>
          update.collection === collection && update.document === document && isSameBytes(update.bytes, sent),
      );
  }

  /** Whether it was ever made into bytes, to be sent. */
  wasAuthored(transaction: string): boolean {
    return this.#groups.some(({ group }) => group.transactions.includes(transaction));
  }

  /**
   * I-1: whatever is sent is stored, to the byte. A leader that was frozen between storing and sending, and robbed of its
   * place meanwhile, sends what was stored when it was the leader: its successor may be done with it, which the server knows.
   */
  checkSent(stored: Stored | null, { transactions }: PushArgs): void {
    const term = stored?.meta.term ?? 0;
    const earlier = this.#groups.flatMap((each) => (each.term < term ? [each.group] : []));
    const groups = [...(stored?.groups ?? []), ...earlier];
    for (const transaction of transactions)
      if (!groups.some((group) => isGroupOf(group, transaction)))
        throw new Violation("I-1", `what is sent of "${transaction.ids.join(", ")}" is not stored`);
  }

  #noteReached(read: StoredScope): void {
    const key = keyOf(read);
    if ((this.#reached.get(key) ?? 0n) < read.cursor.ts) this.#reached.set(key, read.cursor.ts);
  }
}

function isGroupOf({ transactions, updates }: AuthoredGroup, { ids, operations }: PushTransaction): boolean {
  const isStored = operations.every(({ collection, document, part, bytes }) =>
    updates.some(
      (update) =>
        update.collection === collection &&
        update.document === document &&
        part === "" &&
        isSameBytes(update.bytes, new Uint8Array(bytes)),
    ),
  );
  return transactions[0] === ids[0] && isStored;
}

function isSameGroup(a: AuthoredGroup, b: AuthoredGroup): boolean {
  const isIn = (update: AuthoredUpdate) => b.updates.some(({ bytes }) => isSameBytes(bytes, update.bytes));
  return a.transactions.join() === b.transactions.join() && a.updates.every(isIn);
}

function keyOf({ collection, scope, epoch }: StoredScope): string {
  return `${collection} ${scope} ${epoch}`;
}
