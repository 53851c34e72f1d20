import type { Value } from "convex/values";
import { canonicalJson } from "../shared/canonicalJson.js";
import type { Operation, Primitive } from "../shared/operations.js";
import { isPart, isRegister, type Field } from "./fields.js";
import type { AnyCollection, InsertOf } from "./types.js";
import { cloneValue, describeValue, faultAt, faultOfValue } from "./values.js";

/**
 * The operations of an insert: one `insert` with the registers, defaults filled in, then what initial counters
 * and sets need. Whether registers match their validators is `validateFields`' to say, on the resulting row.
 *
 * @throws TypeError for an unknown field, a value that Convex cannot store, a counter that is no finite number
 * or a set that is no iterable of primitives
 */
export function insertOperations<C extends AnyCollection>(definition: C, insert: InsertOf<C>): Operation[] {
  const given = insert as Readonly<Record<string, unknown>>;
  const fields = definition.fields as Record<string, Field>;
  for (const name of Object.keys(given)) {
    if (name === "id" || Object.hasOwn(fields, name)) continue;
    throw new TypeError(`Field "${name}": collection "${definition.name}" has no such field.`);
  }
  const registers: [string, Value][] = [];
  const rest: Operation[] = [];
  for (const [name, field] of Object.entries(fields)) {
    const value = Object.hasOwn(given, name) ? given[name] : undefined;
    if (isPart(field)) {
      if (value !== undefined)
        throw new TypeError(
          `Field "${name}" is a ${field.fieldKind}: insert the document, then open its text.`,
        );
    } else if (isRegister(field)) {
      const register = value === undefined ? defaultOf(definition, name) : value;
      if (register !== undefined) registers.push([name, storable(register, name)]);
    } else if (value !== undefined) {
      rest.push(...(field.fieldKind === "counter" ? startCounter(name, value) : startSet(name, value)));
    }
  }
  return [{ type: "insert", fields: Object.fromEntries(registers) }, ...rest];
}

function defaultOf(definition: AnyCollection, name: string): unknown {
  return Object.hasOwn(definition.defaults, name) ? definition.defaults[name] : undefined;
}

function storable(value: unknown, name: string): Value {
  const fault = faultOfValue(value, name);
  if (fault) throw new TypeError(fault.message);
  return cloneValue(value as Value);
}

function startCounter(field: string, value: unknown): Operation[] {
  if (typeof value !== "number" || !Number.isFinite(value))
    throw new TypeError(faultAt(field, "a finite number", value).message);
  return value === 0 ? [] : [{ type: "increment", field, by: value }];
}

function startSet(field: string, value: unknown): Operation[] {
  if (typeof value !== "object" || value === null || !(Symbol.iterator in value))
    throw new TypeError(faultAt(field, "an iterable of members", value).message);
  const members = new Map<string, Primitive>();
  for (const member of value as Iterable<unknown>) {
    assertMember(field, member);
    members.set(canonicalJson(member), member);
  }
  return [...members.values()].map((member) => ({ type: "add", field, member }));
}

/** @throws TypeError unless `member` is a primitive that a set may hold */
export function assertMember(field: string, member: unknown): asserts member is Primitive {
  if (["string", "number", "boolean"].includes(typeof member)) return;
  throw new TypeError(
    `Field "${field}": set members are strings, numbers and booleans, got ${describeValue(member)}.`,
  );
}
