// Values as JSON holds them. What JSON has no word for stands as an object with the one field "$…", which no Convex
// value has; an object that has such a field all the same is spelled out.
import type { Value } from "convex/values";

type Json = null | boolean | number | string | Json[] | { [field: string]: Json };

/** Whether JSON gives `value` back as it is. Fields that are undefined are left out, as in Convex. */
export function isPlainJson(value: Value | undefined): boolean {
  if (value === null) return true;
  switch (typeof value) {
    case "string":
    case "boolean":
    case "undefined":
      return true;
    case "number":
      return Number.isFinite(value) && !Object.is(value, -0);
    case "object":
      if (value instanceof ArrayBuffer) return false;
      if (Array.isArray(value)) return value.every(isPlainJson);
      return Object.keys(value).every(
        (name) => !name.startsWith("$") && isPlainJson((value as Record<string, Value>)[name]),
      );
    default:
      return false;
  }
}

export function toPlainJson(value: Value): Json {
  if (typeof value === "bigint") return { $bigint: String(value) };
  if (typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0)))
    return { $number: Object.is(value, -0) ? "-0" : String(value) };
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof ArrayBuffer) return { $bytes: Array.from(new Uint8Array(value)) };
  if (Array.isArray(value)) return value.map(toPlainJson);
  const fields = Object.entries(value)
    .filter(([, field]) => (field as unknown) !== undefined)
    .map(([name, field]): [string, Json] => [name, toPlainJson(field)]);
  return fields.some(([name]) => name.startsWith("$")) ? { $object: fields } : Object.fromEntries(fields);
}

export function fromPlainJson(json: Json): Value {
  if (typeof json !== "object" || json === null) return json;
  if (Array.isArray(json)) return json.map(fromPlainJson);
  const { $bigint, $number, $bytes, $object } = json;
  if ($bigint !== undefined) return BigInt($bigint as string);
  if ($number !== undefined) return Number($number);
  if ($bytes !== undefined) return Uint8Array.from($bytes as number[]).buffer;
  const fields = $object === undefined ? Object.entries(json) : ($object as [string, Json][]);
  return Object.fromEntries(fields.map(([name, field]) => [name, fromPlainJson(field)]));
}
