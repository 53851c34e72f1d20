import {
  tableOfId,
  type ExportedSchema,
  type ExportedTable,
  type Module,
  type Query,
  type Store,
} from "./convexTestInternals.js";
import type { Document, Write } from "./engine.js";
import { checkDocument } from "./limits.js";
import { OrderedIndex, type IndexQuery } from "./orderedIndex.js";
import { activeCall } from "./recording.js";

/** One mounted component's documents: a store of convex-test, made to note what is read and to check what is written. */
export class ComponentStore {
  readonly #component: string;
  readonly #store: Store;
  /** Committed documents by table and id. */
  readonly #tables = new Map<string, Map<string, Document>>();
  /** By table and index, made when it is first asked for. */
  readonly #indexes = new Map<string, Map<string, OrderedIndex>>();
  /** The query that convex-test is looking documents up for. */
  #query: Query | null = null;

  constructor(component: string, store: Store) {
    this.#component = component;
    this.#store = store;
    this.#noteReads();
    this.#checkWrites();
    store._iterateDocs = (table, callback) => this.#iterate(table, callback);
  }

  set schema(schema: ExportedSchema | null) {
    this.#store._schema = schema;
    this.#indexes.clear();
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
      for (const index of this.#indexes.get(table)?.values() ?? []) {
        if (before !== null) index.remove(before);
        if (after !== null) index.add(after);
      }
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
      return this.#asking(query, () => startQuery.call(store, query));
    };
    store.paginate = (page) => {
      return this.#asking(page.query, () => paginate.call(store, page));
    };
  }

  #asking<T>(query: Query, look: () => T): T {
    const { type, tableName, indexName, range } = query.source;
    const table = tableName ?? indexName?.split(".")[0] ?? "";
    activeCall()?.reads.addRange(this.#component, table, type === "IndexRange" ? (range ?? []) : []);
    this.#query = query;
    try {
      return look();
    } finally {
      this.#query = null;
    }
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

  /** convex-test would hand over every document there is; it still looks at those it gets. */
  #iterate(table: string, callback: (document: Document) => void): void {
    const pending = new Map<string, Document | null>();
    for (const level of this.#store._writes) {
      for (const id of Object.keys(level)) if (tableOfId(id) === table) pending.set(id, level[id] ?? null);
    }
    for (const document of this.#candidates(table, pending.size))
      if (!pending.has(document["_id"] as string)) callback(document);
    for (const document of pending.values()) if (document !== null) callback(document);
  }

  #candidates(table: string, pendingCount: number): Iterable<Document> {
    const query = this.#query;
    const documents = this.#tables.get(table) ?? new Map<string, Document>();
    if (query === null || query.source.type === "Search") return documents.values();
    const index = this.#indexOf(
      table,
      query.source.indexName?.split(".")[1] ?? "by_creation_time",
      documents,
    );
    if (index === null) return documents.values(); // convex-test says that there is none
    return index.find(toIndexQuery(query, pendingCount));
  }

  #indexOf(table: string, name: string, documents: ReadonlyMap<string, Document>): OrderedIndex | null {
    const indexes = this.#indexes.get(table) ?? new Map<string, OrderedIndex>();
    this.#indexes.set(table, indexes);
    const made = indexes.get(name);
    if (made !== undefined) return made;
    const declared = this.#store._schema?.tables.get(table)?.indexes;
    const fields =
      systemIndexes[name] ?? declared?.find(({ indexDescriptor }) => indexDescriptor === name)?.fields;
    if (fields === undefined) return null;
    const index = new OrderedIndex(fields, documents.values());
    indexes.set(name, index);
    return index;
  }
}

const systemIndexes: Readonly<Record<string, readonly string[]>> = {
  by_creation_time: ["_creationTime"],
  by_id: ["_id"],
};

/** Each document that the transaction has written may take the place of one that is committed. */
function toIndexQuery({ source, operators }: Query, pendingCount: number): IndexQuery {
  const [only] = operators;
  const limit = operators.length === 1 && only !== undefined && "limit" in only ? only.limit : null;
  return {
    bounds: source.type === "IndexRange" ? (source.range ?? []) : [],
    order: source.order ?? "asc",
    most: limit === null ? null : limit + pendingCount,
  };
}

/** A schema in the form in which convex-test keeps it. */
export function exportSchema(schema: unknown): ExportedSchema | null {
  if (schema === null || schema === undefined) return null;
  const { tables, schemaValidation } = schema as {
    tables: Record<string, { export(): ExportedTable }>;
    schemaValidation: boolean;
  };
  const exported = Object.entries(tables).map(([name, table]) => [name, table.export()] as const);
  return { schemaValidation, tables: new Map(exported) };
}

/** Looks a module up as convex-test asks for it. */
export function moduleLoader(modules: Readonly<Record<string, Module>>): (path: string) => Promise<Module> {
  return async (path) => {
    const module = modules[path];
    if (module === undefined) throw new Error(`Could not find module for: "${path}"`);
    return module;
  };
}
