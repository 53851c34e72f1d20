import type { PlainRow } from "../../collections/index.js";
import type { OutboxEntry, StoredFailure } from "../ports/storage.js";

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
  }[];
  /** The operations of `transaction` on the document leave the overlay. */
  readonly covered: readonly {
    readonly transaction: string;
    readonly collection: string;
    readonly id: string;
  }[];
  readonly transactions: readonly { readonly id: string; readonly phase: Phase }[];
  /** Imports that are done; so many documents have arrived. */
  readonly bulks?: readonly {
    readonly collection: string;
    readonly scope: string;
    readonly count: number;
  }[];
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

/** That these transactions failed: their operations leave the overlay, so that their rows fall back. */
export function failedPublication(
  entries: readonly OutboxEntry[],
  failureOf: (entry: OutboxEntry) => StoredFailure,
): Publication {
  return {
    rows: [],
    covered: entries.flatMap(({ transaction }) =>
      transaction.changes.map(({ collection, id }) => ({ transaction: transaction.id, collection, id })),
    ),
    transactions: entries.map((entry) => ({
      id: entry.transaction.id,
      phase: { type: "failed", failure: failureOf(entry) },
    })),
  };
}
