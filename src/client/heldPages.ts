import {
  emptyPublication,
  joinPublications,
  splitPublication,
  type Publication,
} from "./base/publication.js";
import { keyOf } from "./core/keys.js";

/**
 * Stored pages that are not shown yet, by scope (see `keyOf`). A catch-up is shown whole, at its last page: half of a
 * commit is never seen (I-6). What makes documents go is shown when no other reader of the collection has anything left
 * to bring: they may have gone to its scope, and are not to be missing in between (I-7).
 *
 * Held and shown is only what is stored: all of this is asked after the commit, in the order of the commits. So of each
 * document one scope at most holds something, which is the newest that is known of it, and what of it is shown is what
 * was stored before that.
 */
export class HeldPages {
  readonly #held = new Map<string, Publication>();

  get keys(): string[] {
    return [...this.#held.keys()];
  }

  has(key: string): boolean {
    return this.#held.has(key);
  }

  /** A page of the scope is stored. @returns what is shown in this moment */
  page(key: string, publication: Publication, isShown: boolean): Publication {
    const { rows, covered } = publication;
    const all = joinPublications(
      this.#takeOver([...rows, ...covered]),
      joinPublications(this.take(key), publication),
    );
    if (isShown) return all;
    this.#held.set(key, all);
    return emptyPublication;
  }

  /** Something else than a page is stored, which rows of it, say. @returns what of it is shown now, and what with it */
  pass(publication: Publication): Publication {
    if (this.#held.size === 0) return publication;
    const taken = this.#takeOver(publication.rows);
    return joinPublications(taken, this.#withhold(publication));
  }

  /** What is held of a scope is not held any more: the caller shows it. */
  take(key: string): Publication {
    const held = this.#held.get(key) ?? emptyPublication;
    this.#held.delete(key);
    return held;
  }

  /** As {@link HeldPages.take}, of all scopes of a collection. */
  takeOf(collection: string): Publication {
    return this.keys
      .filter((key) => key.startsWith(keyOf(collection, "")))
      .map((key) => this.take(key))
      .reduce(joinPublications, emptyPublication);
  }

  /**
   * What is held of the same documents is shown with what is newer, and before it: rows and what they contain belong
   * together, however many scopes a transaction has written to.
   */
  #takeOver(documents: readonly { readonly collection: string; readonly id: string }[]): Publication {
    const told = new Set(documents.map(({ collection, id }) => keyOf(collection, id)));
    let all = emptyPublication;
    for (const [key, held] of this.#held) {
      const { taken, rest } = splitPublication(held, (collection, id) => told.has(keyOf(collection, id)));
      this.#held.set(key, rest);
      all = joinPublications(all, taken);
    }
    return all;
  }

  /**
   * A transaction that is done, whose change stands in a row that is held, is done when that row is shown: it would leave
   * the overlay before. One that has failed stands in none.
   */
  #withhold(publication: Publication): Publication {
    const failed = new Set(
      publication.transactions.flatMap(({ id, phase }) => (phase.type === "failed" ? [id] : [])),
    );
    const shown = new Set(publication.rows.map(({ collection, id }) => keyOf(collection, id)));
    let rest = publication;
    for (const [key, { rows }] of this.#held) {
      const held = new Set(rows.map(({ collection, id }) => keyOf(collection, id)));
      const isHeld = ({ collection, id, transaction }: Publication["covered"][number]) => {
        const document = keyOf(collection, id);
        return held.has(document) && !shown.has(document) && !failed.has(transaction);
      };
      const late = new Set(rest.covered.filter(isHeld).map(({ transaction }) => transaction));
      if (late.size === 0) continue;
      const divided = divideByTransaction(rest, late);
      this.#held.set(key, joinPublications(this.#held.get(key) ?? emptyPublication, divided.late));
      rest = divided.rest;
    }
    return rest;
  }
}

/** @returns `late`: what is told of these transactions */
function divideByTransaction(
  { covered, transactions, ...others }: Publication,
  late: ReadonlySet<string>,
): { late: Publication; rest: Publication } {
  return {
    late: {
      rows: [],
      covered: covered.filter(({ transaction }) => late.has(transaction)),
      transactions: transactions.filter(({ id }) => late.has(id)),
    },
    rest: {
      ...others,
      covered: covered.filter(({ transaction }) => !late.has(transaction)),
      transactions: transactions.filter(({ id }) => !late.has(id)),
    },
  };
}
