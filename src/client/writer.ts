import {
  insertOperations,
  recordDraft,
  scopeOf,
  validateFields,
  type AnyCollection,
  type PlainRow,
} from "../collections/index.js";
import { limits } from "../shared/limits.js";
import type { Operation } from "../shared/operations.js";
import { applyToRow } from "./core/overlay.js";
import { withoutPreviews } from "./core/previews.js";
import { ReplicaError } from "./base/errors.js";
import type { Clock, Randomness } from "./ports/clock.js";
import type { TransactOptions } from "./base/types.js";
import type { StoredChange, StoredTransaction } from "./ports/storage.js";
import type { CollectionView } from "./view/collectionView.js";
import type { LocalTransaction } from "./view/localTransaction.js";
import type { View } from "./view/view.js";

export interface WriterOptions {
  readonly view: View;
  readonly clock: Clock;
  readonly randomness: Randomness;
  /** @throws ReplicaError if nothing can be written any more */
  assertWritable(): void;
  /** Whether there may be documents that are not shown yet. */
  isOpening(): boolean;
  /** Whether the collection's data may be of a newer schema than its definition here. */
  isTooNew(collection: string): boolean;
  /** Hands a complete transaction to the outbox. */
  submit(transaction: LocalTransaction): void;
  /** Collections that persist by themselves: a transaction on one of them is on no other. */
  readonly persisters: ReadonlyMap<string, unknown>;
}

interface Group {
  readonly transaction: LocalTransaction;
  readonly changes: StoredChange[];
}

/** Makes transactions: checks each write against the row it changes, and shows it at once. */
export class Writer {
  readonly #options: WriterOptions;
  #group: Group | null = null;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  insert(view: CollectionView, row: object): LocalTransaction {
    const { definition } = view;
    const id = (row as { id?: unknown }).id;
    if (typeof id !== "string" || id === "" || id.length > limits.idLength || id.includes("\0"))
      throw new ReplicaError(
        "invalid_row",
        `A document id is a string of 1 to ${limits.idLength} characters, got ${JSON.stringify(id)?.slice(0, 80)}.`,
      );
    if (view.get(id) !== undefined)
      throw new ReplicaError("exists", `Collection "${definition.name}" has a document "${id}" already.`);
    return this.#write(view, id, () => insertOperations(definition, row as never));
  }

  update(view: CollectionView, id: string, change: (draft: never) => unknown): LocalTransaction {
    const row = this.#rowOf(view, id);
    return this.#write(view, id, () =>
      recordDraft(view.definition, row, change as (draft: unknown) => unknown),
    );
  }

  delete(view: CollectionView, id: string): LocalTransaction {
    this.#rowOf(view, id);
    return this.#write(view, id, () => [{ type: "delete" }]);
  }

  /** Makes the same changes again, whatever became of their rows. @param replace takes the failed one away */
  repeat(failed: LocalTransaction, replace: () => void): LocalTransaction {
    this.#options.assertWritable();
    replace();
    const group = this.#begin(failed.stored.isGroup, failed);
    for (const change of failed.changes) this.#record(group, change);
    this.#end(group);
    return group.transaction;
  }

  transact(change: () => unknown, options: TransactOptions = {}): LocalTransaction {
    this.#options.assertWritable();
    if (this.#group !== null)
      throw new ReplicaError("invalid_row", "transact() was called inside of another transact().");
    const group = this.#begin(true, options);
    this.#group = group;
    try {
      refuseThenable(change());
      if (group.changes.length > limits.transactionOperations)
        throw new ReplicaError(
          "too_large",
          `A transaction has at most ${limits.transactionOperations} operations, this one ${group.changes.length}.`,
        );
      this.#assertOnePersister(group.changes);
    } catch (error) {
      this.#options.view.remove([group.transaction]);
      throw error;
    } finally {
      this.#group = null;
    }
    this.#end(group);
    return group.transaction;
  }

  #assertOnePersister(changes: readonly StoredChange[]): void {
    const names = [...new Set(changes.map(({ collection }) => collection))];
    const custom = names.find((name) => this.#options.persisters.has(name));
    if (custom === undefined || names.length === 1) return;
    throw new ReplicaError(
      "invalid_row",
      `Collection "${custom}" has a persist() of its own: a transaction on it cannot be on others too, this one is on ${names.join(", ")}.`,
    );
  }

  #write(view: CollectionView, id: string, operationsOf: () => Operation[]): LocalTransaction {
    this.#options.assertWritable();
    const { definition } = view;
    if (this.#options.isTooNew(definition.name))
      throw new ReplicaError(
        "schema_too_new",
        `Collection "${definition.name}" has a newer schema on the server than version ${definition.schemaVersion}, which this app knows. Reload the app to write to it.`,
      );
    const before = view.get(id) ?? null;
    const operations = inCodedErrors(operationsOf);
    checkRow(definition, before, applyToRow(definition, id, before, operations));
    const group = this.#group ?? this.#begin(false, {});
    if (operations.length > 0)
      this.#record(group, {
        ...{ collection: definition.name, id, operations },
        ...basedOn(before, operations),
        ...(definition.schemaVersion === 1 ? {} : { schemaVersion: definition.schemaVersion }),
      });
    if (group !== this.#group) this.#end(group);
    return group.transaction;
  }

  #begin(isGroup: boolean, { strategy, metadata = {} }: TransactOptions): Group {
    const { view, clock, randomness } = this.#options;
    const changes: StoredChange[] = [];
    const stored: StoredTransaction = {
      id: randomness.id(),
      createdAt: clock.now(),
      metadata,
      isGroup,
      changes,
      ...(strategy === "parallel" ? { strategy } : {}),
    };
    return { transaction: view.open(stored), changes };
  }

  #record(group: Group, change: StoredChange): void {
    group.changes.push(change);
    this.#options.view.extend(group.transaction, change);
  }

  /** What changes nothing is done at once. */
  #end({ transaction, changes }: Group): void {
    const { view, submit } = this.#options;
    if (changes.length > 0) {
      view.show(transaction);
      return submit(transaction);
    }
    transaction.becomeDurable(0);
    view.apply({
      rows: [],
      covered: [],
      transactions: [{ id: transaction.id, phase: { type: "completed" } }],
    });
  }

  #rowOf(view: CollectionView, id: string): PlainRow {
    const row = view.get(id);
    if (row !== undefined) return row;
    throw new ReplicaError(
      "unknown_document",
      this.#options.isOpening()
        ? `Collection "${view.definition.name}" shows no document ${JSON.stringify(id)} yet: the local database is still being read. Wait until status.isOpening is false.`
        : `Collection "${view.definition.name}" has no document ${JSON.stringify(id)} on this device.`,
    );
  }
}

/** What of the row before tells whether somebody else has changed the same meanwhile. */
function basedOn(before: PlainRow | null, operations: readonly Operation[]): Pick<StoredChange, "before"> {
  if (before === null) return {};
  if (operations.some(({ type }) => type === "insert" || type === "delete")) return { before };
  const fields = new Set(operations.flatMap((operation) => ("field" in operation ? [operation.field] : [])));
  return { before: Object.fromEntries(Object.entries(before).filter(([name]) => fields.has(name))) };
}

function checkRow(definition: AnyCollection, before: PlainRow | null, after: PlainRow | null): void {
  if (after === null) return;
  const fault = validateFields(definition, before === null ? after : withoutPreviews(definition, after));
  if (fault !== null) throw new ReplicaError("invalid_row", fault.message, { data: { field: fault.field } });
  inCodedErrors(() => scopeOf(definition, after));
}

/** A fault of what was passed in is told with its code; what the app's own code throws comes through as it is. */
function inCodedErrors<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof TypeError) throw new ReplicaError("invalid_row", error.message, { cause: error });
    throw error;
  }
}

function refuseThenable(result: unknown): void {
  if (typeof (result as { then?: unknown } | null | undefined)?.then !== "function") return;
  void Promise.resolve(result).catch(() => {}); // the error below says it all
  throw new ReplicaError(
    "invalid_row",
    "The function given to transact() must not be async: what it does after its first await would not be part of the transaction.",
  );
}
