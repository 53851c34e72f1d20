import { isPart, isRegister, type Field } from "../../collections/fields.js";
import type { AnyCollection, PlainRow } from "../../collections/index.js";
import { canonicalJson, isSameValue } from "../../shared/canonicalJson.js";
import type { Operation, Primitive } from "../../shared/operations.js";
import type { Value } from "convex/values";

/**
 * What a row looks like once `operations` are applied: the same as if they were authored into the document and
 * the row projected again (a property test holds the two together), without any document.
 *
 * @param row null: the document is not there, and only an insert changes that
 */
export function applyToRow(
  definition: AnyCollection,
  id: string,
  row: PlainRow | null,
  operations: readonly Operation[],
): PlainRow | null {
  return operations.reduce((current, operation) => applyOne(definition, id, current, operation), row);
}

/** Whether two rows are equal by content. Where they share values it does not look into them. */
export function isSameRow(a: PlainRow, b: PlainRow): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => isSameValue(a[name], b[name]));
}

function applyOne(
  definition: AnyCollection,
  id: string,
  row: PlainRow | null,
  operation: Operation,
): PlainRow | null {
  if (operation.type === "insert") return insertedRow(definition, id, row, operation.fields);
  if (operation.type === "delete" || row === null) return null;
  const { field } = operation;
  if (!Object.hasOwn(definition.fields as object, field)) return row; // an app of another version has written it
  switch (operation.type) {
    case "set":
      return withField(row, field, operation.value ?? defaultOf(definition, field));
    case "increment":
      return withField(row, field, ((row[field] as number | undefined) ?? 0) + operation.by);
    case "add":
    case "remove": {
      const members = (row[field] as Primitive[] | undefined) ?? [];
      return withField(row, field, withMember(members, operation.member, operation.type === "add"));
    }
  }
}

/** An insert replaces the registers; counters and sets begin anew only where there was no document. */
function insertedRow(
  definition: AnyCollection,
  id: string,
  before: PlainRow | null,
  inserted: Readonly<Record<string, Value>>,
): PlainRow {
  const entries: [string, Value][] = [["id", id]];
  for (const [name, field] of Object.entries(definition.fields as Record<string, Field>)) {
    if (isPart(field)) continue;
    const value = isRegister(field)
      ? Object.hasOwn(inserted, name)
        ? inserted[name]
        : defaultOf(definition, name)
      : (before?.[name] ?? (field.fieldKind === "counter" ? 0 : []));
    if (value !== undefined) entries.push([name, value]);
  }
  return Object.fromEntries(entries) as PlainRow;
}

function defaultOf(definition: AnyCollection, name: string): Value | undefined {
  return Object.hasOwn(definition.defaults, name) ? (definition.defaults[name] as Value) : undefined;
}

function withField(row: PlainRow, field: string, value: Value | undefined): PlainRow {
  if (value !== undefined) return { ...row, [field]: value };
  const { [field]: _, ...others } = row;
  return others as PlainRow;
}

/** Members stand in the order of their canonical JSON, as in a projected row. */
function withMember(members: readonly Primitive[], member: Primitive, isAdded: boolean): Primitive[] {
  const key = canonicalJson(member);
  const keyed = new Map(members.map((each) => [canonicalJson(each), each]));
  if (isAdded) keyed.set(key, member);
  else keyed.delete(key);
  return [...keyed.keys()].sort().map((each) => keyed.get(each) as Primitive);
}
