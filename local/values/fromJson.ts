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
  check(json, deepest);
  return jsonToConvex(json);
}

/** Goes no deeper than allowed, so that nothing overflows. */
function check(json: unknown, levels: number): void {
  if (typeof json !== "object" || json === null) return;
  if (levels === 0) throw new Error("Value is too nested");
  if (Array.isArray(json)) for (const item of json as unknown[]) check(item, levels - 1);
  else checkFields(json as Readonly<Record<string, unknown>>, levels);
}

function checkFields(json: Readonly<Record<string, unknown>>, levels: number): void {
  if (Object.hasOwn(json, "__proto__")) throw new Error("Field name __proto__ is reserved in JavaScript");
  for (const field in json) if (Object.hasOwn(json, field)) check(json[field], levels - 1);
}
