// What a schema.ts declares, and whether it may: as get-convex/convex-backend checks it in
// crates/common/src/schemas/{json,mod}.rs, worded in crates/common/src/bootstrap_model/index/index_validation_error.rs.
import { printValidator } from "./print.js";
import type { ValidatorJson } from "./validators.js";

export interface TableIndex {
  readonly name: string;
  readonly fields: readonly string[];
}

export interface TableSchema {
  readonly documentType: ValidatorJson;
  readonly indexes: readonly TableIndex[];
  /** Built, and not to be queried yet. */
  readonly stagedIndexes?: readonly TableIndex[];
  /** Names, staged ones too: they are refused where they are queried. */
  readonly searchIndexes?: readonly string[];
  readonly vectorIndexes?: readonly string[];
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

interface ExportedIndex {
  readonly indexDescriptor: string;
}

interface ExportedTable {
  readonly documentType: ValidatorJson;
  readonly indexes: readonly (ExportedIndex & { readonly fields: readonly string[] })[];
  readonly stagedDbIndexes?: ExportedTable["indexes"];
  readonly searchIndexes?: readonly ExportedIndex[];
  readonly stagedSearchIndexes?: readonly ExportedIndex[];
  readonly vectorIndexes?: readonly ExportedIndex[];
  readonly stagedVectorIndexes?: readonly ExportedIndex[];
}

/** Of all kinds together: MAX_INDEXES_PER_TABLE. The documentation says 32 (docs.convex.dev/production/state/limits). */
const mostIndexes = 64;
/** docs.convex.dev/production/state/limits */
const mostIndexFields = 16;
const longestIdentifier = 64;

/** @param schema - the default export of `schema.ts`, or null. @returns null: there is none, anything may be written */
export function exportSchema(schema: unknown): TableSchemas | null {
  if (schema === null || schema === undefined) return null;
  const { schemaValidation, tables } = schema as Exportable;
  const exported = Object.entries(tables).map(([name, table]): [string, TableSchema] => [
    name,
    exportTable(table.export()),
  ]);
  return { schemaValidation, tables: new Map(exported) };
}

function exportTable(table: ExportedTable): TableSchema {
  const withFields = (indexes: ExportedTable["indexes"] = []) =>
    indexes.map(({ indexDescriptor, fields }) => ({ name: indexDescriptor, fields }));
  const names = (...kinds: (readonly ExportedIndex[] | undefined)[]) =>
    kinds.flatMap((indexes = []) => indexes.map(({ indexDescriptor }) => indexDescriptor));
  return {
    documentType: table.documentType,
    indexes: withFields(table.indexes),
    stagedIndexes: withFields(table.stagedDbIndexes),
    searchIndexes: names(table.searchIndexes, table.stagedSearchIndexes),
    vectorIndexes: names(table.vectorIndexes, table.stagedVectorIndexes),
  };
}

/** @throws Error if the schema itself is wrong */
export function checkSchema({ tables, schemaValidation }: TableSchemas): void {
  for (const [table, schema] of tables) {
    if (table.startsWith("_")) throw new Error(`${table} is a reserved table name.`);
    if (!isIdentifier(table))
      throw new Error(
        `Invalid table name: "${table}". Identifiers must start with a letter and can only contain letters, digits, and underscores.`,
      );
    checkDocumentType(table, schema.documentType);
    checkIndexes(table, schema);
    if (schemaValidation) checkIndexedFields(table, schema);
  }
}

function checkDocumentType(table: string, validator: ValidatorJson, isInUnion = false): void {
  if (validator.type === "any" && !isInUnion) return;
  if (validator.type === "union" && !isInUnion) {
    for (const each of validator.value) checkDocumentType(table, each, true);
    return;
  }
  if (validator.type !== "object")
    throw new Error(
      `The document validator in a schema must be an object, a union of objects, or \`v.any()\`. Found ${printValidator(validator)}. To learn more, see the schema documentation at https://docs.convex.dev/database/schemas.`,
    );
  // The backend leaves system fields out of what it enforces; here one that nothing would check is refused.
  for (const field of Object.keys(validator.value))
    if (field.startsWith("_") || field.startsWith("$"))
      throw new Error(`Field "${field}" of table "${table}" begins with "${field[0]}", which is reserved.`);
}

function checkIndexes(table: string, schema: TableSchema): void {
  const { indexes, stagedIndexes = [], searchIndexes = [], vectorIndexes = [] } = schema;
  const all = [...indexes, ...stagedIndexes];
  const names = [...all.map(({ name }) => name), ...searchIndexes, ...vectorIndexes];
  if (names.length > mostIndexes)
    throw new Error(`Table "${table}" cannot have more than ${mostIndexes} indexes.`);
  for (const { name, fields } of all) checkFields(table, name, fields);
  const byFields = new Map<string, string>();
  for (const { name, fields } of [...all].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const other = byFields.get(fields.join());
    if (other !== undefined && other !== name)
      throw new Error(
        `In table "${table}" index "${name}" and index "${other}" have the same fields. Indexes must be unique within a table.`,
      );
    byFields.set(fields.join(), name);
  }
  const seen = new Set<string>();
  for (const name of names) {
    checkIndexName(table, name);
    if (seen.has(name)) throw new Error(`Table "${table}" has two or more definitions of index "${name}".`);
    seen.add(name);
  }
}

function checkIndexName(table: string, name: string): void {
  if (name === "by_id" || name === "by_creation_time" || name.startsWith("_"))
    throw new Error(
      `In table "${table}" cannot name an index "${name}" because the name is reserved. Indexes may not start with an underscore or be named "by_id" or "by_creation_time".`,
    );
  if (!isIdentifier(name))
    throw new Error(
      `In table "${table}": Invalid index name: "${name}". Identifiers must be 64 characters or less, start with a letter, and only contain letters, digits, underscores.`,
    );
}

function checkFields(table: string, name: string, fields: readonly string[]): void {
  if (fields.length === 0)
    throw new Error(`In table "${table}" index "${name}" must have at least one field.`);
  const refuse = (why: string) => new Error(`In table "${table}": In index "${name}": ${why}`);
  const wrong = fields.find((field) => !field.split(".").every((part) => isIdentifier(part, "_")));
  if (wrong !== undefined) throw refuse(`Invalid index field: "${wrong}"`);
  if (fields.length > mostIndexFields) throw refuse(`Indexes may have up to ${mostIndexFields} fields.`);
  if (fields.includes("_id"))
    throw refuse("`_id` is not a valid index field. To load documents by ID, use `db.get(id)`.");
  if (fields.includes("_creationTime"))
    throw refuse(
      "`_creationTime` is automatically added to the end of each index. It should not be added explicitly in the index definition. See https://docs.convex.dev/using/indexes for more details.",
    );
  if (fields.some((field) => field.startsWith("_")))
    throw refuse("Reserved fields (starting with `_`) are not allowed in indexes.");
  const twice = fields.find((field, at) => fields.indexOf(field) !== at);
  if (twice !== undefined)
    throw refuse(`Duplicate field ${twice}. Index fields must be unique within an index.`);
}

function checkIndexedFields(table: string, { documentType, indexes, stagedIndexes = [] }: TableSchema): void {
  for (const { name, fields } of [...indexes, ...stagedIndexes])
    for (const field of fields)
      if (!canContain(documentType, field.split(".")))
        throw new Error(
          `In table "${table}" the index "${name}" is invalid because it references the field ${field} that does not exist.`,
        );
}

/** Whether a value may have something there; `can_contain_field` in crates/common/src/schemas/validator.rs. */
function canContain(validator: ValidatorJson, [first, ...rest]: readonly string[]): boolean {
  if (first === undefined || validator.type === "any") return true;
  if (validator.type === "union") return validator.value.some((each) => canContain(each, [first, ...rest]));
  if (validator.type !== "object" || !Object.hasOwn(validator.value, first)) return false;
  return canContain(validator.value[first]!.fieldType, rest);
}

/** crates/convex/sync_types/src/identifier.rs. @param also - what it may begin with besides a letter */
function isIdentifier(name: string, also = ""): boolean {
  const first = name[0] ?? "";
  return (
    name.length <= longestIdentifier &&
    /^[A-Za-z0-9_]+$/.test(name) &&
    !/^_+$/.test(name) &&
    (/[A-Za-z]/.test(first) || (also !== "" && first === also))
  );
}
