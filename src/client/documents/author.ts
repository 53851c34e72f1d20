import type { ErrorCode } from "../../shared/errorCodes.js";
import { authorUpdate, clockOf, type AuthoredUpdate } from "../../shared/document.js";
import { readMain, type MainState } from "../../shared/mainDocument.js";
import type { Operation } from "../../shared/operations.js";
import {
  MigrationError,
  migrationOf,
  projectRow,
  type AnyCollection,
  type PlainRow,
} from "../../collections/index.js";
import { collapse } from "../core/collapse.js";
import { openBase } from "./base.js";

/** `unchanged`: the operations change nothing, there is nothing to send. `refused`: they cannot be made. */
export type AuthorOutcome =
  | { readonly type: "authored"; readonly update: AuthoredUpdate }
  | { readonly type: "unchanged" }
  | { readonly type: "refused"; readonly code: ErrorCode; readonly message: string };

/** As what operations are authored. */
export interface AuthorAs {
  readonly definition: AnyCollection;
  /** Finds the operations on the row that they are to change. @throws Error if there are none that could be made */
  operationsOn?(row: PlainRow | null): readonly Operation[];
}

/**
 * Turns a document's operations into one Yjs update under this database's author id. What is of an older schema version
 * is migrated in the same update.
 *
 * @param blobs the base, and every authored update still in the outbox, answered or not: what the server will
 * have merged by the time it meets this update
 * @param as default: as a collection that this app does not know
 */
export function authorDocument(
  id: string,
  blobs: readonly Uint8Array[],
  author: number,
  operations: readonly Operation[],
  as?: AuthorAs,
): AuthorOutcome {
  const doc = openBase(blobs);
  const state = readMain(doc);
  const isPresent = state.existence === "present";
  const first = operations[0]?.type;
  if (first === undefined) return { type: "unchanged" };
  // Deleted by others as well: what was wanted is so.
  if (!isPresent && operations.every((operation) => operation.type === "delete"))
    return { type: "unchanged" };
  if (first === "insert" && isPresent)
    return refused("exists", `A document with the id "${id}" was inserted elsewhere before this one.`);
  if (first !== "insert" && !isPresent)
    return refused("unknown_document", `Document "${id}" was deleted before this change reached it.`);
  try {
    const rebased = rebasedOn(as, id, state, operations);
    const migration = as && migrationOf(as.definition, id, state, rebased);
    const update = authorUpdate(doc, author, rebased, migration);
    return update === null ? { type: "unchanged" } : { type: "authored", update };
  } catch (error) {
    if (error instanceof RebaseError || error instanceof MigrationError)
      return refused("invalid_row", error.message);
    throw error;
  }
}

/** The next clock of `author` in a document's state. */
export function clockIn(base: Uint8Array, author: number): number {
  return clockOf(openBase([base]), author);
}

function refused(code: ErrorCode, message: string): AuthorOutcome {
  return { type: "refused", code, message };
}

class RebaseError extends Error {}

/** The app's own function may throw: then this transaction fails, and nothing else. */
function rebasedOn(
  as: AuthorAs | undefined,
  id: string,
  state: MainState,
  operations: readonly Operation[],
): readonly Operation[] {
  if (as?.operationsOn === undefined) return operations;
  const row = projectRow(as.definition, id, state);
  try {
    return collapse(as.operationsOn(row));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new RebaseError(`The change of "${id}" could not be merged: ${reason}`);
  }
}
