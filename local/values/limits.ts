// What values may be: docs.convex.dev/production/state/limits and docs.convex.dev/database/types. The messages are
// the backend's (get-convex/convex-backend, crates/value).
import { CommitTsPlaceholder, getConvexSize, type Value } from "convex/values";
import type { Document } from "../engine/engine.js";

const MiB = 1024 * 1024;
const documentBytes = MiB;
const callBytes = 16 * MiB;
const arrayLength = 8_192;
const fieldCount = 1_024;
const fieldNameLength = 1_024;
/** Of a document, and of what functions take and give: crates/common/src/document.rs, crates/value/src/size.rs. */
const documentNesting = 16;
const callNesting = 64;

/** @throws Error if a document is none that Convex stores */
export function checkDocument(document: Document): void {
  for (const name in document)
    if (name.startsWith("_") && name !== "_id" && name !== "_creationTime" && Object.hasOwn(document, name))
      throw new Error(
        `Field '${name}' starts with an underscore, which is only allowed for system fields like '_id'`,
      );
  if (!nests(document as Value, documentNesting)) throw tooNested(document as Value);
  const bytes = getConvexSize(document as Value);
  if (bytes > documentBytes)
    throw new Error(`Value is too large (${sizeOf(bytes)} > maximum size ${sizeOf(documentBytes)})`);
}

/**
 * @param path - of the function, `folder/file.js:name`, as messages name it
 * @throws Error if arguments or a result are larger, or deeper, than Convex passes on
 */
export function checkCallSize(what: "arguments" | "return value", value: Value, path?: string): void {
  if (!nests(value, callNesting)) throw tooNested(value);
  const bytes = getConvexSize(value);
  if (bytes <= callBytes) return;
  const sizes = `(actual: ${sizeOf(bytes)}, limit: ${sizeOf(callBytes)})`;
  throw new Error(
    what === "arguments"
      ? `Arguments${path === undefined ? "" : ` for ${path}`} are too large ${sizes}`
      : `Function${path === undefined ? "" : ` ${path}`} return value is too large ${sizes}`,
  );
}

/** @returns false: deeper than that. @throws Error if something in it is no value */
function nests(value: Value | undefined, levels: number): boolean {
  if (typeof value === "string" && /\p{Surrogate}/u.test(value))
    throw new Error("The string has an unpaired surrogate: strings must be valid Unicode");
  if (typeof value !== "object" || value === null) return true;
  if (value instanceof ArrayBuffer || value instanceof CommitTsPlaceholder) return true;
  if (levels === 0) return false;
  if (!Array.isArray(value)) return nestsFields(value, levels - 1);
  if (value.length > arrayLength)
    throw new Error(`Array length is too long (${value.length} > maximum length ${arrayLength})`);
  for (const item of value as Value[]) if (!nests(item, levels - 1)) return false;
  return true;
}

function nestsFields(fields: Readonly<Record<string, Value | undefined>>, levels: number): boolean {
  let count = 0;
  for (const name in fields) {
    if (!Object.hasOwn(fields, name) || fields[name] === undefined) continue;
    checkFieldName(name);
    count += 1;
  }
  if (count > fieldCount)
    throw new Error(`Object has too many fields (${count} > maximum number ${fieldCount})`);
  for (const name in fields) if (Object.hasOwn(fields, name) && !nests(fields[name], levels)) return false;
  return true;
}

/** The backend makes values from within, and stops at the first that is deeper than any may be. */
function tooNested(value: Value): Error {
  let depth = 0;
  for (let level: unknown[] = [value]; depth <= callNesting; depth += 1) {
    level = level.filter((each) => typeof each === "object" && each !== null);
    if (level.length === 0) break;
    level = level.flatMap((each) => Object.values(each as object) as unknown[]);
  }
  const [what, most] = depth > callNesting ? ["Value", callNesting] : ["Document", documentNesting];
  return new Error(`${what} is too nested (nested ${depth} levels deep > maximum nesting ${most})`);
}

/** crates/convex/sync_types/src/identifier.rs */
function checkFieldName(name: string): void {
  if (name === "__proto__") throw new Error("Field name __proto__ is reserved in JavaScript");
  if (name === "") throw new Error("Field name cannot be empty");
  if (name.startsWith("$")) throw new Error(`Field name ${name} starts with '$', which is reserved.`);
  const wrong = /[^\x20-\x7e]/u.exec(name);
  if (wrong !== null)
    throw new Error(
      `Field name ${name} has invalid character '${wrong[0]}': Field names can only contain non-control ASCII characters`,
    );
  if (name.length > fieldNameLength)
    throw new Error(`Field name is too long (${name.length} > maximum ${fieldNameLength})`);
}

/** At most two decimals, and none that say nothing, as the backend's humansize has it. */
function sizeOf(bytes: number): string {
  const [size, unit] =
    bytes < 1024 ? [bytes, "B"] : bytes < MiB ? [bytes / 1024, "KiB"] : [bytes / MiB, "MiB"];
  return `${Number(size.toFixed(2))} ${unit}`;
}
