import { MigrationError, projectRow, type AnyCollection, type PlainRow } from "../../collections/index.js";
import type { MainState } from "../../shared/mainState.js";
import { ReplicaError } from "../base/errors.js";

/** A document's row, and as what it is stored. */
export interface ShownRow {
  /** Null: there is no document, or it cannot be migrated. */
  readonly row: PlainRow | null;
  /** `rowVersion` as in a stored document. */
  readonly stored: { readonly rowVersion?: number };
  readonly fault: ReplicaError | null;
}

/**
 * The row of a document as this app's definition has it. One that a step of `migrate` fails for is not shown, which is
 * told; its bytes are kept, and every app that opens the database tries anew.
 */
export function showRow(definition: AnyCollection, id: string, state: MainState): ShownRow {
  const { schemaVersion } = definition;
  try {
    const row = projectRow(definition, id, state);
    return { row, stored: schemaVersion === 1 ? {} : { rowVersion: schemaVersion }, fault: null };
  } catch (error) {
    if (!(error instanceof MigrationError)) throw error;
    const message = `${error.message} It is not shown, and nothing of it is lost: mend the step.`;
    return {
      row: null,
      stored: { rowVersion: 0 },
      fault: new ReplicaError("invalid_row", message, { cause: error }),
    };
  }
}
