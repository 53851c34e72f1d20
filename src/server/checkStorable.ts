import { getConvexSize, type Value } from "convex/values";
import type { PlainRow } from "../collections/index.js";
import type { ErrorCode } from "../shared/errorCodes.js";
import { limits } from "../shared/limits.js";

type Fault = { readonly code: ErrorCode; readonly message: string };

/**
 * Why Convex would refuse to store a row that its definition allows, or null. Convex's own error has no code and
 * takes the whole push with it; found here, it concerns one transaction. Sets are arrays in a row, so they are
 * bounded by this too.
 */
export function faultOfStorage(row: PlainRow): Fault | null {
  for (const [name, value] of Object.entries(row)) {
    const fault = faultOfValue(value, name, 1);
    if (fault !== null) return fault;
  }
  const size = getConvexSize(row as unknown as Value);
  if (size <= limits.rowBytes) return null;
  return {
    code: "too_large",
    message: `Row "${row.id}" would have ${size} bytes; a row has at most ${limits.rowBytes}.`,
  };
}

function faultOfValue(value: Value, field: string, depth: number): Fault | null {
  if (typeof value === "string" && /\p{Cs}/u.test(value))
    return { code: "invalid_row", message: `Field "${field}": a text in it holds half of a surrogate pair.` };
  if (typeof value !== "object" || value === null || value instanceof ArrayBuffer) return null;
  const members: (Value | undefined)[] = Array.isArray(value) ? value : Object.values(value);
  const most = Array.isArray(value) ? limits.arrayLength : limits.objectFields;
  if (members.length > most)
    return {
      code: "too_large",
      message: `Field "${field}" has ${members.length} elements; there may be ${most} at most.`,
    };
  if (depth > limits.valueDepth)
    return {
      code: "invalid_row",
      message: `Field "${field}" is nested deeper than ${limits.valueDepth} levels.`,
    };
  for (const member of members) {
    const fault = member === undefined ? null : faultOfValue(member, field, depth + 1);
    if (fault !== null) return fault;
  }
  return null;
}
