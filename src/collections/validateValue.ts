import { convexToJson, type GenericValidator, type Value } from "convex/values";
import { isSameValue } from "../shared/canonicalJson.js";

/** Where a value breaks its validator: a path like `address.city`, and why. */
export interface Fault {
  readonly path: string;
  readonly message: string;
}

type Checked = GenericValidator & {
  value?: GenericValidator | Value;
  element?: GenericValidator;
  fields?: Record<string, GenericValidator>;
  members?: GenericValidator[];
  key?: GenericValidator;
};

const primitives: Record<string, (value: unknown) => boolean> = {
  string: (value) => typeof value === "string",
  id: (value) => typeof value === "string",
  float64: (value) => typeof value === "number",
  int64: (value) => typeof value === "bigint",
  commitTs: (value) => typeof value === "bigint",
  boolean: (value) => typeof value === "boolean",
  null: (value) => value === null,
  bytes: (value) => value instanceof ArrayBuffer,
};

/**
 * Checks a value against a Convex validator. Convex does so on the server; this runs where the write is made,
 * and can name the field.
 *
 * @returns the first fault, or null.
 */
export function faultOfValue(validator: GenericValidator, value: unknown, path: string): Fault | null {
  const { kind } = validator;
  const checked = validator as Checked;
  const isPrimitive = primitives[kind];
  if (isPrimitive)
    return isPrimitive(value) ? null : expected(path, kind === "id" ? "a document id" : kind, value);
  switch (kind) {
    case "any":
      return faultOfAny(value, path);
    case "literal":
      return isSameValue(checked.value as Value, value as Value)
        ? null
        : expected(path, JSON.stringify(checked.value), value);
    case "union":
      return checked.members?.some((member) => faultOfValue(member, value, path) === null)
        ? null
        : expected(path, "one of the union's types", value);
    case "array":
      if (!Array.isArray(value)) return expected(path, "an array", value);
      return firstFault(
        value.map((item, index) => () => faultOfValue(checked.element!, item, `${path}[${index}]`)),
      );
    case "object":
      return isPlain(value)
        ? faultOfFields(checked.fields!, value, path)
        : expected(path, "an object", value);
    case "record":
      if (!isPlain(value)) return expected(path, "an object", value);
      return firstFault(
        Object.entries(value).flatMap(([key, item]) => [
          () => faultOfValue(checked.key!, key, `${path} (key)`),
          () => faultOfValue(checked.value as GenericValidator, item, `${path}.${key}`),
        ]),
      );
    default:
      return { path, message: `${path} has a validator of unknown kind "${kind}".` };
  }
}

/** Checks an object's fields: none missing, none of a wrong type, none unknown. */
export function faultOfFields(
  validators: Readonly<Record<string, GenericValidator>>,
  value: Readonly<Record<string, unknown>>,
  path = "",
): Fault | null {
  const at = (key: string) => (path === "" ? key : `${path}.${key}`);
  const known = Object.entries(validators).map(([key, validator]) => () => {
    const item = Object.hasOwn(value, key) ? value[key] : undefined;
    if (item !== undefined) return faultOfValue(validator, item, at(key));
    return validator.isOptional === "optional" ? null : { path: at(key), message: `${at(key)} is missing.` };
  });
  const unknown = Object.keys(value)
    .filter((key) => !Object.hasOwn(validators, key))
    .map((key) => () => ({ path: at(key), message: `${at(key)} is no field of this collection.` }));
  return firstFault([...known, ...unknown]);
}

/** The name of a value's type, as messages show it. */
export function typeName(value: unknown): string {
  if (value === null) return "null";
  if (typeof value === "bigint") return "int64";
  if (typeof value !== "object") return typeof value;
  return (value.constructor as { name?: string } | undefined)?.name ?? "object";
}

function expected(path: string, wanted: string, value: unknown): Fault {
  const hint = ArrayBuffer.isView(value) ? " Pass its `buffer`." : "";
  return { path, message: `${path} should be ${wanted} but is of type ${typeName(value)}.${hint}` };
}

function firstFault(checks: readonly (() => Fault | null)[]): Fault | null {
  for (const check of checks) {
    const fault = check();
    if (fault !== null) return fault;
  }
  return null;
}

function faultOfAny(value: unknown, path: string): Fault | null {
  try {
    convexToJson(value as Value);
    return null;
  } catch (error) {
    return {
      path,
      message: `${path} is no Convex value: ${error instanceof Error ? error.message : String(error)}`,
    };
  }
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (value === null || typeof value !== "object") return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
