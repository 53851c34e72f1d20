import type { Value } from "convex/values";

/** A value that cannot be stored, and where it is. */
export interface FieldFault {
  /** The path of the field, as `address.city` or `list[2].n`. */
  readonly field: string;
  readonly message: string;
}

/** Convex's own limit of nesting; it also ends the walk through a value that contains itself. */
const MAX_DEPTH = 64;

export function faultAt(field: string, expected: string, value: unknown): FieldFault {
  return { field, message: `Field "${field}": expected ${expected}, got ${describeValue(value)}.` };
}

/** Whether `value` is an object literal or the like: no class instance, array or bytes. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  // Objects of another realm (a frame, a vm) have another Object.prototype: told by name, as Convex does.
  return (
    prototype === null ||
    prototype === Object.prototype ||
    (prototype as object).constructor?.name === "Object"
  );
}

/** Why `value` is no Convex value, at any depth, or null. Fields that are undefined count as absent. */
export function faultOfValue(value: unknown, path: string, depth = 0): FieldFault | null {
  if (depth > MAX_DEPTH)
    return {
      field: path,
      message: `Field "${path}": is nested deeper than ${MAX_DEPTH} levels, or contains itself.`,
    };
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const fault = faultOfValue(value[index], `${path}[${index}]`, depth + 1);
      if (fault) return fault;
    }
    return null;
  }
  if (isPlainObject(value)) return faultOfObject(value, path, depth);
  return isLeaf(value) ? null : faultAt(path, "a Convex value", value);
}

function faultOfObject(value: Record<string, unknown>, path: string, depth: number): FieldFault | null {
  for (const [name, member] of Object.entries(value)) {
    const problem = faultOfName(name);
    if (problem) return { field: path, message: `Field "${path}": the name ${problem}.` };
    if (member === undefined) continue;
    const fault = faultOfValue(member, `${path}.${name}`, depth + 1);
    if (fault) return fault;
  }
  return null;
}

function isLeaf(value: unknown): boolean {
  if (value === null || value instanceof ArrayBuffer) return true;
  if (typeof value === "bigint") return BigInt.asIntN(64, value) === value;
  return ["string", "number", "boolean"].includes(typeof value);
}

/** Why Convex would refuse a field's name, or null. */
export function faultOfName(name: string): string | null {
  if (name === "") return "is empty";
  if (name.length > 1024) return `${JSON.stringify(name.slice(0, 32))}… is longer than 1024 characters`;
  if (/^[_$]/.test(name)) return `${JSON.stringify(name)} starts with "${name[0]}", which Convex reserves`;
  if (!/^[\x20-\x7e]*$/.test(name)) return `${JSON.stringify(name)} has a control or non-ASCII character`;
  return null;
}

/** A value's type and, where short, the value, for messages. */
export function describeValue(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === "string")
    return `string ${JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)}`;
  if (typeof value === "bigint") {
    const isInt64 = BigInt.asIntN(64, value) === value;
    return `bigint ${value}${isInt64 ? "" : ", which does not fit into 64 bits"}`;
  }
  if (typeof value === "number" || typeof value === "boolean") return `${typeof value} ${value}`;
  if (typeof value !== "object") return typeof value;
  if (Array.isArray(value)) return "array";
  if (ArrayBuffer.isView(value))
    return `${value.constructor.name} (pass an ArrayBuffer: bytes.slice().buffer)`;
  return isPlainObject(value) ? "object" : (value.constructor?.name ?? "object");
}

/** A deep copy without undefined fields. `fromEntries` defines `__proto__` as a plain field. */
export function cloneValue(value: Value): Value {
  if (value instanceof ArrayBuffer) return value.slice(0);
  if (Array.isArray(value)) return value.map(cloneValue);
  if (!isPlainObject(value)) return value;
  const entries = Object.entries(value as Record<string, Value | undefined>);
  return Object.fromEntries(
    entries.flatMap(([name, member]) => (member === undefined ? [] : [[name, cloneValue(member)]])),
  );
}
