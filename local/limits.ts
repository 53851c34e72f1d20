// Limits of Convex that convex-test does not check. Messages are worded as Convex words them.
import { getConvexSize, type Value } from "convex/values";

const MIB = 1024 * 1024;
/** See docs.convex.dev/production/state/limits. */
const documentBytes = MIB;
const arrayLength = 8192;
const callBytes = 16 * MIB;

/** @throws Error if a document is larger than Convex stores */
export function checkDocument(document: Value): void {
  checkArrays(document);
  const bytes = getConvexSize(document);
  if (bytes > documentBytes)
    throw new Error(`Value is too large (${bytes} bytes > maximum size ${documentBytes} bytes).`);
}

/** @throws Error if arguments or a result are larger than Convex passes on */
export function checkCallSize(what: "arguments" | "return value", value: Value): void {
  checkArrays(value);
  const bytes = getConvexSize(value);
  if (bytes > callBytes)
    throw new Error(`Function ${what} too large (${bytes} bytes > maximum size ${callBytes} bytes).`);
}

function checkArrays(value: unknown): void {
  if (Array.isArray(value)) {
    if (value.length > arrayLength)
      throw new Error(`Array length is too long (${value.length} > maximum length ${arrayLength}).`);
    for (const item of value) checkArrays(item);
  } else if (typeof value === "object" && value !== null) {
    for (const field of Object.values(value)) checkArrays(field);
  }
}
