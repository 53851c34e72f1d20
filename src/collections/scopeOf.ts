import { isRegister, type Field } from "./fields.js";
import type { AnyCollection } from "./types.js";
import { describeValue } from "./values.js";

/**
 * The scope of a row: what the definition's scope function answers for its id and registers, `""` if there is none.
 *
 * @throws TypeError if the scope function answers anything but a string
 */
export function scopeOf(definition: AnyCollection, row: Readonly<Record<string, unknown>>): string {
  if (!definition.scope) return "";
  const fields = Object.entries(definition.fields as Record<string, Field>);
  const names = ["id", ...fields.flatMap(([name, field]) => (isRegister(field) ? [name] : []))];
  const present = names.filter((name) => Object.hasOwn(row, name));
  const scope: unknown = definition.scope(Object.fromEntries(present.map((name) => [name, row[name]])));
  if (typeof scope === "string") return scope;
  throw new TypeError(
    `The scope function of "${definition.name}" must return a string; for document ${describeValue(row["id"])} it returned ${describeValue(scope)}.`,
  );
}
