import type { OutboxEntry, StoredChange } from "../ports/storage.js";
import { keyOf } from "../core/keys.js";

/**
 * What of a queue may be sent while some changes may not be: not what makes one of them, nor what stands behind that on a
 * document of another.
 */
export function withhold(
  queue: readonly OutboxEntry[],
  isReadOnly: (change: StoredChange) => boolean,
): OutboxEntry[] {
  const waiting = new Set<string>();
  return queue.filter(({ transaction: { changes } }) => {
    const documents = changes.map(({ collection, id }) => keyOf(collection, id));
    const isWithheld = changes.some(isReadOnly) || documents.some((document) => waiting.has(document));
    if (isWithheld) for (const document of documents) waiting.add(document);
    return !isWithheld;
  });
}
