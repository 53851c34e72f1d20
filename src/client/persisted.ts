import { scopeOf, type AnyCollection } from "../collections/index.js";
import { collapse } from "./core/collapse.js";
import { authorDocument } from "./documents/author.js";
import { mergeDocument } from "./documents/merge.js";
import type { OutboxEntry, StoredDocument } from "./ports/storage.js";
import type { Journal } from "./store/journal.js";

/**
 * What a collection's own `persist` has persisted elsewhere becomes the confirmed state here.
 *
 * @param isRead whether a stream of the collection is read, which brings it
 * @returns the documents as they are then; none where a stream brings them
 */
export function decidePersisted(
  journal: Journal,
  definitions: ReadonlyMap<string, AnyCollection>,
  { transaction }: OutboxEntry,
  isRead: (collection: string) => boolean,
): StoredDocument[] {
  const collection = transaction.changes[0]?.collection ?? "";
  const definition = definitions.get(collection);
  if (definition === undefined || isRead(collection)) return [];
  return [...new Set(transaction.changes.map(({ id }) => id))].flatMap((id) => {
    const operations = transaction.changes
      .filter((change) => change.id === id)
      .flatMap((each) => each.operations);
    const stored = journal.document(collection, id);
    const blobs = stored === undefined ? [] : [stored.base];
    const authored = authorDocument(id, blobs, journal.author, collapse(operations), { definition });
    if (authored.type !== "authored") return [];
    const updates = [authored.update.bytes];
    const { base, row, shown, incarnation } = mergeDocument(definition, id, stored?.base, updates, []);
    const scope = row === null ? "" : scopeOf(definition, row);
    const life = incarnation > 0 ? { incarnation } : {};
    return [{ collection, id, scope, ts: 0n, ...life, base, row, ...shown }];
  });
}
