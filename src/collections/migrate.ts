// Documents of older schema versions, as the definition's own version has them.
import type { Value } from "convex/values";
import type { MainState, Migration } from "../shared/mainDocument.js";
import type { Operation } from "../shared/operations.js";
import { isRegister, type Field } from "./fields.js";
import type { AnyCollection, OldRow } from "./types.js";
import { faultOfField } from "./validateRow.js";
import { cloneValue, describeValue, isPlainObject } from "./values.js";

/** A step of a definition's `migrate` that throws, or returns no patch of registers. Nothing was changed. */
export class MigrationError extends Error {
  override readonly name = "MigrationError";
}

type Registers = Map<string, Value>;

/**
 * A document's state as the definition's version has it: the steps from the version it is of, in order. One that is of
 * this version, or of a later one, stays as it is.
 *
 * @throws MigrationError
 */
export function migrateState(definition: AnyCollection, id: string, state: MainState): MainState {
  if (state.version >= definition.schemaVersion || state.existence !== "present") return state;
  const { registers } = migrateRegisters(definition, id, state.version, state.registers);
  return { ...state, version: definition.schemaVersion, registers };
}

/**
 * What a write has to bring with it that finds the document in an older version than the definition's. Of a document that
 * it inserts that is the version alone.
 *
 * @returns undefined: it is of this version, or the write deletes it
 * @throws MigrationError
 */
export function migrationOf(
  definition: AnyCollection,
  id: string,
  state: MainState,
  operations: readonly Operation[],
): Migration | undefined {
  const version = definition.schemaVersion;
  const existence = operations.filter(({ type }) => type === "insert" || type === "delete").at(-1);
  if (state.version >= version || existence?.type === "delete") return undefined;
  if (existence !== undefined) return { version, registers: new Map() };
  if (state.existence !== "present") return undefined;
  const { registers, patched } = migrateRegisters(definition, id, state.version, state.registers);
  return { version, registers: new Map([...patched].map((name) => [name, registers.get(name)])) };
}

/** Registers of version `from` in the definition's version; `patched`: those that a step has spoken of. @throws MigrationError */
export function migrateRegisters(
  definition: AnyCollection,
  id: string,
  from: number,
  old: ReadonlyMap<string, Value>,
): { readonly registers: Registers; readonly patched: ReadonlySet<string> } {
  const registers: Registers = new Map(old);
  const patched = new Set<string>();
  for (let to = from + 1; to <= definition.schemaVersion; to++) {
    const step = definition.migrate[to];
    if (step === undefined) continue;
    const fail = (reason: string, options?: ErrorOptions) =>
      new MigrationError(`migrate[${to}] of "${definition.name}" ${reason}, for document "${id}".`, options);
    for (const [name, value] of runStep(
      definition,
      step,
      Object.freeze({ id, ...Object.fromEntries(registers) }),
      fail,
    )) {
      patched.add(name);
      if (value === undefined) registers.delete(name);
      else registers.set(name, cloneValue(value));
    }
  }
  return { registers, patched };
}

type Fail = (reason: string, options?: ErrorOptions) => MigrationError;

function runStep(
  definition: AnyCollection,
  step: (old: OldRow) => unknown,
  old: OldRow,
  fail: Fail,
): [string, Value | undefined][] {
  let patch: unknown;
  try {
    patch = step(old);
  } catch (cause) {
    throw fail(`threw: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
  if (!isPlainObject(patch)) throw fail(`returned no patch but ${describeValue(patch)}`);
  const fields = definition.fields as Record<string, Field>;
  for (const [name, value] of Object.entries(patch)) {
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
    const shown = JSON.stringify(name.slice(0, 80));
    if (field === undefined) throw fail(`patches ${shown}, which is no field of the collection`);
    if (!isRegister(field))
      throw fail(`patches ${shown}, which is a ${field.fieldKind}; it may patch registers`);
    const isCleared = value === undefined && Object.hasOwn(definition.defaults, name);
    const fault = isCleared ? null : faultOfField(field, value, name);
    if (fault !== null) throw fail(`returned what does not fit. ${fault.message.replace(/\.$/, "")}`);
  }
  return Object.entries(patch) as [string, Value | undefined][];
}
