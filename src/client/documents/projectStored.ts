import { isPart, type AnyCollection, type Field, type PlainRow } from "../../collections/index.js";
import { ReplicaError } from "../base/errors.js";
import { withPreviews } from "../core/previews.js";
import type { StoredDocument } from "../ports/storage.js";
import { stateOf } from "./merge.js";
import { showRow } from "./showRow.js";

/** Whether a stored row is what the definition makes of its document. */
export function isProjected({ schemaVersion }: AnyCollection, { rowVersion = 1 }: StoredDocument): boolean {
  return rowVersion === schemaVersion;
}

/** A document with the row that the definition makes of its base. One that cannot be read is not shown. */
export function projectStored(
  definition: AnyCollection,
  stored: StoredDocument,
): { readonly document: StoredDocument; readonly fault: ReplicaError | null } {
  const { row: old, rowVersion: _, ...document } = stored;
  try {
    const state = stateOf(stored.base);
    const { row: bare, stored: shown, fault } = showRow(definition, stored.id, state);
    const row = withOldPreviews(
      definition,
      withPreviews(definition, bare, stored.previews, state.incarnation),
      old,
    );
    return { document: { ...document, row, ...shown }, fault };
  } catch (cause) {
    const message = `Document "${stored.id}" of "${definition.name}" cannot be read: ${String(cause)}`;
    return {
      document: { ...document, row: null, rowVersion: 0 },
      fault: new ReplicaError("storage_corrupt", message, { cause }),
    };
  }
}

/** Where a row has previews that are not stored beside it they are taken over: it tells of the same state. */
function withOldPreviews(
  definition: AnyCollection,
  row: PlainRow | null,
  old: PlainRow | null,
): PlainRow | null {
  if (row === null || old === null) return row;
  const kept = Object.entries(definition.fields as Record<string, Field>).flatMap(([name, field]) =>
    isPart(field) && Object.hasOwn(old, name) && !Object.hasOwn(row, name)
      ? [[name, old[name]] as const]
      : [],
  );
  return kept.length === 0 ? row : ({ ...row, ...Object.fromEntries(kept) } as PlainRow);
}
