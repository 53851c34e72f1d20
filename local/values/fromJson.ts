import { jsonToConvex, type JSONValue, type Value } from "convex/values";

/** As deep as the backend reads JSON at all; what values may be nest less (limits.ts). */
const deepest = 128;

/**
 * A value that somebody hands over.
 *
 * @throws Error if it is none, or nothing that code should be given: `__proto__` would become what an object inherits
 * from, and slip past its validator
 */
export function fromJson(json: JSONValue): Value {
  let level: unknown[] = [json];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > deepest) throw new Error("Value is too nested");
    level = level.flatMap(itemsOf);
  }
  return jsonToConvex(json);
}

function itemsOf(json: unknown): unknown[] {
  if (typeof json !== "object" || json === null) return [];
  if (Object.hasOwn(json, "__proto__")) throw new Error("Field name __proto__ is reserved in JavaScript");
  return Array.isArray(json) ? (json as unknown[]) : Object.values(json);
}
