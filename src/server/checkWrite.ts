import {
  MigrationError,
  projectRow,
  scopeOf,
  validateFields,
  type AnyCollection,
  type Field,
  type PlainRow,
} from "../collections/index.js";
import { isRegister } from "../collections/fields.js";
import type { ErrorCode } from "../shared/errorCodes.js";
import { limits } from "../shared/limits.js";
import type { MainState, MainWrite } from "../shared/mainDocument.js";
import { faultOfStorage } from "./checkStorable.js";
import { checkVersion, type Making } from "./checkVersion.js";

/** A write that may be made, as far as its rows tell. */
export interface CheckedWrite {
  readonly type: "write";
  readonly change:
    | { readonly type: "insert"; readonly before: null; readonly after: PlainRow }
    | { readonly type: "update"; readonly before: PlainRow; readonly after: PlainRow }
    | { readonly type: "delete"; readonly before: PlainRow; readonly after: null };
  readonly scope: string;
  readonly previousScope: string | null;
}

/** `gap`: the update means another life of the document than the one it met; its sender authors it again. */
export type WriteCheck =
  | CheckedWrite
  | { readonly type: "gap" }
  | { readonly type: "refused"; readonly code: ErrorCode; readonly message: string };

/**
 * Judges a merged update by the states before and after it and by what it wrote: nothing the sender says about
 * it counts, but for the version of the definition that it was made with. Pure.
 *
 * @param made - default: by the definition's own version, on the state before, as the server's own writes are
 */
export function checkWrite(
  definition: AnyCollection,
  id: string,
  before: MainState,
  after: MainState,
  writes: readonly MainWrite[],
  made: Making = { schemaVersion: definition.schemaVersion, clocks: 0 },
): WriteCheck {
  const isOlder = made.schemaVersion < definition.schemaVersion;
  return (
    checkLife(id, before, after, writes) ??
    checkVersion(definition, id, before, after, writes, made) ??
    // What fields an older definition had is not known here; and of what it writes only what a step carries over is seen.
    (isOlder ? null : checkFields(definition, writes)) ??
    checkRows(definition, id, before, after)
  );
}

/**
 *     before   after             existence written?
 *     absent   absent, deleted                      unknown_document
 *     deleted  deleted           no                 unknown_document
 *     deleted  any               same incarnation   gap: inserted, or deleted, without knowing of the deletion
 *     present  present           same incarnation   exists: an insert of what is there
 *     any      any               another incarnation's counters or members: gap, they would have no effect
 *     any      any               lower incarnation  gap: it was inserted without knowing of later inserts
 *     any      any               far higher         invalid_update: nobody deletes and inserts so often at once
 */
function checkLife(
  id: string,
  before: MainState,
  after: MainState,
  writes: readonly MainWrite[],
): WriteCheck | null {
  const isStale = writes.some((write) => "incarnation" in write && write.incarnation !== after.incarnation);
  if (isStale || after.incarnation < before.incarnation) return { type: "gap" };
  if (after.incarnation - before.incarnation > limits.transactionOperations)
    return refused(
      "invalid_update",
      `The incarnation of "${id}" would jump from ${before.incarnation} to ${after.incarnation}.`,
    );
  const isRaised = after.incarnation > before.incarnation;
  const writesExistence = writes.some((write) => write.kind === "existence");
  if (before.existence === "deleted" && writesExistence && !isRaised) return { type: "gap" };
  if (before.existence !== "present" && after.existence !== "present")
    return refused("unknown_document", `There is no document "${id}": it was deleted, or never inserted.`);
  const isInsert = writesExistence && after.existence === "present";
  if (before.existence === "present" && isInsert && !isRaised)
    return refused("exists", `There is a document "${id}" already: it was inserted elsewhere first.`);
  return null;
}

function checkFields(definition: AnyCollection, writes: readonly MainWrite[]): WriteCheck | null {
  const fields = definition.fields as Record<string, Field>;
  for (const write of writes) {
    if (write.kind === "existence" || write.kind === "version") continue;
    const field = Object.hasOwn(fields, write.field) ? fields[write.field] : undefined;
    const shown = JSON.stringify(write.field.slice(0, 80));
    if (field === undefined)
      return refused("invalid_row", `Field ${shown}: collection "${definition.name}" has no such field.`);
    const kind = isRegister(field) ? "register" : field.fieldKind === "set" ? "member" : field.fieldKind;
    if (kind !== write.kind)
      return refused("invalid_row", `Field ${shown} is a ${kind}, and was written as a ${write.kind}.`);
  }
  return null;
}

function checkRows(definition: AnyCollection, id: string, before: MainState, after: MainState): WriteCheck {
  try {
    return checkRow(definition, id, projectRow(definition, id, before), projectRow(definition, id, after));
  } catch (error) {
    if (error instanceof MigrationError) return refused("invalid_row", error.message);
    throw error;
  }
}

function checkRow(
  definition: AnyCollection,
  id: string,
  before: PlainRow | null,
  after: PlainRow | null,
): WriteCheck {
  const row = after ?? before;
  if (row === null) return refused("unknown_document", `There is no document "${id}".`);
  const fault = after === null ? null : validateFields(definition, after);
  if (fault !== null) return refused("invalid_row", fault.message);
  const unstorable = after === null ? null : faultOfStorage(after);
  if (unstorable !== null) return refused(unstorable.code, unstorable.message);
  let scope: string;
  let previousScope: string | null;
  try {
    scope = scopeOf(definition, row);
    previousScope = before === null ? null : scopeOf(definition, before);
  } catch (error) {
    return refused("invalid_row", error instanceof Error ? error.message : String(error));
  }
  if (scope.length > limits.idLength)
    return refused(
      "invalid_row",
      `A scope has at most ${limits.idLength} characters, that of "${id}" has ${scope.length}.`,
    );
  return { type: "write", change: changeOf(before, after), scope, previousScope };
}

function changeOf(before: PlainRow | null, after: PlainRow | null): CheckedWrite["change"] {
  if (before === null) return { type: "insert", before, after: after as PlainRow };
  return after === null ? { type: "delete", before, after } : { type: "update", before, after };
}

function refused(code: ErrorCode, message: string): WriteCheck {
  return { type: "refused", code, message: message.slice(0, limits.messageLength) };
}
