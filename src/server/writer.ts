import type { GenericDataModel, GenericMutationCtx } from "convex/server";
import {
  insertOperations,
  projectRow,
  recordDraft,
  type AnyCollection,
  type DraftOf,
  type InsertOf,
  type PlainRow,
  type RowOf,
} from "../collections/index.js";
import { authorUpdate, encodeSnapshot, openDocument } from "../shared/document.js";
import { limits } from "../shared/limits.js";
import { readMain } from "../shared/mainDocument.js";
import type { Operation } from "../shared/operations.js";
import { checkWrite, type CheckedWrite } from "./checkWrite.js";
import { coded } from "./refuse.js";
import type { RegisteredCollection, Registry } from "./registration.js";
import { writeRow } from "./rows.js";
import { loadStates } from "./states.js";
import type { Writer } from "./types.js";

type MutationCtx = GenericMutationCtx<GenericDataModel>;
type Change = { readonly id: string; operationsOf(row: PlainRow | null): readonly Operation[] };
type Written = {
  readonly id: string;
  readonly check: CheckedWrite;
  readonly bytes: ArrayBuffer;
  readonly deltaCount: number;
};

/** @see Writer */
export class CollectionWriter<C extends AnyCollection> implements Writer<C> {
  readonly #ctx: MutationCtx;
  readonly #registry: Registry;
  readonly #collection: RegisteredCollection;

  constructor(ctx: MutationCtx, registry: Registry, collection: RegisteredCollection) {
    this.#ctx = ctx;
    this.#registry = registry;
    this.#collection = collection;
  }

  async get(id: string): Promise<RowOf<C> | null> {
    const [opened] = await this.#open([id]);
    return (opened?.row ?? null) as RowOf<C> | null;
  }

  async insert(row: InsertOf<C>): Promise<void> {
    await this.insertMany([row]);
  }

  async update(id: string, change: (draft: DraftOf<C>) => void): Promise<void> {
    const operationsOf = (row: PlainRow | null) =>
      row === null
        ? this.#unknown(id)
        : inCodedErrors(() => recordDraft(this.#definition, row, change as never));
    await this.#write([{ id, operationsOf }]);
  }

  async delete(id: string): Promise<void> {
    const operationsOf = (row: PlainRow | null): Operation[] =>
      row === null ? this.#unknown(id) : [{ type: "delete" }];
    await this.#write([{ id, operationsOf }]);
  }

  async insertMany(rows: readonly InsertOf<C>[]): Promise<void> {
    if (rows.length > limits.insertMany)
      throw coded("too_large", `insertMany takes ${limits.insertMany} rows at most, got ${rows.length}.`);
    const changes = rows.map((row) => {
      const { id } = row as { id: unknown };
      if (typeof id !== "string" || id === "" || id.length > limits.idLength || id.includes("\0"))
        throw coded("invalid_row", `A document id is a string of 1 to ${limits.idLength} characters.`);
      const operationsOf = (existing: PlainRow | null) => {
        if (existing !== null)
          throw coded("exists", `Collection "${this.#definition.name}" has a document "${id}" already.`);
        return inCodedErrors(() => insertOperations(this.#definition as C, row));
      };
      return { id, operationsOf };
    });
    if (new Set(changes.map(({ id }) => id)).size < changes.length)
      throw coded("exists", "insertMany got one id twice.");
    await this.#write(changes);
  }

  get #definition(): AnyCollection {
    return this.#collection.definition;
  }

  #unknown(id: string): never {
    throw coded("unknown_document", `Collection "${this.#definition.name}" has no document "${id}".`);
  }

  async #write(changes: readonly Change[]): Promise<void> {
    const { component } = this.#registry;
    const collection = this.#definition.name;
    const author = await this.#ctx.runMutation(component.registry.serverAuthor, { collection });
    const opened = await this.#open(changes.map(({ id }) => id));
    const written: Written[] = [];
    for (const [index, { id, operationsOf }] of changes.entries()) {
      const { blobs, row, deltaCount } = opened[index] as (typeof opened)[number];
      const result = authorChange(this.#definition, id, blobs, author, operationsOf(row));
      if (result !== null) written.push({ id, deltaCount, ...result });
    }
    for (const { id, check } of written) {
      const { table } = this.#collection;
      if (table !== undefined) await writeRow(this.#ctx, this.#definition, table, id, check.change.after);
    }
    await this.#append(written);
    for (const { id, check } of written) {
      const user = await this.#registry.user(this.#ctx);
      await this.#collection.onWrite?.(this.#ctx, { user, id, source: "server", ...check.change });
    }
  }

  async #append(written: readonly Written[]): Promise<void> {
    const { name: collection, schemaVersion } = this.#definition;
    const keyOf = ({ id }: Written) => ({ collection, document: id });
    const isDue = ({ deltaCount }: Written) => deltaCount + 1 >= limits.compactDeltas;
    const isOverdue = ({ deltaCount }: Written) => deltaCount > limits.compactInPlaceDeltas;
    if (written.length === 0) return;
    await this.#ctx.runMutation(this.#registry.component.append.append, {
      deltas: written.map(({ id, check, bytes }) => ({
        collection,
        document: id,
        scope: check.scope,
        bytes,
        client: "",
        transactions: [],
        schemaVersion,
      })),
      guarded: this.#collection.table === undefined ? written.map(keyOf) : [],
      due: written.filter((each) => isDue(each) && !isOverdue(each)).map(keyOf),
      overdue: written.filter(isOverdue).map(keyOf),
    });
  }

  /** States with what this very transaction has appended to them: a stale snapshot does not show that. */
  async #open(ids: readonly string[]) {
    const { component } = this.#registry;
    const documents = ids.map((id) => ({ collection: this.#definition.name, document: id }));
    const states = await loadStates(this.#ctx, component, documents);
    if (states.length < documents.length)
      throw coded("too_large", `These documents hold more than ${limits.pushStateBytes} bytes together.`);
    const own = await this.#ctx.runMutation(component.states.loadOwn, { documents });
    return states.map(({ blobs, deltaCount }, index) => {
      const all = [...blobs, ...(own[index] ?? []).map((blob) => new Uint8Array(blob))];
      const id = ids[index] as string;
      const row = projectRow(this.#definition, id, readMain(openDocument(all)));
      return { blobs: all, deltaCount, row };
    });
  }
}

/** @returns null if the operations change nothing */
function authorChange(
  definition: AnyCollection,
  id: string,
  blobs: readonly Uint8Array[],
  author: number,
  operations: readonly Operation[],
): { check: CheckedWrite; bytes: ArrayBuffer } | null {
  const doc = openDocument(blobs);
  const before = readMain(doc);
  const update = authorUpdate(doc, author, operations);
  if (update === null) return null;
  const check = checkWrite(definition, id, before, readMain(doc), []);
  if (check.type === "refused") throw coded(check.code, check.message);
  if (check.type === "gap") throw coded("unknown_document", `There is no document "${id}".`);
  const size = encodeSnapshot(doc).length;
  if (size > limits.mainDocumentBytes)
    throw coded(
      "too_large",
      `Document "${id}" would have ${size} bytes; a document has at most ${limits.mainDocumentBytes}.`,
    );
  return { check, bytes: update.bytes.buffer };
}

function inCodedErrors<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof TypeError) throw coded("invalid_row", error.message);
    throw error;
  }
}
