// What values may be: docs.convex.dev/production/state/limits and docs.convex.dev/database/types. The messages are
// the backend's (get-convex/convex-backend, crates/value).
import { getConvexSize, type Value } from "convex/values";
import type { Document } from "../engine/engine.js";

const MiB = 1024 * 1024;
const documentBytes = MiB;
const callBytes = 16 * MiB;
const arrayLength = 8_192;
const fieldCount = 1_024;
const fieldNameLength = 1_024;
/** Of a document's fields, and of what functions take and give. */
const documentNesting = 16;
const callNesting = 64;

/** @throws Error if a document is none that Convex stores */
export function checkDocument(document: Document): void {
  for (const name of Object.keys(document))
    if (name.startsWith("_") && name !== "_id" && name !== "_creationTime")
      throw new Error(
        `Field '${name}' starts with an underscore, which is only allowed for system fields like '_id'`,
      );
  checkValue(document as Value, documentNesting);
  const bytes = getConvexSize(document as Value);
  if (bytes > documentBytes)
    throw new Error(`Value is too large (${sizeOf(bytes)} > maximum size ${sizeOf(documentBytes)})`);
}

/** @throws Error if arguments or a result are larger, or deeper, than Convex passes on */
export function checkCallSize(what: "arguments" | "return value", value: Value): void {
  checkValue(value, callNesting);
  const bytes = getConvexSize(value);
  if (bytes > callBytes)
    throw new Error(
      `Function ${what} too large. Actual: ${sizeOf(bytes)}, Max: ${sizeOf(callBytes)}, that is ${callBytes} bytes.`,
    );
}

function checkValue(value: Value, levels: number): void {
  if (typeof value === "string" && /\p{Surrogate}/u.test(value))
    throw new Error("The string has an unpaired surrogate: strings must be valid Unicode");
  if (typeof value !== "object" || value === null || value instanceof ArrayBuffer) return;
  if (levels === 0) throw new Error("Value is too nested");
  if (Array.isArray(value)) {
    if (value.length > arrayLength)
      throw new Error(`Array length is too long (${value.length} > maximum length ${arrayLength})`);
    for (const item of value as Value[]) checkValue(item, levels - 1);
    return;
  }
  const entries = Object.entries(value as Record<string, Value | undefined>);
  if (entries.length > fieldCount)
    throw new Error(`Object has too many fields (${entries.length} > maximum number ${fieldCount})`);
  for (const [name, field] of entries) {
    checkFieldName(name);
    if (field !== undefined) checkValue(field, levels - 1);
  }
}

function checkFieldName(name: string): void {
  if (name.length > fieldNameLength)
    throw new Error(`Field name is too long (${name.length} > maximum length ${fieldNameLength})`);
  if (name === "__proto__") throw new Error("Field name __proto__ is reserved in JavaScript");
  if (name.startsWith("$")) throw new Error(`Field name ${name} starts with '$', which is reserved`);
  if (!/^[\x20-\x7e]*$/.test(name))
    throw new Error(`Field name ${name} has invalid characters: they must be non-control ASCII characters`);
}

function sizeOf(bytes: number): string {
  return bytes < MiB ? `${(bytes / 1024).toFixed(2)} KiB` : `${(bytes / MiB).toFixed(2)} MiB`;
}
