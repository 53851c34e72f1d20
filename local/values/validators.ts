// Whether a value is what a validator asks for, in the backend's words (get-convex/convex-backend,
// crates/common/src/schemas/validator.rs). Asked at every write: what matches costs no allocation; only a mismatch is
// looked at again, field by field in the order of their names as the backend has them, to tell where it is.
import { CommitTsPlaceholder, type Value } from "convex/values";
import type { Document } from "../engine/engine.js";
import { literalOf, printValidator, printValue } from "./print.js";

/** A validator in the form that `exportArgs()`, `exportReturns()` and an exported schema have it. */
export type ValidatorJson =
  | { readonly type: "null" | "number" | "bigint" | "boolean" | "string" | "bytes" | "any" | "commitTs" }
  | { readonly type: "literal"; readonly value: unknown }
  | { readonly type: "id"; readonly tableName: string }
  | { readonly type: "array"; readonly value: ValidatorJson }
  | { readonly type: "union"; readonly value: readonly ValidatorJson[] }
  | {
      readonly type: "record";
      readonly keys: ValidatorJson;
      readonly values: { readonly fieldType: ValidatorJson };
    }
  | {
      readonly type: "object";
      readonly value: Readonly<
        Record<string, { readonly fieldType: ValidatorJson; readonly optional: boolean }>
      >;
    };

export interface IdTables {
  /** The table of an id of the component at hand; null: it is none of its ids. */
  tableOf(id: string): string | null;
}

/** @throws Error if a function may not be called with these */
export function checkArguments(validator: ValidatorJson, args: Value | undefined, ids: IdTables): void {
  const mismatch = findMismatch(validator, args, ids);
  if (mismatch !== null) throw new Error(`ArgumentValidationError: ${mismatch}`);
}

/** @param validator - null: whatever it returns. @throws Error if a function may not return this */
export function checkReturnValue(validator: ValidatorJson | null, value: Value, ids: IdTables): void {
  const mismatch = validator === null ? null : findMismatch(validator, value, ids);
  if (mismatch !== null) throw new Error(`ReturnsValidationError: ${mismatch}`);
}

/** @param fields - without what Convex adds. @param id - of a document that is there. @throws Error */
export function checkDocumentMatches(
  validator: ValidatorJson,
  fields: Document,
  ids: IdTables,
  table: string,
  id?: string,
): void {
  const mismatch = findMismatch(validator, fields as Value, ids);
  if (mismatch === null) return;
  const what =
    id === undefined
      ? `Failed to insert or update a document in table "${table}" because it does not match the schema`
      : `Document with ID "${id}" in table "${table}" does not match the schema`;
  throw new Error(`${what}: ${mismatch}`);
}

/** @returns null if the value is as asked for, else why it is not */
export function findMismatch(
  validator: ValidatorJson,
  value: Value | undefined,
  ids: IdTables,
): string | null {
  if (matches(validator, value, ids)) return null;
  const { message, path, subject } = explain(validator, value, ids, "");
  const where = path === "" ? "" : `Path: ${path}`;
  if (subject === null) return `${message}${where}`;
  const { what, value: culprit, validator: asked } = subject;
  return `${message}\n${where}\n${what}: ${printValue(culprit)}\nValidator: ${printValidator(asked)}`;
}

function matches(validator: ValidatorJson, value: Value | undefined, ids: IdTables): boolean {
  switch (validator.type) {
    case "any":
      return value !== undefined;
    case "null":
      return value === null;
    case "bigint":
    case "commitTs": // what is not known yet will be an int64: crates/value/src/pending.rs
      return typeof value === "bigint" || value instanceof CommitTsPlaceholder;
    case "number":
    case "boolean":
    case "string":
      return typeof value === validator.type;
    case "bytes":
      return value instanceof ArrayBuffer;
    case "literal": // -0 is not 0, and NaN is NaN: crates/value/src/lib.rs, encode_for_hash
      return Object.is(value, literalOf(validator));
    case "id":
      return typeof value === "string" && ids.tableOf(value) === validator.tableName;
    case "array":
      return Array.isArray(value) && matchesArray(validator.value, value, ids);
    case "union":
      for (const each of validator.value) if (matches(each, value, ids)) return true;
      return false;
    case "record":
      return isObject(value) && matchesRecord(validator, value, ids);
    case "object":
      return isObject(value) && matchesObject(validator, value, ids);
    default:
      return false;
  }
}

/** By position: what is missing from a sparse array is no value. */
function matchesArray(validator: ValidatorJson, items: readonly Value[], ids: IdTables): boolean {
  for (let at = 0; at < items.length; at++) if (!matches(validator, items[at], ids)) return false;
  return true;
}

function matchesRecord(validator: RecordJson, value: Fields, ids: IdTables): boolean {
  for (const key in value) {
    if (!Object.hasOwn(value, key)) continue;
    if (!matches(validator.keys, key, ids)) return false;
    if (!matches(validator.values.fieldType, value[key], ids)) return false;
  }
  return true;
}

function matchesObject(validator: ObjectJson, value: Fields, ids: IdTables): boolean {
  const asked = validator.value;
  for (const field in asked) {
    const { fieldType, optional } = asked[field]!;
    const given = Object.hasOwn(value, field) ? value[field] : undefined;
    if (given === undefined ? !optional : !matches(fieldType, given, ids)) return false;
  }
  for (const field in value)
    if (Object.hasOwn(value, field) && value[field] !== undefined && !Object.hasOwn(asked, field))
      return false;
  return true;
}

interface Mismatch {
  readonly message: string;
  readonly path: string;
  /** null: the message says it all. */
  readonly subject: {
    readonly what: "Value" | "Object";
    readonly value: Value | undefined;
    readonly validator: ValidatorJson;
  } | null;
}

type Fields = Readonly<Record<string, Value | undefined>>;
type ObjectJson = Extract<ValidatorJson, { type: "object" }>;
type RecordJson = Extract<ValidatorJson, { type: "record" }>;

/** Of what does not match. */
function explain(validator: ValidatorJson, value: Value | undefined, ids: IdTables, path: string): Mismatch {
  if (validator.type === "literal") {
    const message = `\`${printValue(value)}\` does not match literal validator \`${printValidator(validator)}\`.`;
    return { message, path, subject: null };
  }
  if (validator.type === "id" && typeof value === "string" && ids.tableOf(value) !== null)
    return { message: wrongTable(validator.tableName, value, ids.tableOf(value)!), path, subject: null };
  if (validator.type === "union" && validator.value.length === 1)
    return explain(validator.value[0]!, value, ids, path);
  const within = explainWithin(validator, value, ids, path);
  const subject = { what: "Value" as const, value, validator };
  return within ?? { message: "Value does not match validator.", path, subject };
}

/** @returns null if it is not what is in the value that does not match, but the value */
function explainWithin(
  validator: ValidatorJson,
  value: Value | undefined,
  ids: IdTables,
  path: string,
): Mismatch | null {
  if (validator.type === "array" && Array.isArray(value)) {
    const items = Array.from(value as Value[]);
    const at = items.findIndex((item) => !matches(validator.value, item, ids));
    return explain(validator.value, items[at], ids, `${path}[${at}]`);
  }
  if (validator.type === "object" && isObject(value)) return explainObject(validator, value, ids, path);
  if (validator.type !== "record" || !isObject(value)) return null;
  const { keys, values } = validator;
  for (const key of Object.keys(value).sort()) {
    if (!matches(keys, key, ids)) return explain(keys, key, ids, `${path}.keys()`);
    if (!matches(values.fieldType, value[key], ids))
      return explain(values.fieldType, value[key], ids, `${path}.values()`);
  }
  return null;
}

function explainObject(validator: ObjectJson, value: Fields, ids: IdTables, path: string): Mismatch {
  const subject = { what: "Object" as const, value: value as Value, validator };
  for (const field of Object.keys(validator.value).sort()) {
    const { fieldType, optional } = validator.value[field]!;
    const given = Object.hasOwn(value, field) ? value[field] : undefined;
    if (given === undefined && !optional) {
      const message = `Object is missing the required field \`${field}\`. Consider wrapping the field validator in \`v.optional(...)\` if this is expected.`;
      return { message, path, subject };
    }
    if (given !== undefined && !matches(fieldType, given, ids))
      return explain(fieldType, given, ids, `${path}.${field}`);
  }
  const extra = Object.keys(value)
    .sort()
    .find((field) => value[field] !== undefined && !Object.hasOwn(validator.value, field));
  const message = `Object contains extra field \`${extra}\` that is not in the validator.`;
  return { message, path, subject };
}

function wrongTable(expected: string, id: string, table: string): string {
  const from = table.startsWith("_") ? "a system table" : `table \`${table}\``;
  return `Found ID "${id}" from ${from}, which does not match the table name in validator \`v.id("${expected}")\`.`;
}

function isObject(value: Value | undefined): value is Record<string, Value | undefined> {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof ArrayBuffer) &&
    !(value instanceof CommitTsPlaceholder)
  );
}
