import { convexToJson, type JSONValue, type Value } from "convex/values";

/**
 * A Convex value as JSON text with object keys in code unit order, so that equal values have equal text.
 * Int64, bytes, NaN and -0 are told apart as in Convex's own encoding.
 *
 * @throws Error if `value` is no Convex value.
 */
export function canonicalJson(value: Value): string {
  return JSON.stringify(sortKeys(convexToJson(value)));
}

/** Whether two optional Convex values are equal by content. */
export function isSameValue(a: Value | undefined, b: Value | undefined): boolean {
  if (a === b && a !== 0) return true;
  if (a === undefined || b === undefined) return false;
  return canonicalJson(a) === canonicalJson(b);
}

function sortKeys(value: JSONValue): JSONValue {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (value === null || typeof value !== "object") return value;
  const keys = Object.keys(value).sort();
  return Object.fromEntries(keys.map((key) => [key, sortKeys(value[key] as JSONValue)]));
}
