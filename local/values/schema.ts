import type { ValidatorJson } from "./validators.js";

export interface TableSchema {
  readonly documentType: ValidatorJson;
  readonly indexes: readonly { readonly name: string; readonly fields: readonly string[] }[];
}

/** What `schema.ts` declares, for one component. */
export interface TableSchemas {
  /** Whether what is written must match. */
  readonly schemaValidation: boolean;
  readonly tables: ReadonlyMap<string, TableSchema>;
}

interface Exportable {
  readonly schemaValidation: boolean;
  readonly tables: Readonly<Record<string, { export(): ExportedTable }>>;
}

interface ExportedTable {
  readonly documentType: ValidatorJson;
  readonly indexes: readonly { readonly indexDescriptor: string; readonly fields: readonly string[] }[];
}

/** As many as Convex allows: docs.convex.dev/production/state/limits. */
const mostIndexes = 64;
const mostIndexFields = 16;

/** @param schema - the default export of `schema.ts`, or null. @returns null: there is none, anything may be written */
export function exportSchema(schema: unknown): TableSchemas | null {
  if (schema === null || schema === undefined) return null;
  const { schemaValidation, tables } = schema as Exportable;
  const exported = Object.entries(tables).map(([name, table]): [string, TableSchema] => {
    const { documentType, indexes } = table.export();
    return [
      name,
      {
        documentType,
        indexes: indexes.map(({ indexDescriptor, fields }) => ({ name: indexDescriptor, fields })),
      },
    ];
  });
  return { schemaValidation, tables: new Map(exported) };
}

/** @throws Error if the schema itself is wrong */
export function checkSchema({ tables }: TableSchemas): void {
  for (const [table, { documentType, indexes }] of tables) {
    checkIdentifier("Table", table);
    checkFields(table, documentType);
    if (indexes.length > mostIndexes)
      throw new Error(`Table "${table}" has ${indexes.length} indexes, the limit is ${mostIndexes}.`);
    const names = new Set<string>();
    for (const { name, fields } of indexes) {
      checkIndex(table, name, fields);
      if (names.has(name)) throw new Error(`Table "${table}" has two indexes named "${name}".`);
      names.add(name);
    }
  }
}

function checkIndex(table: string, name: string, fields: readonly string[]): void {
  checkIdentifier("Index", name);
  const label = `Index "${name}" of table "${table}"`;
  if (name === "by_id" || name === "by_creation_time")
    throw new Error(`${label} is reserved: every table has it. Remove it from the schema.`);
  if (fields.length === 0 || fields.length > mostIndexFields)
    throw new Error(`${label} has ${fields.length} fields: it must have 1 to ${mostIndexFields}.`);
  if (new Set(fields).size < fields.length) throw new Error(`${label} has a field twice.`);
  if (fields.includes("_creationTime"))
    throw new Error(`${label} names "_creationTime", which every index ends with. Leave it out.`);
}

function checkFields(table: string, validator: ValidatorJson): void {
  if (validator.type === "union") for (const each of validator.value) checkFields(table, each);
  if (validator.type !== "object") return;
  for (const field of Object.keys(validator.value))
    if (field.startsWith("_") || field.startsWith("$"))
      throw new Error(`Field "${field}" of table "${table}" begins with "${field[0]}", which is reserved.`);
}

function checkIdentifier(what: string, name: string): void {
  if (!/^[A-Za-z][A-Za-z0-9_]{0,63}$/.test(name))
    throw new Error(
      `${what} name "${name}" is invalid: it must begin with a letter, and hold up to 64 letters, digits and underscores.`,
    );
}
