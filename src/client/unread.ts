// What the server has applied and no reader will bring back: its scope is not read, or not any more.
import { scopeOf, type AnyCollection } from "../collections/index.js";
import { endOfCommit, type Cursor } from "../shared/wire.js";
import { emptyPublication, joinPublications, toShownRow } from "./base/publication.js";
import type { DocumentName } from "./base/tabMessages.js";
import { applyToRow } from "./core/overlay.js";
import { withPreviews } from "./core/previews.js";
import { mergeDocument } from "./documents/merge.js";
import { settleUpdates } from "./outbox/answers.js";
import type { PageContext } from "./pages.js";
import type { AuthoredGroup, AuthoredUpdate, StoredDocument } from "./ports/storage.js";
import { keyOf } from "./core/keys.js";
import type { Decision, Journal } from "./store/journal.js";

/** Whether a stream that is read brings what is written to a scope. */
export type IsRead = (scope: { readonly collection: string; readonly scope: string }) => boolean;

/**
 * Settles every answered update that no stream will bring back.
 *
 * - Its scope is not read: its bytes are merged into the document here; what a later reading brings contains them. All of
 *   a document's at once and in the order they were made, since each stands on the clocks of those before it. One that
 *   inserts a document makes it here if its scope is on the device; else the device keeps nothing of it, and its author
 *   ends: clocks that are not known here any more would be used twice.
 * - It was read past it. What the device holds of the document contains it; or the document was purged, or has
 *   gone, before this device met it (I-11), and nothing of it is kept.
 *
 * What was authored anew waits for its stream in any case: of its bytes nobody can tell here whether they were applied.
 *
 * @returns null if there is none
 */
export function decideUnread(context: PageContext, isRead: IsRead): Decision | null {
  const { journal, freshAuthor } = context;
  const open = openDocuments(context);
  const fates = open.map((each) => ({ ...each, fate: fateOf(context, each, isRead) }));
  const ended = fates.filter(({ fate }) => fate !== "comes");
  if (ended.length === 0) return null;
  const settled = new Set(ended.flatMap(({ updates }) => updates));
  const { commit, publication } = settleUpdates(journal, (update) => settled.has(update));
  const documents = ended.flatMap((each) => (each.fate === "merged" ? mergeUnread(context, each) : []));
  const rows = documents.map(toShownRow);
  const isForgotten = ended.some(({ fate }) => fate === "forgotten");
  return {
    commit: { ...commit, documents, ...(isForgotten ? { author: freshAuthor() } : {}) },
    publication: joinPublications({ ...emptyPublication, rows }, publication),
  };
}

/** Documents of which only a stream can tell what became of this device's updates. */
export function remadeDocuments(journal: Journal): DocumentName[] {
  const updates = journal.groups().flatMap((group) => (group.isRemade === true ? group.updates : []));
  return updates
    .filter(({ isCovered }) => !isCovered)
    .map(({ collection, document: id }) => ({ collection, id }));
}

/** A document with answered updates that its row is not known to contain. */
interface Open {
  readonly collection: string;
  readonly id: string;
  readonly stored: StoredDocument | undefined;
  /** Null: there is none, or it is not known here. */
  readonly scope: string | null;
  /** In authoring order. */
  readonly updates: AuthoredUpdate[];
  /** Whether one of them is of a group that was authored anew. */
  isRemade: boolean;
  /** A scope that was read past this was read past all of them; undefined: it cannot be told. */
  passedFrom: bigint | undefined;
}

function openDocuments(context: PageContext): Open[] {
  const open = new Map<string, Open>();
  for (const group of context.journal.groups().filter(({ isAnswered }) => isAnswered))
    for (const update of group.updates.filter(({ isCovered }) => !isCovered)) {
      const key = keyOf(update.collection, update.document);
      const begun = { updates: [], isRemade: false, passedFrom: undefined };
      const document: Open = open.get(key) ?? { ...placeOf(context, group, update), ...begun };
      open.set(key, document);
      document.updates.push(update);
      document.isRemade ||= group.isRemade === true;
      document.passedFrom = group.ts;
    }
  return [...open.values()];
}

/** `comes`: with its stream. `held`: in what the device holds. `merged`: now. `forgotten`: nothing of it is kept. */
type Fate = "comes" | "held" | "merged" | "forgotten";

function fateOf({ journal, definitions }: PageContext, open: Open, isRead: IsRead): Fate {
  const { collection, scope, stored, passedFrom, isRemade } = open;
  if (scope === null || !definitions.has(collection)) return "forgotten";
  const position = journal.scope(collection, scope);
  if (position !== undefined && passedFrom !== undefined && isPast(position.cursor, passedFrom))
    return stored === undefined ? "forgotten" : "held";
  if (isRead({ collection, scope })) return "comes";
  if (isRemade) return stored === undefined ? "forgotten" : "comes"; // it is read for that, to its end
  return stored === undefined && position === undefined ? "forgotten" : "merged";
}

/** Read to its end, then: what is compacted meanwhile stands later in the stream, past a page that is not the last. */
function isPast(cursor: Cursor, ts: bigint): boolean {
  return cursor.ts >= ts && cursor.document === endOfCommit;
}

function placeOf({ journal, definitions }: PageContext, group: AuthoredGroup, update: AuthoredUpdate) {
  const { collection, document: id } = update;
  const stored = journal.document(collection, id);
  const definition = definitions.get(collection);
  const scope =
    stored?.scope ?? (definition === undefined ? null : scopeOfInsert(journal, definition, id, group));
  return { collection, id, stored, scope };
}

function mergeUnread(
  { definitions }: PageContext,
  { collection, id, stored, scope, updates }: Open,
): StoredDocument[] {
  const definition = definitions.get(collection);
  if (definition === undefined || scope === null) return [];
  const held = stored ?? { collection, id, scope, ts: 0n };
  const blobs = updates.map(({ bytes }) => bytes);
  const { base, row, shown, incarnation } = mergeDocument(definition, id, stored?.base, blobs, []);
  const life = incarnation > 0 ? { incarnation } : {};
  return [
    { ...held, ...life, base, row: withPreviews(definition, row, stored?.previews, incarnation), ...shown },
  ];
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
