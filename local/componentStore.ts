import type { SchemaDefinition, GenericSchema } from "convex/server";
import {
  tableOfId,
  type ExportedSchema,
  type Module,
  type QuerySource,
  type Store,
} from "./convexTestInternals.js";
import type { Document, Write } from "./engine.js";
import { checkDocument } from "./limits.js";
import { activeCall } from "./recording.js";

/** One mounted component's documents: a store of convex-test, made to note what is read and to check what is written. */
export class ComponentStore {
  readonly #component: string;
  readonly #store: Store;
  /** Committed documents by table: convex-test scans all there are, whatever the table. */
  readonly #tables = new Map<string, Map<string, Document>>();

  constructor(component: string, store: Store) {
    this.#component = component;
    this.#store = store;
    this.#noteReads();
    this.#checkWrites();
    store._iterateDocs = (table, callback) => this.#iterate(table, callback);
  }

  set schema(schema: ExportedSchema | null) {
    this.#store._schema = schema;
  }

  /** Throws away what ended queries left behind. */
  endQueries(): void {
    this.#store._queryResults = {};
  }

  /** What the outermost transaction is about to write. */
  pendingWrites(): { id: string; before: Document | null }[] {
    const ids = Object.keys(this.#store._writes[0] ?? {});
    return ids.map((id) => ({ id, before: this.#store._documents[id] ?? null }));
  }

  /** To be called once they are committed. */
  noteCommitted(pending: readonly { id: string; before: Document | null }[]): Write[] {
    return pending.map(({ id, before }) => {
      const after = this.#store._documents[id] ?? null;
      const table = tableOfId(id);
      const documents = this.#tables.get(table) ?? new Map<string, Document>();
      this.#tables.set(table, documents);
      if (after === null) documents.delete(id);
      else documents.set(id, after);
      return { component: this.#component, table, id, before, after };
    });
  }

  /** The first document that a schema forbids. @throws Error if the schema itself is wrong */
  findForbidden(schema: ExportedSchema | null): { table: string; message: string } | null {
    this.#store.validateSchema.call({ _schema: schema });
    for (const [table, documents] of this.#tables) {
      for (const { _id, _creationTime, ...fields } of documents.values()) {
        try {
          this.#store._validate.call({ _schema: schema }, table, fields);
        } catch (error) {
          const message = `Document with ID "${String(_id)}" in table "${table}" does not match the schema: `;
          return { table, message: message + (error as Error).message };
        }
      }
    }
    return null;
  }

  #noteReads(): void {
    const store = this.#store;
    const { get, startQuery, paginate } = store;
    store.get = (table, id) => {
      activeCall()?.reads.addDocument(this.#component, id);
      return get.call(store, table, id);
    };
    store.startQuery = (query) => {
      this.#noteRange(query.source);
      return startQuery.call(store, query);
    };
    store.paginate = (page) => {
      this.#noteRange(page.query.source);
      return paginate.call(store, page);
    };
  }

  #noteRange({ type, tableName, indexName, range }: QuerySource): void {
    const table = tableName ?? indexName?.split(".")[0] ?? "";
    const bounds = type === "IndexRange" ? (range ?? []) : [];
    activeCall()?.reads.addRange(this.#component, table, bounds);
  }

  #checkWrites(): void {
    const store = this.#store;
    const { insert, patch, replace } = store;
    store.insert = (table, value) => {
      if (!table.startsWith("_")) checkDocument(value);
      return insert.call(store, table, value);
    };
    store.patch = (table, id, value) => this.#checked(id, () => patch.call(store, table, id, value));
    store.replace = (table, id, value) => this.#checked(id, () => replace.call(store, table, id, value));
  }

  /** Takes a write back that made too large a document: the function may catch the error and go on. */
  #checked(id: string, write: () => void): void {
    const pending = this.#store._writes.at(-1);
    const before = pending?.[id];
    write();
    const written = pending?.[id];
    if (pending === undefined || written === undefined || written === null) return;
    try {
      if (!tableOfId(id).startsWith("_")) checkDocument(written);
    } catch (error) {
      if (before === undefined) delete pending[id];
      else pending[id] = before;
      throw error;
    }
  }

  #iterate(table: string, callback: (document: Document) => void): void {
    const pending = new Map<string, Document | null>();
    for (const level of this.#store._writes) {
      for (const id of Object.keys(level)) if (tableOfId(id) === table) pending.set(id, level[id] ?? null);
    }
    const committed = this.#tables.get(table) ?? new Map<string, Document>();
    for (const [id, document] of committed) {
      const shown = pending.has(id) ? pending.get(id) : document;
      if (shown) callback(shown);
    }
    for (const [id, document] of pending) if (document && !committed.has(id)) callback(document);
  }
}

/** A schema in the form in which convex-test keeps it. */
export function exportSchema(schema: unknown): ExportedSchema | null {
  if (schema === null || schema === undefined) return null;
  const { tables, schemaValidation } = schema as SchemaDefinition<GenericSchema, boolean> & {
    schemaValidation: boolean;
  };
  const exported = Object.entries(tables as unknown as Record<string, { export(): unknown }>);
  return { schemaValidation, tables: new Map(exported.map(([name, table]) => [name, table.export()])) };
}

/** Looks a module up as convex-test asks for it. */
export function moduleLoader(modules: Readonly<Record<string, Module>>): (path: string) => Promise<Module> {
  return async (path) => {
    const module = modules[path];
    if (module === undefined) throw new Error(`Could not find module for: "${path}"`);
    return module;
  };
}
