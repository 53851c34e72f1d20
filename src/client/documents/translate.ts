// What an older version of the app has written and not yet sent, as the definition's own version would have written it.
import type { Value } from "convex/values";
import { keyOf } from "../core/keys.js";
import { isRegister, type Field } from "../../collections/fields.js";
import { MigrationError, migrateRegisters, type AnyCollection } from "../../collections/index.js";
import { isSameValue } from "../../shared/canonicalJson.js";
import type { Operation } from "../../shared/operations.js";
import type { AuthoredGroup, OutboxEntry, StoredChange } from "../ports/storage.js";
import { stateOf } from "./merge.js";

type Registers = ReadonlyMap<string, Value>;
/** A document's registers, and of which schema version they are. */
interface Registered {
  readonly version: number;
  readonly registers: Registers;
}
type Definitions = ReadonlyMap<string, AnyCollection>;

/** Whether something in it was made with an older version than that of its definition. */
export function isOlder({ transaction }: OutboxEntry, definitions: Definitions): boolean {
  return transaction.changes.some(({ collection, schemaVersion = 1 }) => {
    const definition = definitions.get(collection);
    return definition !== undefined && schemaVersion < definition.schemaVersion;
  });
}

/**
 * Translates an outbox. An operation means what it changes: its document is migrated as it was before the operation and as
 * it was after, and what differs is what is written now. So a field that was renamed, or counts in another unit, is written
 * under its new name and in its new unit, whatever became of the document elsewhere; and a field that no step carries over
 * is written no more, as it is shown no more.
 *
 * Where the document was migrated before the operation was translated, its older registers are taken to be those that no
 * step writes, and those that the change remembers.
 *
 * A transaction for which a step fails has failed, with what it holds as it was made. Bytes that were authored of a
 * transaction stay as they are.
 *
 * @param baseOf a document's confirmed state on this device
 * @returns the entries, those of the definitions' versions as they were
 */
export function translateOutbox(
  entries: readonly OutboxEntry[],
  groups: readonly AuthoredGroup[],
  definitions: Definitions,
  baseOf: (collection: string, id: string) => Uint8Array | undefined,
): OutboxEntry[] {
  const documents = new Map<string, Registered>();
  const authored = new Set(groups.flatMap(({ transactions }) => transactions));
  return entries.map((entry) => {
    const { transaction } = entry;
    const after = new Map<string, Registered>();
    try {
      const changes = transaction.changes.map((change) => {
        const { collection, id, schemaVersion = 1 } = change;
        const definition = definitions.get(collection);
        if (definition === undefined || schemaVersion > definition.schemaVersion) return change;
        const key = keyOf(collection, id);
        const found = after.get(key) ?? documents.get(key) ?? registered(baseOf(collection, id));
        const before = registersAt(definition, change, found);
        after.set(key, {
          version: schemaVersion,
          registers: change.operations.reduce(registersAfter, before),
        });
        if (schemaVersion === definition.schemaVersion) return change;
        return translateChange({ definition, change, isLate: found.version > schemaVersion }, before);
      });
      // What has failed is not part of what later ones were made on.
      if (transaction.failure === undefined) for (const [key, each] of after) documents.set(key, each);
      return isOlder(entry, definitions) ? { ...entry, transaction: { ...transaction, changes } } : entry;
    } catch (error) {
      if (!(error instanceof MigrationError)) throw error;
      if (transaction.failure !== undefined || authored.has(transaction.id)) return entry;
      const failure = { code: "invalid_row", message: error.message } as const;
      return { ...entry, transaction: { ...transaction, failure } };
    }
  });
}

function registered(base: Uint8Array | undefined): Registered {
  return base === undefined ? { version: 1, registers: new Map() } : stateOf(base);
}

interface OlderChange {
  readonly definition: AnyCollection;
  readonly change: StoredChange;
  /** The document was migrated by somebody else before this could be. */
  readonly isLate: boolean;
}

/** @param registers that the change was made on. @throws MigrationError */
function translateChange(older: OlderChange, registers: Registers): StoredChange {
  const { definition, change } = older;
  const operations: Operation[] = [];
  let so = registers;
  for (const operation of change.operations) {
    operations.push(...translateOperation(older, operation, so));
    so = registersAfter(so, operation);
  }
  const { schemaVersion } = definition;
  if (change.before === undefined) return { ...change, operations, schemaVersion };
  const before = translateBefore(older, registers, operations);
  return { ...change, operations, schemaVersion, before };
}

function translateOperation(older: OlderChange, operation: Operation, registers: Registers): Operation[] {
  const { definition, change, isLate } = older;
  if (operation.type === "delete") return [operation];
  if (operation.type === "insert") {
    const fields = registersOf(definition, migrated(older, registersAfter(registers, operation)));
    return [{ type: "insert", fields: Object.fromEntries(fields) }];
  }
  const kind = kindOf(definition, operation.field);
  if (operation.type === "increment") return kind === "counter" ? [operation] : [];
  if (operation.type !== "set") return kind === "set" ? [operation] : [];
  const [from, to] = [registers, registersAfter(registers, operation)].map((each) => migrated(older, each));
  const sets = setsBetween(definition, from as Registers, to as Registers);
  if (sets.length === 0 && kind !== "register" && isLate)
    throw new MigrationError(
      `Field "${operation.field}" was written with an older version of "${definition.name}", and document "${change.id}" was migrated to a newer one before: no step of migrate says what the write comes to.`,
    );
  return sets;
}

/** What the fields that are changed held before; of what is deleted, all of them. */
function translateBefore(
  older: OlderChange,
  registers: Registers,
  operations: readonly Operation[],
): NonNullable<StoredChange["before"]> {
  const { definition, change } = older;
  const isLife = operations.some(({ type }) => type === "insert" || type === "delete");
  const touched = new Set(operations.flatMap((each) => ("field" in each ? [each.field] : [])));
  const now = registersOf(definition, migrated(older, registers));
  const others = Object.entries(change.before ?? {}).filter(([name]) =>
    ["counter", "set"].includes(kindOf(definition, name) ?? ""),
  );
  return Object.fromEntries([...others, ...now.filter(([name]) => isLife || touched.has(name))]);
}

function migrated({ definition, change }: OlderChange, registers: Registers): Registers {
  return migrateRegisters(definition, change.id, change.schemaVersion ?? 1, registers).registers;
}

/** The registers that a change was made on, in the version that it was made with, as far as they are known. */
function registersAt(definition: AnyCollection, change: StoredChange, document: Registered): Registers {
  const { id, schemaVersion: made = 1, before = {} } = change;
  const { version, registers } = document;
  if (version > made) {
    const { patched } = migrateRegisters(definition, id, made, registers);
    return new Map([...[...registers].filter(([name]) => !patched.has(name)), ...Object.entries(before)]);
  }
  const known =
    version === made
      ? registers
      : migrateRegisters({ ...definition, schemaVersion: made }, id, version, registers).registers;
  return withWritten(known, change);
}

/** What it writes was as it remembers, whatever others have made of it since, and what it was made on has come to. */
function withWritten(registers: Registers, { before, operations }: StoredChange): Registers {
  if (before === undefined) return registers;
  const written = operations.flatMap((each) => (each.type === "set" ? [each.field] : []));
  const others = [...registers].filter(([name]) => !written.includes(name));
  const own = Object.entries(before).filter(([name]) => written.includes(name));
  return new Map([...others, ...own]);
}

function registersAfter(registers: Registers, operation: Operation): Registers {
  switch (operation.type) {
    case "insert":
      return new Map(Object.entries(operation.fields));
    case "delete":
      return new Map();
    case "set": {
      const after = new Map(registers);
      if (operation.value === undefined) after.delete(operation.field);
      else after.set(operation.field, operation.value);
      return after;
    }
    default:
      return registers;
  }
}

function setsBetween(definition: AnyCollection, from: Registers, to: Registers): Operation[] {
  return Object.keys(definition.fields as object).flatMap((field): Operation[] =>
    kindOf(definition, field) === "register" && !isSameValue(from.get(field), to.get(field))
      ? [{ type: "set", field, value: to.get(field) }]
      : [],
  );
}

function registersOf(definition: AnyCollection, registers: Registers): [string, Value][] {
  return [...registers].filter(([name]) => kindOf(definition, name) === "register");
}

function kindOf({ fields }: AnyCollection, name: string) {
  const field = Object.hasOwn(fields as object, name) ? (fields as Record<string, Field>)[name] : undefined;
  if (field === undefined) return undefined;
  return isRegister(field) ? ("register" as const) : field.fieldKind;
}
