// Whether a value is what a validator asks for, in the backend's words (get-convex/convex-backend,
// crates/common/src/schemas/validator.rs).
import { CommitTsPlaceholder, type Value } from "convex/values";
import type { Document } from "../engine/engine.js";

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
export function checkArguments(validator: ValidatorJson, args: Value, ids: IdTables): void {
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
export function findMismatch(validator: ValidatorJson, value: Value, ids: IdTables): string | null {
  const found = mismatch(validator, value, ids, "");
  if (found === null) return null;
  const { message, path, subject } = found;
  const where = path === "" ? "" : `Path: ${path}`;
  if (subject === null) return `${message}${where}`;
  const { what, value: culprit, validator: asked } = subject;
  return `${message}\n${where}\n${what}: ${shorten(print(culprit))}\nValidator: ${name(asked)}`;
}

interface Mismatch {
  readonly message: string;
  readonly path: string;
  /** null: the message says it all. */
  readonly subject: {
    readonly what: "Value" | "Object";
    readonly value: Value;
    readonly validator: ValidatorJson;
  } | null;
}

const primitives: Readonly<Record<string, (value: Value) => boolean>> = {
  null: (value) => value === null,
  number: (value) => typeof value === "number",
  bigint: (value) => typeof value === "bigint",
  commitTs: (value) => typeof value === "bigint" || value instanceof CommitTsPlaceholder,
  boolean: (value) => typeof value === "boolean",
  string: (value) => typeof value === "string",
  bytes: (value) => value instanceof ArrayBuffer,
  any: () => true,
};

function mismatch(validator: ValidatorJson, value: Value, ids: IdTables, path: string): Mismatch | null {
  const differs = (): Mismatch => {
    const subject = { what: "Value" as const, value, validator };
    return { message: "Value does not match validator.", path, subject };
  };
  const first = (found: Iterable<Mismatch | null>) => [...found].find((each) => each !== null) ?? null;
  switch (validator.type) {
    case "literal":
      return value === literal(validator.value) ? null : mismatchOfLiteral(validator, value, path);
    case "id":
      return mismatchOfId(validator.tableName, value, ids, path, differs);
    case "array":
      if (!Array.isArray(value)) return differs();
      return first(value.map((item: Value, at) => mismatch(validator.value, item, ids, `${path}[${at}]`)));
    case "union":
      if (validator.value.length === 1) return mismatch(validator.value[0]!, value, ids, path);
      return validator.value.some((each) => mismatch(each, value, ids, path) === null) ? null : differs();
    case "record":
      if (!isObject(value)) return differs();
      return first(
        Object.entries(value).flatMap(([key, field]) => [
          mismatch(validator.keys, key, ids, `${path}.keys()`),
          mismatch(validator.values.fieldType, field, ids, `${path}.values()`),
        ]),
      );
    case "object":
      return isObject(value) ? mismatchInObject(validator, value, ids, path) : differs();
    default:
      return primitives[validator.type]?.(value) ? null : differs();
  }
}

function mismatchOfLiteral(validator: ValidatorJson, value: Value, path: string): Mismatch {
  const message = `\`${shorten(print(value))}\` does not match literal validator \`${name(validator)}\`.`;
  return { message, path, subject: null };
}

function mismatchOfId(
  expected: string,
  value: Value,
  ids: IdTables,
  path: string,
  differs: () => Mismatch,
): Mismatch | null {
  const table = typeof value === "string" ? ids.tableOf(value) : null;
  if (table === null) return differs();
  if (table === expected) return null;
  const from = table.startsWith("_") ? "a system table" : `table \`${table}\``;
  const message = `Found ID "${String(value)}" from ${from}, which does not match the table name in validator \`v.id("${expected}")\`.`;
  return { message, path, subject: null };
}

function mismatchInObject(
  validator: Extract<ValidatorJson, { type: "object" }>,
  value: Readonly<Record<string, Value>>,
  ids: IdTables,
  path: string,
): Mismatch | null {
  const fail = (message: string): Mismatch => ({
    message,
    path,
    subject: { what: "Object", value, validator },
  });
  for (const [field, { fieldType, optional }] of Object.entries(validator.value)) {
    const given = Object.hasOwn(value, field) ? value[field] : undefined;
    if (given === undefined && !optional)
      return fail(
        `Object is missing the required field \`${field}\`. Consider wrapping the field validator in \`v.optional(...)\` if this is expected.`,
      );
    const found = given === undefined ? null : mismatch(fieldType, given, ids, `${path}.${field}`);
    if (found !== null) return found;
  }
  const extra = Object.keys(value).find((field) => !Object.hasOwn(validator.value, field));
  return extra === undefined
    ? null
    : fail(`Object contains extra field \`${extra}\` that is not in the validator.`);
}

function isObject(value: Value): value is Record<string, Value> {
  return (
    typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof ArrayBuffer)
  );
}

/** An int64 literal is exported as Convex JSON. */
function literal(value: unknown): unknown {
  return typeof value === "object" && value !== null && "$integer" in value
    ? Buffer.from(value.$integer as string, "base64").readBigInt64LE()
    : value;
}

const longestPrinted = 1_000;

function shorten(text: string): string {
  return text.length > longestPrinted ? `${text.slice(0, longestPrinted)}…` : text;
}

/** As the backend does: a float always shows that it is one. */
function print(value: Value | undefined): string {
  if (typeof value === "number") return Number.isInteger(value) ? `${value}.0` : `${value}`;
  if (typeof value === "bigint") return `${value}`;
  if (typeof value === "string") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(print).join(", ")}]`;
  if (value === null || typeof value !== "object" || value instanceof ArrayBuffer) return shown(value);
  const fields = Object.entries(value).map(([field, each]) => `${field}: ${print(each as Value)}`);
  return `{${fields.join(", ")}}`;
}

function shown(value: null | boolean | ArrayBuffer | undefined): string {
  return value instanceof ArrayBuffer ? `<${value.byteLength} bytes>` : String(value);
}

function name(validator: ValidatorJson): string {
  switch (validator.type) {
    case "literal":
      return `v.literal(${typeof literal(validator.value) === "bigint" ? "<bigint>" : JSON.stringify(validator.value)})`;
    case "id":
      return `v.id("${validator.tableName}")`;
    case "array":
      return `v.array(${name(validator.value)})`;
    case "union":
      return `v.union(${validator.value.map(name).join(", ")})`;
    case "record":
      return `v.record(${name(validator.keys)}, ${name(validator.values.fieldType)})`;
    case "object": {
      const fields = Object.entries(validator.value).map(
        ([field, { fieldType, optional }]) =>
          `${field}: ${optional ? `v.optional(${name(fieldType)})` : name(fieldType)}`,
      );
      return `v.object({${fields.join(", ")}})`;
    }
    case "number":
      return "v.float64()";
    case "bigint":
      return "v.int64()";
    default:
      return `v.${validator.type}()`;
  }
}
