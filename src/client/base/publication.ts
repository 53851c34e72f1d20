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
}

export const emptyPublication: Publication = { rows: [], covered: [], transactions: [] };

export function joinPublications(a: Publication, b: Publication): Publication {
  return {
    rows: [...a.rows, ...b.rows],
    covered: [...a.covered, ...b.covered],
    transactions: [...a.transactions, ...b.transactions],
  };
}

/**
 * Takes documents out of a publication that is not shown yet, because a later one tells of them too.
 *
 * @returns what is left of it, and what the later one has to tell besides: its rows contain these operations
 */
export function withoutDocuments(
  publication: Publication,
  isTaken: (collection: string, id: string) => boolean,
): { rest: Publication; covered: Publication["covered"] } {
  const isLeft = ({ collection, id }: { collection: string; id: string }) => !isTaken(collection, id);
  return {
    rest: {
      ...publication,
      rows: publication.rows.filter(isLeft),
      covered: publication.covered.filter(isLeft),
    },
    covered: publication.covered.filter((each) => !isLeft(each)),
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
