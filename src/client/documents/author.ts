import type { ErrorCode } from "../../shared/errorCodes.js";
import { authorUpdate, clockOf, openDocument, type AuthoredUpdate } from "../../shared/document.js";
import { readMain } from "../../shared/mainDocument.js";
import type { Operation } from "../../shared/operations.js";
import { projectRow, type AnyCollection, type PlainRow } from "../../collections/index.js";
import { collapse } from "../core/collapse.js";

/** `unchanged`: the operations change nothing, there is nothing to send. `refused`: they cannot be made. */
export type AuthorOutcome =
  | { readonly type: "authored"; readonly update: AuthoredUpdate }
  | { readonly type: "unchanged" }
  | { readonly type: "refused"; readonly code: ErrorCode; readonly message: string };

/** Operations that are found on the row that they are to change. */
export interface Rebase {
  readonly definition: AnyCollection;
  /** @throws Error if there are none that could be made */
  operationsOn(row: PlainRow | null): readonly Operation[];
}

/**
 * Turns a document's operations into one Yjs update under this database's author id.
 *
 * @param blobs the base, and every authored update still in the outbox, answered or not: what the server will
 * have merged by the time it meets this update
 * @param rebase what takes the place of `operations` where the document is there
 */
export function authorDocument(
  id: string,
  blobs: readonly Uint8Array[],
  author: number,
  operations: readonly Operation[],
  rebase?: Rebase,
): AuthorOutcome {
  const doc = openDocument(blobs);
  const isPresent = readMain(doc).existence === "present";
  const first = operations[0]?.type;
  if (first === undefined) return { type: "unchanged" };
  // Deleted by others as well: what was wanted is so.
  if (!isPresent && operations.every((operation) => operation.type === "delete"))
    return { type: "unchanged" };
  if (first === "insert" && isPresent)
    return refused("exists", `A document with the id "${id}" was inserted elsewhere before this one.`);
  if (first !== "insert" && !isPresent)
    return refused("unknown_document", `Document "${id}" was deleted before this change reached it.`);
  const rebased =
    rebase === undefined ? operations : rebasedOn(rebase, projectRow(rebase.definition, id, readMain(doc)));
  if (rebased instanceof Error)
    return refused("invalid_row", `The change of "${id}" could not be merged: ${rebased.message}`);
  const update = authorUpdate(doc, author, rebased);
  return update === null ? { type: "unchanged" } : { type: "authored", update };
}

/** The next clock of `author` in a document's state. */
export function clockIn(base: Uint8Array, author: number): number {
  return clockOf(openDocument([base]), author);
}

function refused(code: ErrorCode, message: string): AuthorOutcome {
  return { type: "refused", code, message };
}

/** The app's own function may throw: then this transaction fails, and nothing else. */
function rebasedOn(rebase: Rebase, row: PlainRow | null): readonly Operation[] | Error {
  try {
    return collapse(rebase.operationsOn(row));
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
