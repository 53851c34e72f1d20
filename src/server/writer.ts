import type { GenericDataModel, GenericMutationCtx } from "convex/server";
import {
  insertOperations,
  MigrationError,
  migrationOf,
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
import { moveOf } from "./evaluate.js";
import type { ScopeMove } from "./judgement.js";
import { toldHistory } from "./historyOption.js";
import { faultOfId } from "./checkPush.js";
import { checkWrite, type CheckedWrite } from "./checkWrite.js";
import { coded } from "./refuse.js";
import type { RegisteredCollection, Registry } from "./registration.js";
import { findRow, writeRow } from "./rows.js";
import { loadStates, overdueOf, type LoadedState } from "./states.js";
import { runImport } from "./import.js";
import type { ImportOptions, Writer } from "./types.js";

type MutationCtx = GenericMutationCtx<GenericDataModel>;
type Change = { readonly id: string; operationsOf(row: PlainRow | null): readonly Operation[] };
type Opened = {
  readonly state: LoadedState;
  readonly row: PlainRow | null;
  readonly appRow: Awaited<ReturnType<typeof findRow>>;
};
type Written = Pick<Opened, "appRow" | "state"> & {
  readonly id: string;
  readonly check: CheckedWrite;
  readonly move: ScopeMove | null;
  readonly bytes: ArrayBuffer;
};

/** @see Writer */
export class CollectionWriter<C extends AnyCollection> implements Writer<C> {
  readonly #ctx: MutationCtx;
  readonly #registry: Registry;
  readonly #collection: RegisteredCollection;

  readonly #source: "server" | "import";

  constructor(
    ctx: MutationCtx,
    registry: Registry,
    collection: RegisteredCollection,
    source: "server" | "import" = "server",
  ) {
    this.#ctx = ctx;
    this.#registry = registry;
    this.#collection = collection;
    this.#source = source;
  }

  async get(id: string): Promise<RowOf<C> | null> {
    const [opened] = await this.#registry.writes.run(this.#ctx, () => this.#open([id]));
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

  import(rows: readonly InsertOf<C>[], options?: ImportOptions): Promise<string> {
    return runImport(this.#ctx, this.#registry.component, this.#definition, rows, options);
  }

  async insertMany(rows: readonly InsertOf<C>[]): Promise<void> {
    await this.insertScoped(rows);
  }

  /** As {@link insertMany}. @returns the scope of each row */
  async insertScoped(rows: readonly InsertOf<C>[]): Promise<string[]> {
    if (rows.length > limits.insertMany)
      throw coded("too_large", `insertMany takes ${limits.insertMany} rows at most, got ${rows.length}.`);
    const changes = rows.map((row) => {
      const { id } = row as { id: unknown };
      const fault = typeof id === "string" ? faultOfId("document id", id) : "A row needs a string as id.";
      if (typeof id !== "string" || fault !== null) throw coded("invalid_row", fault ?? "");
      const operationsOf = (existing: PlainRow | null) => {
        if (existing !== null)
          throw coded("exists", `Collection "${this.#definition.name}" has a document "${id}" already.`);
        return inCodedErrors(() => insertOperations(this.#definition as C, row));
      };
      return { id, operationsOf };
    });
    if (new Set(changes.map(({ id }) => id)).size < changes.length)
      throw coded("exists", "insertMany got one id twice.");
    return (await this.#write(changes)).map(({ check }) => check.scope);
  }

  get #definition(): AnyCollection {
    return this.#collection.definition;
  }

  #unknown(id: string): never {
    throw coded("unknown_document", `Collection "${this.#definition.name}" has no document "${id}".`);
  }

  #uncompacted(id: string) {
    const message = `Document "${id}" has too many changes that are not compacted yet. Try again in a moment.`;
    return coded("too_large", message);
  }

  /** Effects come last and outside of the queue: they may write documents themselves. */
  async #write(changes: readonly Change[]): Promise<Written[]> {
    const written = await this.#registry.writes.run(this.#ctx, () => this.#apply(changes));
    await this.#notify(written);
    return written;
  }

  /** A document's row as it is, read so that no other write of it conflicts with the caller: for a look, not to write. */
  async peek(id: string): Promise<PlainRow | null> {
    const { name: collection } = this.#definition;
    const [state] = await loadStates(this.#ctx, this.#registry.component, [{ collection, document: id }]);
    if (state === undefined || state.isCut) throw this.#uncompacted(id);
    return inCodedErrors(() => projectRow(this.#definition, id, readMain(openDocument(state.blobs))));
  }

  /** What a change would do, for a hook to judge that may write itself. @returns null if it changes nothing */
  async plan(change: Change): Promise<CheckedWrite | null> {
    const [planned] = await this.#registry.writes.run(this.#ctx, () => this.#plan([change]));
    return planned?.check ?? null;
  }

  /** Makes a change that was judged as a client's. @returns what it has done; null if it changes nothing */
  async commit(change: Change): Promise<CheckedWrite | null> {
    const [written] = await this.#registry.writes.run(this.#ctx, () => this.#apply([change]));
    return written?.check ?? null;
  }

  async #apply(changes: readonly Change[]): Promise<Written[]> {
    const written = await this.#plan(changes);
    await this.#append(written);
    return written;
  }

  async #plan(changes: readonly Change[]): Promise<Written[]> {
    const { component } = this.#registry;
    const collection = this.#definition.name;
    const author = await this.#ctx.runMutation(component.registry.serverAuthor, { collection });
    const opened = await this.#open(changes.map(({ id }) => id));
    const written: Written[] = [];
    for (const [index, { id, operationsOf }] of changes.entries()) {
      const { state, row, appRow } = opened[index] as Opened;
      const result = authorChange(this.#definition, id, state, author, operationsOf(row));
      if (result !== null) written.push({ id, state, appRow, ...result });
    }
    const bytes = written.reduce((sum, each) => sum + each.bytes.byteLength, 0);
    if (bytes > limits.transactionBytes)
      throw coded(
        "too_large",
        `A write has at most ${limits.transactionBytes} bytes, this one ${bytes}: insert fewer rows at once.`,
      );
    return written;
  }

  async #append(written: readonly Written[]): Promise<void> {
    const { table } = this.#collection;
    const { name: collection, schemaVersion } = this.#definition;
    if (written.length === 0) return;
    if (table !== undefined)
      for (const { appRow, check } of written)
        await writeRow(this.#ctx, this.#definition, table, appRow, check.change.after);
    const keyOf = ({ id }: Written) => ({ collection, document: id });
    const staying = written.filter(({ move }) => move === null);
    await this.#ctx.runMutation(this.#registry.component.append.append, {
      deltas: staying.map((each) => ({
        ...keyOf(each),
        part: "",
        scope: each.check.scope,
        bytes: each.bytes,
        client: "",
        transactions: [],
        schemaVersion,
      })),
      moves: written.flatMap((each) => {
        const { move, check } = each;
        return move === null ? [] : [{ ...keyOf(each), from: move.from, to: check.scope, bytes: move.bytes }];
      }),
      guarded: table === undefined ? written.map(keyOf) : [],
      ...toldHistory([this.#collection]),
      overdue: overdueOf(staying.map((each) => ({ key: keyOf(each), state: each.state }))),
    });
  }

  async #notify(written: readonly Written[]): Promise<void> {
    const { onWrite } = this.#collection;
    if (onWrite === undefined) return;
    const user = this.#source === "import" ? null : await this.#registry.user(this.#ctx);
    for (const { id, check } of written)
      await onWrite(this.#ctx, { user, id, source: this.#source, ...check.change });
  }

  /**
   * States with what this very transaction has appended to them: a stale snapshot does not show that. What is read
   * here decides what the app does next, so each document's row or guard becomes part of the read set.
   */
  async #open(ids: readonly string[]): Promise<Opened[]> {
    const { component } = this.#registry;
    const { name: collection } = this.#definition;
    const documents = ids.map((id) => ({ collection, document: id }));
    const states = await loadStates(this.#ctx, component, documents);
    if (states.length < ids.length)
      throw coded(
        "too_large",
        `These documents hold more than ${limits.pushStateBytes} bytes or ${limits.pushStateRows} deltas.`,
      );
    const { table } = this.#collection;
    const hasGuards = table === undefined;
    const appRows: Opened["appRow"][] = [];
    for (const id of ids) appRows.push(table === undefined ? null : await findRow(this.#ctx, table, id));
    const own = await this.#ctx.runMutation(component.states.loadOwn, { documents, hasGuards });
    return states.map((state, index) => {
      const id = ids[index] as string;
      if (state.isCut) throw this.#uncompacted(id);
      const { scope: ownScope = null, blobs: ownBlobs = [] } = own[index] ?? {};
      const blobs = [...state.blobs, ...ownBlobs.map((blob) => new Uint8Array(blob))];
      const row = inCodedErrors(() => projectRow(this.#definition, id, readMain(openDocument(blobs))));
      const scope = ownScope ?? state.scope;
      return { state: { ...state, scope, blobs }, row, appRow: appRows[index] ?? null };
    });
  }
}

/** @returns null if the operations change nothing */
function authorChange(
  definition: AnyCollection,
  id: string,
  state: LoadedState,
  author: number,
  operations: readonly Operation[],
): Pick<Written, "check" | "move" | "bytes"> | null {
  const doc = openDocument(state.blobs);
  const before = readMain(doc);
  const migration = inCodedErrors(() => migrationOf(definition, id, before, operations));
  const update = authorUpdate(doc, author, operations, migration);
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
  return { check, move: moveOf(state.scope, check.scope, doc), bytes: update.bytes.buffer };
}

function inCodedErrors<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    const isCoded = error instanceof TypeError || error instanceof MigrationError;
    throw isCoded ? coded("invalid_row", error.message) : error;
  }
}
