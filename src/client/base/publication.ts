import type { PlainRow } from "../../collections/index.js";
import type { OutboxEntry, StoredAttempt, StoredDocument, StoredFailure } from "../ports/storage.js";

/** Where a transaction stands, as the leader knows it; `queued` is derived from others by whoever asks. */
export type Phase =
  | { readonly type: "waiting" | "persisting" | "persisted_awaiting_sync" | "completed" }
  | { readonly type: "failed"; readonly failure: StoredFailure };

/**
 * What a leader tells every tab, its own included, in one step: new confirmed rows, the operations that these
 * rows contain, and where transactions stand. Shown whole or not at all, so that no row flickers (I-7).
 */
export interface Publication {
  /** Null: not there, or deleted. */
  readonly rows: readonly {
    readonly collection: string;
    readonly id: string;
    readonly row: PlainRow | null;
    /** Which of its lives it is in; absent: the first. */
    readonly incarnation?: number;
  }[];
  /** The operations of `transaction` on the document leave the overlay. */
  readonly covered: readonly {
    readonly transaction: string;
    readonly collection: string;
    readonly id: string;
  }[];
  /** `attempts`: all that are remembered; absent: as before. */
  readonly transactions: readonly {
    readonly id: string;
    readonly phase: Phase;
    readonly attempts?: readonly StoredAttempt[];
  }[];
  /** Imports that are done; so many documents have arrived. */
  readonly bulks?: readonly {
    readonly collection: string;
    readonly scope: string;
    readonly count: number;
  }[];
}

/** A stored document as it is told of. */
export function toShownRow({
  collection,
  id,
  row,
  incarnation,
}: StoredDocument): Publication["rows"][number] {
  return { collection, id, row, ...(incarnation === undefined ? {} : { incarnation }) };
}

export const emptyPublication: Publication = { rows: [], covered: [], transactions: [] };

export function joinPublications(a: Publication, b: Publication): Publication {
  return {
    rows: [...a.rows, ...b.rows],
    covered: [...a.covered, ...b.covered],
    transactions: [...a.transactions, ...b.transactions],
    ...(a.bulks || b.bulks ? { bulks: [...(a.bulks ?? []), ...(b.bulks ?? [])] } : {}),
  };
}

/** Divides a publication that is not shown yet into what it tells of some documents, and the rest. */
export function splitPublication(
  { rows, covered, ...others }: Publication,
  isTaken: (collection: string, id: string) => boolean,
): { readonly taken: Publication; readonly rest: Publication } {
  const isOfTaken = ({ collection, id }: { collection: string; id: string }) => isTaken(collection, id);
  const isOfRest = (each: { collection: string; id: string }) => !isOfTaken(each);
  return {
    taken: { rows: rows.filter(isOfTaken), covered: covered.filter(isOfTaken), transactions: [] },
    rest: { rows: rows.filter(isOfRest), covered: covered.filter(isOfRest), ...others },
  };
}

/** That these transactions, which carry their failure, leave the overlay: so their rows fall back. */
export function failedPublication(entries: readonly OutboxEntry[]): Publication {
  return {
    rows: [],
    covered: entries.flatMap(({ transaction }) =>
      transaction.changes.map(({ collection, id }) => ({ transaction: transaction.id, collection, id })),
    ),
    transactions: entries.flatMap(({ transaction: { id, failure } }) =>
      failure === undefined ? [] : [{ id, phase: { type: "failed" as const, failure } }],
    ),
  };
}
