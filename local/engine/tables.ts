import type { Document, Runtime, SchemaProblem } from "./engine.js";
import { defineIndex, type IndexDefinition } from "../mvcc/indexKey.js";
import { asPending } from "../mvcc/pendingTs.js";
import type { VersionedStore } from "../mvcc/versionedStore.js";
import { checkSchema, exportSchema, type TableSchemas } from "../values/schema.js";
import { checkDocumentMatches, type IdTables } from "../values/validators.js";
import { tableNumberOf } from "./ids.js";

/** A table's number in the ids of its documents, in its component. */
export interface TableNumber {
  readonly component: string;
  readonly name: string;
  readonly number: number;
}

const firstNumber = 10_001;
/** Milliseconds; the next number that a double of this size holds is about half as far. */
const creationTimeStep = 2 ** -11;

/** The tables of all components: numbers, schemas, indexes. A table that no schema names is made when it is written to. */
export class Tables {
  readonly #store: VersionedStore;
  readonly #numbers = new Map<string, Map<string, number>>();
  readonly #names = new Map<string, Map<number, string>>();
  readonly #schemas = new Map<string, TableSchemas | null>();
  /** Given out, and not yet taken to be kept. */
  #new: TableNumber[] = [];

  #lastCreationTime = 0;

  constructor(store: VersionedStore) {
    this.#store = store;
  }

  /** Each document gets one of its own, later ones later. @param now - milliseconds since 1970 */
  nextCreationTime(now: number): number {
    this.#lastCreationTime = Math.max(now, this.#lastCreationTime + creationTimeStep);
    return this.#lastCreationTime;
  }

  /** An earlier life gave it out. */
  noteCreationTime(ms: number): void {
    this.#lastCreationTime = Math.max(this.#lastCreationTime, ms);
  }

  /** The store's name of a component's table. */
  key(component: string, table: string): string {
    return `${component}:${table}`;
  }

  numberOf(component: string, name: string): number {
    const known = this.#numbers.get(component)?.get(name);
    if (known !== undefined) return known;
    const number = firstNumber + (this.#numbers.get(component)?.size ?? 0);
    this.restore({ component, name, number });
    this.#new.push({ component, name, number });
    return number;
  }

  /** The table of an id, if it is one of the component's ids. */
  tableOf(component: string, id: string): string | null {
    const number = tableNumberOf(id);
    return number === null ? null : (this.#names.get(component)?.get(number) ?? null);
  }

  /** Whether it is a document's id, of whatever component. */
  isId(id: string): boolean {
    return tableNumberOf(id) !== null;
  }

  idsOf(component: string): IdTables {
    return { tableOf: (id) => this.tableOf(component, id) };
  }

  restore({ component, name, number }: TableNumber): void {
    entry(this.#numbers, component).set(name, number);
    entry(this.#names, component).set(number, name);
  }

  /** Numbers that were given out since the last time. */
  takeNew(): TableNumber[] {
    const taken = this.#new;
    this.#new = [];
    return taken;
  }

  /** Every number that was given out. */
  *all(): Generator<TableNumber> {
    for (const [component, tables] of this.#numbers)
      for (const [name, number] of tables) yield { component, name, number };
  }

  index(component: string, table: string, name: string): IndexDefinition {
    const index = this.#store.table(this.key(component, table)).definition(name);
    if (index === undefined) throw new Error(`Index ${table}.${name} not found.`);
    return index;
  }

  /** @throws Error if a document of the table may not be so */
  check(component: string, table: string, fields: Document): void {
    const schema = this.#schemas.get(component);
    const documentType = schema?.schemaValidation ? schema.tables.get(table)?.documentType : undefined;
    if (documentType !== undefined)
      checkDocumentMatches(documentType, asPending(fields), this.idsOf(component), table);
  }

  /** The first document that new schemas forbid. @throws Error if a schema itself is wrong */
  findForbidden(runtime: Runtime): SchemaProblem | null {
    for (const { path, schema } of mounted(runtime)) {
      const exported = exportSchema(schema);
      if (exported === null) continue;
      checkSchema(exported);
      if (!exported.schemaValidation) continue;
      for (const [table, { documentType }] of exported.tables) {
        const documents = this.#store.table(this.key(path, table)).documents(this.#store.lastTs);
        for (const { _id, _creationTime, ...fields } of documents) {
          try {
            checkDocumentMatches(documentType, fields, this.idsOf(path), table, String(_id));
          } catch (error) {
            return { component: path, table, message: (error as Error).message };
          }
        }
      }
    }
    return null;
  }

  /** To be called between two transactions. @throws Error, with all as it was, if one cannot be read */
  setSchemas(runtime: Runtime): void {
    const exported = mounted(runtime).map(({ path, schema }) => [path, exportSchema(schema)] as const);
    for (const [component, schema] of exported) {
      this.#schemas.set(component, schema);
      for (const table of schema?.tables.keys() ?? []) this.numberOf(component, table);
      for (const table of this.#numbers.get(component)?.keys() ?? []) {
        const indexes = schema?.tables.get(table)?.indexes ?? [];
        const definitions = indexes.map(({ name, fields }) => defineIndex(name, fields));
        this.#store.defineIndexes(this.key(component, table), definitions);
      }
    }
  }
}

export function mounted({ root, components }: Runtime): Runtime["components"] {
  return [{ path: "", ...root }, ...components];
}

function entry<K, A, B>(map: Map<K, Map<A, B>>, key: K): Map<A, B> {
  const made = map.get(key) ?? new Map<A, B>();
  map.set(key, made);
  return made;
}
