// What the server has applied and no reader will bring back: its scope is not read, or not any more.
import { scopeOf, type AnyCollection } from "../collections/index.js";
import { emptyPublication, joinPublications } from "./base/publication.js";
import { applyToRow } from "./core/overlay.js";
import { withPreviews } from "./core/previews.js";
import { mergeDocument } from "./documents/merge.js";
import { settleUpdates } from "./outbox/answers.js";
import type { PageContext } from "./pages.js";
import type { AuthoredGroup, AuthoredUpdate, StoredDocument } from "./ports/storage.js";
import { keyOf } from "./store/contents.js";
import type { Decision, Journal } from "./store/journal.js";

/** Whether a stream that is read brings what is written to a scope. */
export type IsRead = (scope: { readonly collection: string; readonly scope: string }) => boolean;

/**
 * Settles every answered update that no stream will bring back, by merging its bytes into the document here: what a
 * later reading brings contains them. All of a document's at once and in the order they were made, since each stands on
 * the clocks of those before it. One that inserts a document makes it here if its scope is on the device; else the
 * device keeps nothing of it, and its author ends: clocks that are not known here any more would be used twice.
 *
 * Nor does a stream bring back what it has passed without bringing it (I-11): the document was purged, or has gone, before
 * this device met it. Nothing of that is kept either.
 *
 * @returns null if there is none
 */
export function decideUnread(context: PageContext, isRead: IsRead): Decision | null {
  const { journal, definitions, freshAuthor } = context;
  const unread = new Map<string, Unread>();
  for (const group of journal.groups().filter(({ isAnswered }) => isAnswered))
    for (const update of group.updates.filter(({ isCovered }) => !isCovered)) {
      const key = keyOf(update.collection, update.document);
      const known = unread.get(key);
      if (known === undefined)
        unread.set(key, { ...placeOf(context, group, update), updates: [update], passedFrom: group.ts });
      else {
        known.updates.push(update);
        known.passedFrom = group.ts;
      }
    }
  const isToCome = ({ collection, scope, stored, passedFrom }: Unread) => {
    if (scope === null || !definitions.has(collection) || !isRead({ collection, scope })) return false;
    const reached = journal.scope(collection, scope)?.cursor.ts ?? 0n;
    return stored !== undefined || passedFrom === undefined || reached <= passedFrom;
  };
  for (const [key, each] of unread) if (isToCome(each)) unread.delete(key);
  if (unread.size === 0) return null;
  const settled = new Set([...unread.values()].flatMap(({ updates }) => updates));
  const { commit, publication } = settleUpdates(journal, (update) => settled.has(update));
  const merged = [...unread.values()].map((each) => mergeUnread(context, each, isRead));
  const documents = merged.filter((each) => each !== null);
  const rows = documents.map(({ collection, id, row }) => ({ collection, id, row }));
  const isForgotten = documents.length < merged.length;
  return {
    commit: { ...commit, documents, ...(isForgotten ? { author: freshAuthor() } : {}) },
    publication: joinPublications({ ...emptyPublication, rows }, publication),
  };
}

/** A document of which updates are to be settled. */
interface Unread {
  readonly collection: string;
  readonly id: string;
  readonly stored: StoredDocument | undefined;
  /** Null: there is none, or it is not known here. */
  readonly scope: string | null;
  /** In authoring order. */
  readonly updates: AuthoredUpdate[];
  /** A stream that is past this has passed all of them; undefined: it cannot be told. */
  passedFrom: bigint | undefined;
}

function placeOf({ journal, definitions }: PageContext, group: AuthoredGroup, update: AuthoredUpdate) {
  const { collection, document: id } = update;
  const stored = journal.document(collection, id);
  const definition = definitions.get(collection);
  const scope =
    stored?.scope ?? (definition === undefined ? null : scopeOfInsert(journal, definition, id, group));
  return { collection, id, stored, scope };
}

/** @returns null if the device keeps nothing of it */
function mergeUnread(
  { journal, definitions }: PageContext,
  { collection, id, stored, scope, updates }: Unread,
  isRead: IsRead,
): StoredDocument | null {
  const definition = definitions.get(collection);
  if (definition === undefined) return null;
  const isHeld =
    scope !== null && journal.scope(collection, scope) !== undefined && !isRead({ collection, scope });
  if (stored === undefined && !isHeld) return null;
  const held = stored ?? { collection, id, scope: scope as string, ts: 0n };
  const blobs = updates.map(({ bytes }) => bytes);
  const { base, row, shown, incarnation } = mergeDocument(definition, id, stored?.base, blobs, []);
  return { ...held, base, row: withPreviews(definition, row, stored?.previews, incarnation), ...shown };
}

/** The scope of a document that is not on the device yet, by the operations up to those that insert it. */
function scopeOfInsert(
  journal: Journal,
  definition: AnyCollection,
  id: string,
  group: AuthoredGroup,
): string | null {
  const operations = journal
    .outbox()
    // What waits behind it is not applied, and may never be.
    .filter(({ sequence }) => sequence <= group.sequence)
    .flatMap(({ transaction }) => (transaction.failure === undefined ? transaction.changes : []))
    .filter((change) => change.collection === definition.name && change.id === id)
    .flatMap((change) => change.operations);
  const row = applyToRow(definition, id, null, operations);
  return row === null ? null : scopeOf(definition, row);
}
