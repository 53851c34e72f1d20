import type { GenericValidator } from "convex/values";
import { isPart, isRegister } from "./fields.js";
import type { AnyCollection } from "./types.js";
import type { Field } from "./fields.js";
import { faultAt, faultOfValue, isPlainObject, type FieldFault } from "./values.js";

/**
 * Checks a row against its definition, as Convex would when it stores the row.
 *
 * Counters and sets may be missing (0, empty), as may registers that have a default. Sets are arrays here.
 *
 * @returns the first fault, with the path of the field, or null if the row is valid
 *
 * @example
 * ```ts
 * validateFields(sites, { id: "x", name: 3 });
 * // { field: "name", message: 'Field "name": expected string, got number 3.' }
 * ```
 */
export function validateFields(
  definition: AnyCollection,
  row: Readonly<Record<string, unknown>>,
): FieldFault | null {
  if (row["id"] !== undefined && typeof row["id"] !== "string") return faultAt("id", "string", row["id"]);
  const fields = definition.fields as Record<string, Field>;
  for (const name of Object.keys(row)) {
    if (name === "id" || Object.hasOwn(fields, name)) continue;
    return { field: name, message: `Field "${name}": collection "${definition.name}" has no such field.` };
  }
  for (const [name, field] of Object.entries(fields)) {
    const value = Object.hasOwn(row, name) ? row[name] : undefined;
    const isDefaulted = !isRegister(field) || Object.hasOwn(definition.defaults, name);
    const fault = value === undefined && isDefaulted ? null : faultOfField(field, value, name);
    if (fault) return fault;
  }
  return null;
}

/** Why `value` is not what a row may hold in `field`, or null. */
export function faultOfField(field: Field, value: unknown, path: string): FieldFault | null {
  if (isRegister(field)) return faultOfProperty(field, value, path, true);
  if (isPart(field))
    return { field: path, message: `Field "${path}": a ${field.fieldKind} is no part of a row.` };
  if (field.fieldKind === "counter")
    return typeof value === "number" && Number.isFinite(value)
      ? null
      : faultAt(path, "a finite number", value);
  if (!Array.isArray(value)) return faultAt(path, "an array of members", value);
  return firstFault(value, (member, index) =>
    faultOfProperty(field.member as GenericValidator, member, `${path}[${index}]`, true),
  );
}

function faultOfProperty(
  validator: GenericValidator,
  value: unknown,
  path: string,
  isOutermost = false,
): FieldFault | null {
  if (value === undefined && validator.isOptional === "optional") return null;
  const fault = isOutermost && value !== undefined ? faultOfValue(value, path) : null;
  return fault ?? faultAgainst(validator, value, path);
}

/** `value` is known to be a Convex value, or undefined. */
function faultAgainst(validator: GenericValidator, value: unknown, path: string): FieldFault | null {
  switch (validator.kind) {
    case "any":
      return value === undefined ? faultAt(path, "a Convex value", value) : null;
    case "array":
      if (!Array.isArray(value)) break;
      return firstFault(value, (member, index) =>
        faultAgainst(validator.element as GenericValidator, member, `${path}[${index}]`),
      );
    case "object":
      if (!isPlainObject(value)) break;
      return faultOfMembers(validator.fields as Record<string, GenericValidator>, value, path);
    case "record":
      if (!isPlainObject(value)) break;
      return firstFault(Object.entries(value), ([name, member]) =>
        member === undefined
          ? null
          : (faultAgainst(validator.key as GenericValidator, name, `${path}.${name}`) ??
            faultAgainst(validator.value as GenericValidator, member, `${path}.${name}`)),
      );
    case "union":
      return faultOfUnion(validator.members as GenericValidator[], validator, value, path);
    default:
      if (isOfKind(validator, value)) return null;
  }
  return faultAt(path, describeValidator(validator), value);
}

function isOfKind(validator: GenericValidator, value: unknown): boolean {
  switch (validator.kind) {
    case "string":
    case "id":
      return typeof value === "string";
    case "float64":
      return typeof value === "number";
    case "int64":
      return typeof value === "bigint";
    case "boolean":
      return typeof value === "boolean";
    case "null":
      return value === null;
    case "bytes":
      return value instanceof ArrayBuffer;
    case "literal":
      return value === validator.value;
    case "array":
      return Array.isArray(value);
    case "object":
    case "record":
      return isPlainObject(value);
    default:
      return false;
  }
}

function faultOfMembers(
  validators: Record<string, GenericValidator>,
  value: Record<string, unknown>,
  path: string,
): FieldFault | null {
  for (const [name, member] of Object.entries(value)) {
    if (member === undefined || Object.hasOwn(validators, name)) continue;
    return { field: `${path}.${name}`, message: `Field "${path}.${name}": the object has no such field.` };
  }
  return firstFault(Object.entries(validators), ([name, validator]) =>
    faultOfProperty(validator, Object.hasOwn(value, name) ? value[name] : undefined, `${path}.${name}`),
  );
}

/** Where only one member is of the value's kind, its own fault says more than the list of members. */
function faultOfUnion(
  members: readonly GenericValidator[],
  union: GenericValidator,
  value: unknown,
  path: string,
): FieldFault | null {
  const faults = members.map((member) => faultAgainst(member, value, path));
  if (faults.includes(null)) return null;
  const near = faults.filter((_, index) => isOfKind(members[index] as GenericValidator, value));
  return (near.length === 1 ? near[0] : undefined) ?? faultAt(path, describeValidator(union), value);
}

function describeValidator(validator: GenericValidator): string {
  switch (validator.kind) {
    case "literal":
      return typeof validator.value === "bigint" ? `${validator.value}n` : JSON.stringify(validator.value);
    case "union":
      return (validator.members as GenericValidator[]).map(describeValidator).join(" | ");
    case "array":
      return `array of ${describeValidator(validator.element as GenericValidator)}`;
    case "float64":
      return "number";
    case "int64":
      return "bigint";
    case "bytes":
      return "ArrayBuffer";
    case "id":
      return `id of "${validator.tableName}"`;
    case "object":
      return `object {${Object.keys(validator.fields as object).join(", ")}}`;
    default:
      return validator.kind;
  }
}

function firstFault<T>(
  list: readonly T[],
  check: (item: T, index: number) => FieldFault | null,
): FieldFault | null {
  for (const [index, item] of list.entries()) {
    const fault = check(item, index);
    if (fault) return fault;
  }
  return null;
}
