import type { PlainRow } from "../../collections/index.js";
import { keyOf } from "../core/keys.js";
import type { RowsResult } from "../../shared/rowsWire.js";
import { ReplicaError } from "../base/errors.js";
import type { Stored, StoredDocument } from "../ports/storage.js";
import type { CollectionView } from "./collectionView.js";

interface Place {
  readonly collection: string;
  readonly id: string;
}

interface Scope {
  readonly collection: string;
  readonly scope: string;
}

interface Hydrated extends Place, Scope {
  /** Where in the stream its newest change stands. */
  readonly ts: bigint;
}

/**
 * Rows that a page brought with it, as the server had them when it rendered it: so they are there before the local
 * database is open, and on a device that holds nothing. Each is shown in place of what the database says as long as it
 * is newer (a page may come from a cache), and until the stream tells of its document, or its scope is read to the end.
 *
 * One with writes in the outbox makes way for what the database holds, however old: the page may contain them already,
 * and nobody can tell. An increment would show twice.
 */
export class Hydration {
  readonly #collections: ReadonlyMap<string, CollectionView>;
  readonly #shown = new Map<string, Hydrated>();
  readonly #written = new Set<string>();
  /** How far scopes were read when the database was opened. */
  readonly #reached = new Map<string, bigint>();

  constructor(collections: ReadonlyMap<string, CollectionView>) {
    this.#collections = collections;
  }

  /** @returns the documents that are shown so @throws ReplicaError `unknown_collection` */
  show(pages: readonly RowsResult[]): Place[] {
    for (const page of pages) if (page.type === "page") this.#showPage(page);
    return [...this.#shown.values()];
  }

  #showPage(page: Extract<RowsResult, { type: "page" }>): void {
    const { collection, scope, rows, positions, removed, schemaVersion = 1 } = page;
    const view = this.#collections.get(collection);
    if (view === undefined)
      throw new ReplicaError(
        "unknown_collection",
        `\`hydrate\` holds rows of "${collection}", which is not among the replica's collections.`,
      );
    if (schemaVersion !== view.definition.schemaVersion) return; // this app's rows are others
    rows.forEach((row, index) => {
      const id = row["id"] as string;
      view.hydrate(id, row as PlainRow);
      const ts = BigInt(positions[index] ?? 0);
      this.#shown.set(keyOf(collection, id), { collection, id, scope, ts });
    });
    for (const id of removed) this.end(collection, id);
  }

  /** What comes first of the database. */
  noteStored({ outbox, scopes }: Stored): void {
    if (this.#shown.size === 0) return;
    for (const { transaction } of outbox)
      if (transaction.failure === undefined)
        for (const { collection, id } of transaction.changes) this.#written.add(keyOf(collection, id));
    for (const { collection, scope, isComplete, cursor } of scopes)
      if (isComplete) this.#reached.set(keyOf(collection, scope), cursor.ts);
  }

  /** What the database holds of a document. @returns whether a hydrated row makes way for it */
  noteDocument({ collection, id, ts }: StoredDocument): boolean {
    if (this.#shown.size === 0) return false;
    const key = keyOf(collection, id);
    const hydrated = this.#shown.get(key);
    if (hydrated === undefined || (hydrated.ts > ts && !this.#written.has(key))) return false;
    return this.end(collection, id);
  }

  /** All of the database is known. @returns the documents that had gone from a scope when it was read last */
  endGone(): Place[] {
    return this.#endAll((each) => each.ts <= (this.#reached.get(keyOf(each.collection, each.scope)) ?? -1n));
  }

  /** The stream has told of a document. @returns whether a hydrated row was shown */
  end(collection: string, id: string): boolean {
    if (!this.#shown.delete(keyOf(collection, id))) return false;
    this.#collections.get(collection)?.dehydrate(id);
    return true;
  }

  /** Scopes are read to the end, or are not shown any more. @returns the documents that were shown until now */
  endScopes(scopes: readonly Scope[]): Place[] {
    const over = new Set(scopes.map(({ collection, scope }) => keyOf(collection, scope)));
    return this.#endAll(({ collection, scope }) => over.has(keyOf(collection, scope)));
  }

  #endAll(isOver: (hydrated: Hydrated) => boolean): Place[] {
    return [...this.#shown.values()].filter(isOver).filter(({ collection, id }) => this.end(collection, id));
  }
}
