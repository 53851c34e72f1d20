import { v, type GenericValidator } from "convex/values";
import { isPart, isRegister, type Field, type Fields, type RichTextField, type TextField } from "./fields.js";
import type {
  CollectionDefinition,
  OldRow,
  PatchOfFields,
  RegistersOfFields,
  RowValidator,
} from "./types.js";
import { faultOfField } from "./validateRow.js";
import { describeValue, faultOfName } from "./values.js";

type Reserved<F> = {
  [K in keyof F]: K extends "id" | `_${string}` | `$${string}` ? "this field name is reserved" : F[K];
};

/** The second argument of {@link defineCollection}. */
export interface CollectionOptions<F extends Fields, D, R extends string> {
  /** Convex validators make registers; `field.counter()`, `field.set(…)` and texts merge concurrent changes. */
  fields: F & Reserved<F>;
  /** Registers that an insert may omit; also used for documents stored without the field, after they were migrated. */
  defaults?: D;
  /** The one scope of a document, from its id and registers. Pure. Omitted: all documents are in scope `""`. */
  scope?: (row: Readonly<RegistersOfFields<F>>) => R;
  /**
   * A positive integer, 1 if omitted; to be raised with every change of `fields` or `defaults`. Apps and servers of an older
   * version than a document's do not write it: `schema_too_new`.
   */
  schemaVersion?: number;
  /**
   * Steps, by the version that each leads to: from a document's id and registers as they are stored, to those that are
   * different in that version (`undefined` clears one). Pure, and of registers of these `fields` only. Run wherever a document
   * of an older version becomes a row; stored with its next write. One that throws, or returns anything else, hides the
   * document until it is mended. See docs/schema-versions.md.
   *
   * @example `migrate: { 2: (old) => ({ population: old.population ?? old.people ?? 0 }) }`
   */
  migrate?: { [to: number]: (old: OldRow) => PatchOfFields<F> };
}

/**
 * Defines a collection of replicated documents, for the server and the browser alike.
 *
 * @param name unique among the app's collections
 * @throws Error if a name, validator, default or version cannot be used; it says which
 *
 * @example
 * ```ts
 * export const sites = defineCollection("sites", {
 *   fields: { name: v.string(), country: v.string(), visits: field.counter(), tags: field.set(v.string()) },
 *   scope: (row) => row.country,
 * });
 * ```
 */
export function defineCollection<
  const Name extends string,
  F extends Fields,
  const D extends Partial<RegistersOfFields<NoInfer<F>>> = Record<never, never>,
  R extends string = never,
>(
  name: Name,
  options: CollectionOptions<F, D, R>,
): CollectionDefinition<Name, F, keyof D & string, [R] extends [never] ? false : true> {
  const problem = faultOfName(name);
  if (problem) throw new Error(`Collection ${JSON.stringify(name)}: the name ${problem}.`);
  const refuse = (reason: string) => new Error(`Collection "${name}": ${reason}.`);
  const fields = options.fields as Fields;
  const { defaults = {}, scope, schemaVersion = 1, migrate = {} } = options;
  checkFields(fields, refuse);
  checkDefaults(fields, defaults, refuse);
  checkVersions(schemaVersion, migrate, refuse);
  if (scope !== undefined && typeof scope !== "function")
    throw refuse(`scope must be a function, got ${describeValue(scope)}`);
  return {
    name,
    fields: options.fields as F,
    row: rowValidator(fields) as unknown as RowValidator<F>,
    defaults: defaults as OldRow,
    scope,
    schemaVersion,
    migrate: migrate as CollectionDefinition["migrate"],
  };
}

type Refuse = (reason: string) => Error;

function rowValidator(fields: Fields): GenericValidator {
  const entries = Object.entries(fields).flatMap(([name, field]) =>
    isPart(field) ? [] : [[name, validatorOf(field)] as const],
  );
  return v.object({ id: v.string(), ...Object.fromEntries(entries) });
}

function validatorOf(field: Exclude<Field, TextField | RichTextField>): GenericValidator {
  if (isRegister(field)) return field;
  return field.fieldKind === "counter" ? v.number() : v.array(field.member);
}

function checkFields(fields: Fields, refuse: Refuse): void {
  for (const [name, field] of Object.entries(fields)) {
    if (name === "id") throw refuse('a field cannot be named "id": every document has one already');
    const problem = faultOfName(name);
    if (problem) throw refuse(`the field name ${problem}`);
    if (!isField(field)) throw refuse(`field "${name}" is no validator and no field kind`);
    if (isRegister(field) && hasCommitTs(field))
      throw refuse(`field "${name}" uses v.commitTs(), which only a server can fill in`);
    if (!isRegister(field) && field.fieldKind === "set" && !isPrimitive(field.member as GenericValidator))
      throw refuse(`the members of set "${name}" must be strings, numbers or booleans`);
  }
}

function isField(field: unknown): field is Field {
  if (typeof field !== "object" || field === null) return false;
  if ("isConvexValidator" in field) return true;
  return (
    "fieldKind" in field && ["counter", "set", "text", "richText"].some((kind) => kind === field.fieldKind)
  );
}

function hasCommitTs(validator: GenericValidator): boolean {
  const inner: unknown[] = [];
  if (validator.kind === "array") inner.push(validator.element);
  if (validator.kind === "object") inner.push(...Object.values(validator.fields as object));
  if (validator.kind === "record") inner.push(validator.value);
  if (validator.kind === "union") inner.push(...(validator.members as unknown[]));
  return validator.kind === "commitTs" || inner.some((each) => hasCommitTs(each as GenericValidator));
}

function isPrimitive(validator: GenericValidator): boolean {
  if (validator.isOptional === "optional") return false;
  if (validator.kind === "literal") return typeof validator.value !== "bigint";
  if (validator.kind === "union") return (validator.members as GenericValidator[]).every(isPrimitive);
  return ["string", "float64", "boolean", "id"].includes(validator.kind);
}

function checkDefaults(fields: Fields, defaults: object, refuse: Refuse): void {
  for (const [name, value] of Object.entries(defaults)) {
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (!field) throw refuse(`the default "${name}" names no field`);
    if (!isRegister(field)) throw refuse(`${field.fieldKind} "${name}" cannot have a default`);
    const fault = faultOfField(field, value, name);
    if (fault) throw refuse(`the default does not fit. ${fault.message.replace(/\.$/, "")}`);
  }
}

function checkVersions(version: number, migrate: object, refuse: Refuse): void {
  if (!Number.isSafeInteger(version) || version < 1)
    throw refuse(`schemaVersion must be a positive integer, got ${describeValue(version)}`);
  for (const [to, patch] of Object.entries(migrate)) {
    const number = Number(to);
    if (!Number.isSafeInteger(number) || number < 2 || number > version)
      throw refuse(`migrate has a step to version ${to}; steps lead to 2 … schemaVersion (${version})`);
    if (typeof patch !== "function")
      throw refuse(`migrate[${to}] must be a function, got ${describeValue(patch)}`);
  }
}
