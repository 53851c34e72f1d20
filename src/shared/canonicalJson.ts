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
  if (!isComposite(a) || !isComposite(b)) return Object.is(a, b);
  return a === b || canonicalJson(a) === canonicalJson(b);
}

function isComposite(
  value: Value | undefined,
): value is Exclude<Value, null | string | number | bigint | boolean> {
  return typeof value === "object" && value !== null;
}

function sortKeys(value: JSONValue): JSONValue {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (value === null || typeof value !== "object") return value;
  const keys = Object.keys(value).sort();
  return Object.fromEntries(keys.map((key) => [key, sortKeys(value[key] as JSONValue)]));
}
