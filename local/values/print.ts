// Values and validators as the backend prints them into messages: `Display` of ConvexValue and Validator in
// get-convex/convex-backend, crates/value/src/lib.rs and crates/common/src/schemas/validator.rs.
import { CommitTsPlaceholder, jsonToConvex, type JSONValue, type Value } from "convex/values";
import type { ValidatorJson } from "./validators.js";

/** The backend prints the whole value; a development server's log need not hold 16 MiB of it. */
const longestPrinted = 1_000;

export function printValue(value: Value | undefined): string {
  const text = print(value, longestPrinted);
  return text.length > longestPrinted ? `${text.slice(0, longestPrinted)}…` : text;
}

/** @param levels - deeper ones are left out: each has a bracket at least, so they would be cut off anyway */
function print(value: Value | undefined, levels: number): string {
  if (typeof value === "number") return printFloat(value);
  if (typeof value === "string") return JSON.stringify(value);
  if (value instanceof ArrayBuffer) return `b"${Buffer.from(value).toString("base64")}"`;
  if (value === null || typeof value !== "object" || value instanceof CommitTsPlaceholder)
    return String(value);
  if (levels === 0) return "…";
  if (Array.isArray(value)) return `[${value.map((item) => print(item, levels - 1)).join(", ")}]`;
  const shown = Object.keys(value)
    .sort()
    .filter((field) => value[field] !== undefined)
    .map((field) => `${field}: ${print(value[field], levels - 1)}`);
  return `{${shown.join(", ")}}`;
}

/** As Rust's `{:?}`: it always shows that it is a float, and has an exponent below 1e-4 and from 1e16 on. */
function printFloat(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (Object.is(value, -0)) return "-0.0";
  const size = Math.abs(value);
  if (size >= 1e16 || (size < 1e-4 && size > 0)) return value.toExponential().replace("e+", "e");
  return Number.isInteger(value) ? `${value}.0` : `${value}`;
}

export function printValidator(validator: ValidatorJson): string {
  switch (validator.type) {
    case "literal":
      return `v.literal(${printLiteral(literalOf(validator))})`;
    case "id":
      return `v.id("${validator.tableName}")`;
    case "array":
      return `v.array(${printValidator(validator.value)})`;
    case "union":
      return `v.union(${validator.value.map(printValidator).join(", ")})`;
    case "record":
      return `v.record(${printValidator(validator.keys)}, ${printValidator(validator.values.fieldType)})`;
    case "object":
      return `v.object({${Object.keys(validator.value)
        .sort()
        .map((field) => `${field}: ${printField(validator.value[field]!)}`)
        .join(", ")}})`;
    case "number":
      return "v.float64()";
    case "bigint":
      return "v.int64()";
    default:
      return `v.${validator.type}()`;
  }
}

function printField(field: { readonly fieldType: ValidatorJson; readonly optional: boolean }): string {
  const printed = printValidator(field.fieldType);
  return field.optional ? `v.optional(${printed})` : printed;
}

function printLiteral(value: Value): string {
  if (typeof value === "bigint") return "<bigint>";
  if (typeof value !== "number") return JSON.stringify(value);
  return Number.isFinite(value) ? printFloat(value) : "<number>";
}

/** An int64 and a number that JSON has no way of writing are exported as Convex JSON. */
export function literalOf(validator: Extract<ValidatorJson, { type: "literal" }>): Value {
  const { value } = validator;
  return typeof value === "object" ? jsonToConvex(value as JSONValue) : (value as Value);
}
