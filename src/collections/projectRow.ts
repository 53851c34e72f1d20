import type { Value } from "convex/values";
import type { MainState } from "../shared/mainDocument.js";
import type { Field } from "./fields.js";
import { isPart, isRegister } from "./fields.js";
import { migrateState } from "./migrate.js";
import type { AnyCollection } from "./types.js";

/** A row as it is before its types are known: an id, registers, counters as numbers, sets as arrays. */
export type PlainRow = Readonly<{ id: string } & Record<string, Value>>;

/**
 * The row of a document: the fields that its definition names, of an older version migrated to the definition's, defaults
 * where a document lacks one. The same on the server and on every client. Null for a document that was never inserted,
 * or is deleted.
 *
 * @throws MigrationError
 */
export function projectRow(definition: AnyCollection, id: string, stored: MainState): PlainRow | null {
  if (stored.existence !== "present") return null;
  const state = migrateState(definition, id, stored);
  const fields = definition.fields as Record<string, Field>;
  // Plain assignments: this runs for every document of a first load. No field is named `__proto__`: see defineCollection.
  const row: Record<string, Value> & { id: string } = { id };
  for (const name of Object.keys(fields)) {
    const value = valueOf(definition, name, fields[name] as Field, state);
    if (value !== undefined) row[name] = value;
  }
  return row;
}

function valueOf(
  definition: AnyCollection,
  name: string,
  field: Field,
  { registers, counters, sets }: MainState,
): Value | undefined {
  if (isPart(field)) return undefined;
  if (!isRegister(field))
    return field.fieldKind === "counter" ? (counters.get(name) ?? 0) : [...(sets.get(name) ?? [])];
  if (registers.has(name)) return registers.get(name);
  return Object.hasOwn(definition.defaults, name) ? (definition.defaults[name] as Value) : undefined;
}
