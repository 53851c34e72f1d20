import type { OutboxEntry } from "../ports/storage.js";

/**
 * What of a queue may be sent while some collections may not be written to: not what writes to one of them, nor what
 * stands behind that on a document of another.
 */
export function withhold(
  queue: readonly OutboxEntry[],
  isReadOnly: (collection: string) => boolean,
): OutboxEntry[] {
  const waiting = new Set<string>();
  return queue.filter(({ transaction: { changes } }) => {
    const documents = changes.map(({ collection, id }) => `${collection}\0${id}`);
    const isWithheld =
      changes.some(({ collection }) => isReadOnly(collection)) ||
      documents.some((document) => waiting.has(document));
    if (isWithheld) for (const document of documents) waiting.add(document);
    return !isWithheld;
  });
}
