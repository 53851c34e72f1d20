import type { AnyCollection, DraftOf, InsertOf, RowOf } from "../collections/index.js";
import type { PlainQuery } from "./core/query.js";
import type { Query, QueryOptions, ReplicaCollection, RowStatus, Transaction } from "./base/types.js";
import type { CollectionView } from "./view/collectionView.js";
import { QueryView } from "./view/queryView.js";
import type { Screen } from "./view/screen.js";
import type { View } from "./view/view.js";
import type { Writer } from "./writer.js";

/** The typed face of a collection's view and of the writer. */
export function createReplicaCollection<C extends AnyCollection>(
  definition: C,
  view: View,
  rows: CollectionView,
  writer: Writer,
  screen: Screen,
  newId: () => string,
): ReplicaCollection<C> {
  type Row = Readonly<RowOf<C>>;
  return {
    definition,
    get size() {
      return rows.size;
    },
    get: (id: string) => rows.get(id) as Row | undefined,
    has: (id: string) => rows.get(id) !== undefined,
    rows: () => rows.rows() as IterableIterator<Row>,
    status: (id: string): RowStatus => view.statusOf(definition.name, id),
    query: (options: QueryOptions<C> = {}) =>
      new QueryView(rows, options as unknown as PlainQuery, screen) as unknown as Query<C>,
    subscribe: (listener: (ids: ReadonlySet<string>) => void) => rows.changed.on(listener),
    newId,
    insert: (row: InsertOf<C>): Transaction => writer.insert(rows, row as object),
    update: (id: string, change: (draft: DraftOf<C>) => unknown): Transaction =>
      writer.update(rows, id, change as (draft: never) => unknown),
    delete: (id: string): Transaction => writer.delete(rows, id),
  };
}
