// The edge of an import: rows are checked and written down as text, in chunks. Pure but for what a row's own iterables do.
import { convexToJson, type Value } from "convex/values";
import { isRegister, type Field } from "../collections/fields.js";
import type { AnyCollection } from "../collections/index.js";
import { describeValue, faultOfValue, isPlainObject } from "../collections/values.js";
import type { ImportChunk } from "../shared/importWire.js";
import { limits } from "../shared/limits.js";
import { faultOfId } from "./checkPush.js";
import { coded } from "./refuse.js";

/** A chunk, and how many bytes it is stored with. */
export type StagedChunk = ImportChunk & { readonly bytes: number };

/**
 * Rows as chunks that one transaction each can take in. Whether a row fits its definition is found there, and concerns
 * that row alone; here it is checked that it can be kept until then: it has an id, and holds what Convex can store.
 *
 * @throws ConvexError `invalid_row`, `too_large`, naming the first row that cannot be kept: nothing is imported then
 */
export function chunksOf(definition: AnyCollection, rows: readonly unknown[]): StagedChunk[] {
  if (!Array.isArray(rows))
    throw coded("invalid_row", `import takes an array of rows, got ${describeValue(rows)}.`);
  const chunks: StagedChunk[] = [];
  let open: string[] = [];
  let bytes = 2;
  const close = () => {
    if (open.length > 0) chunks.push({ count: open.length, rows: `[${open.join(",")}]`, bytes });
    [open, bytes] = [[], 2];
  };
  for (let index = 0; index < rows.length; index++) {
    const json = rowAsText(definition, rows[index], index);
    const size = sizeOf(json);
    if (size > limits.rowBytes)
      throw coded(
        "too_large",
        `${nameOf(rows[index], index)} has ${size} bytes as JSON; a row to import has at most ${limits.rowBytes}.`,
      );
    if (open.length === limits.importedRows || bytes + size + 1 > limits.chunkBytes) close();
    open.push(json);
    bytes += size + 1;
  }
  close();
  return chunks;
}

function rowAsText(definition: AnyCollection, row: unknown, index: number): string {
  if (!isPlainObject(row))
    throw coded("invalid_row", `Row ${index}: expected an object, got ${describeValue(row)}.`);
  const { id } = row;
  const fault =
    typeof id === "string"
      ? faultOfId("document id", id)
      : `expected a string as id, got ${describeValue(id)}.`;
  if (fault !== null) throw coded("invalid_row", `Row ${index}: ${fault}`);
  const fields = definition.fields as Record<string, Field>;
  const kept: [string, Value][] = [];
  for (const [name, given] of Object.entries(row)) {
    if (given === undefined) continue;
    const value = Object.hasOwn(fields, name) ? plain(fields[name] as Field, given) : given;
    const unstorable = faultOfValue(value, name);
    if (unstorable !== null) throw coded("invalid_row", `${nameOf(row, index)}: ${unstorable.message}`);
    kept.push([name, convexToJson(value as Value) as Value]);
  }
  return JSON.stringify(Object.fromEntries(kept));
}

/** Sets may be given as whatever lists their members. */
function plain(field: Field, value: unknown): unknown {
  const isList = typeof value === "object" && value !== null && Symbol.iterator in value;
  return !isRegister(field) && field.fieldKind === "set" && isList
    ? [...(value as Iterable<unknown>)]
    : value;
}

function nameOf(row: unknown, index: number): string {
  const { id } = row as { id: string };
  return `Row ${index} (${JSON.stringify(id.slice(0, 64))})`;
}

/** UTF-8. */
function sizeOf(text: string): number {
  return new TextEncoder().encode(text).length;
}
