import type { AnyCollection } from "../collections/index.js";
import type { MainState, MainWrite } from "../shared/mainDocument.js";
import type { WriteCheck } from "./checkWrite.js";

/** Under which version of the definition an update was made, and how many clocks the state has that it met. */
export interface Making {
  readonly schemaVersion: number;
  readonly clocks: number;
}

/**
 * Whether an update may have been made under the version that its sender tells of. Pure.
 *
 *     document is of   update says              then
 *     a later version  anything                 schema_too_new: its sender would not know what it writes over; no outcome
 *     the same         nothing of versions      may be
 *     any other        it migrates to this one  may be, if it was made of all that is here; gap if not
 *     an older one     nothing of versions      invalid_update, unless it leaves no document
 *
 * That an update was made of all that is here is told by how many clocks its author saw: what a client knows of a document
 * is part of what the server holds, so that as many are the same.
 *
 * So of all that migrate one document at the same time exactly one is accepted, and that one has seen every write before
 * it: what others wrote is never hidden by a migration that did not know of it, whichever author ids they have.
 */
export function checkVersion(
  { name, schemaVersion: known }: AnyCollection,
  id: string,
  before: MainState,
  after: MainState,
  writes: readonly MainWrite[],
  { schemaVersion, clocks }: Making,
): WriteCheck | null {
  if (before.version > schemaVersion)
    return refused(
      "schema_too_new",
      `Document "${id}" of "${name}" is of version ${before.version}, and the change was made with version ${schemaVersion}${known < before.version ? ", the server's" : ""}.`,
    );
  const raised = writes.flatMap((write) => (write.kind === "version" ? [write] : []));
  if (raised.some(({ version }) => version !== schemaVersion))
    return refused(
      "invalid_update",
      `The update makes "${id}" another version than ${schemaVersion}, with which it was made.`,
    );
  if (raised.some((each) => each.clocks !== clocks)) return { type: "gap" };
  if (after.existence === "present" && after.version < schemaVersion)
    return refused(
      "invalid_update",
      `The update writes "${id}" as of version ${schemaVersion}, and leaves it of version ${after.version}.`,
    );
  return null;
}

function refused(code: "schema_too_new" | "invalid_update", message: string): WriteCheck {
  return { type: "refused", code, message };
}
