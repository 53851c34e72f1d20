// What a leader makes of what a scope's stream brings: decisions on the contents of the database, nothing else.
import type { AnyCollection } from "../collections/index.js";
import { isStateEntry, type Page, type StateEntry, type StreamEntry } from "../shared/wire.js";
import { emptyPublication, joinPublications } from "./base/publication.js";
import { mergeDocument } from "./documents/merge.js";
import { entriesOf, settleGroup } from "./outbox/answers.js";
import type { AuthoredGroup, AuthoredUpdate, StoredDocument, StoredScope } from "./ports/storage.js";
import type { Decision, Journal } from "./store/journal.js";

export interface PageContext {
  readonly journal: Journal;
  readonly definitions: ReadonlyMap<string, AnyCollection>;
  /** A Yjs client id that nobody has. */
  freshAuthor(): number;
  report(error: unknown): void;
}

/** Merges a page, drops what has left the scope, and settles this device's own updates that the rows now contain. */
export function decidePage(context: PageContext, page: Page, position: StoredScope): Decision {
  const left = page.entries.flatMap((entry) => findLeft(context, entry, position) ?? []);
  // One that was purged may have been inserted again: the new one stands on nothing of the old.
  const merged = mergeEntries(context, page.entries, position, new Set(left.map(({ id }) => id)));
  const covered = new Set(merged.flatMap((each) => each.covered));
  const removal = forgetDocuments(context, left, (update) => covered.has(update));
  const documents = merged.map(({ document }) => document);
  const rows = documents.map(({ collection, id, row }) => ({ collection, id, row }));
  return {
    commit: { ...removal.commit, documents, scope: position },
    publication: joinPublications(removal.publication, { ...emptyPublication, rows }),
  };
}

/**
 * Removes documents from the device. Of this device's own updates those to them that were applied are settled: no
 * reader will bring them back. Its author ends with them: their clocks are not known here any more, and one used
 * twice would let a document diverge for good.
 *
 * @param isCovered - which updates are settled besides
 */
export function forgetDocuments(
  { journal, freshAuthor }: PageContext,
  documents: readonly StoredDocument[],
  isCovered: (update: AuthoredUpdate) => boolean = () => false,
): Decision {
  const gone = new Set(documents.map(({ collection, id }) => `${collection}\0${id}`));
  const isGone = (update: AuthoredUpdate) => gone.has(`${update.collection}\0${update.document}`);
  const steps = journal.groups().flatMap((group) => {
    const isSettled = (update: AuthoredUpdate) => isCovered(update) || (group.isAnswered && isGone(update));
    if (!group.updates.some(isSettled)) return [];
    return [settleGroup(cover(group, isSettled), entriesOf(journal, group))];
  });
  const removedDocuments = documents.map(({ collection, id }) => ({ collection, id }));
  const rows = removedDocuments.map((each) => ({ ...each, row: null }));
  return {
    commit: {
      groups: steps.flatMap(({ commit }) => commit.groups ?? []),
      removedGroups: steps.flatMap(({ commit }) => commit.removedGroups ?? []),
      removedOutbox: steps.flatMap(({ commit }) => commit.removedOutbox ?? []),
      removedDocuments,
      ...(documents.length === 0 ? {} : { author: freshAuthor() }),
    },
    publication: steps
      .map((step) => step.publication)
      .reduce(joinPublications, { ...emptyPublication, rows }),
  };
}

function mergeEntries(
  { journal, definitions, report }: PageContext,
  entries: readonly StreamEntry[],
  { collection, scope }: StoredScope,
  left: ReadonlySet<string>,
): { document: StoredDocument; covered: readonly AuthoredUpdate[] }[] {
  const definition = definitions.get(collection);
  if (definition === undefined) return [];
  const open = journal.groups().flatMap((group) => group.updates);
  return [...byDocument(entries)].flatMap(([id, own]) => {
    const stored = left.has(id) ? undefined : journal.document(collection, id);
    const updates = open.filter(
      (update) => update.collection === collection && update.document === id && !update.isCovered,
    );
    const blobs = own.map(({ bytes }) => new Uint8Array(bytes));
    const ts = own.at(-1)?.ts ?? 0n;
    // It may have come from the scope that it went to before what stood here came through.
    const place = stored !== undefined && stored.ts > ts ? stored : { scope, ts };
    try {
      const { covered, ...state } = mergeDocument(definition, id, stored?.base, blobs, updates);
      return [{ document: { collection, id, scope: place.scope, ts: place.ts, ...state }, covered }];
    } catch (error) {
      report(error); // one document that cannot be read keeps no other from being read (I-15)
      return [];
    }
  });
}

/** The document that a leave means, if nothing newer of it is known, from whatever scope. */
function findLeft(
  { journal }: PageContext,
  entry: StreamEntry,
  { collection, scope }: StoredScope,
): StoredDocument | null {
  if (entry.type !== "leave") return null;
  const stored = journal.document(collection, entry.document);
  return stored !== undefined && stored.scope === scope && stored.ts <= entry.ts ? stored : null;
}

function byDocument(entries: readonly StreamEntry[]): Map<string, StateEntry[]> {
  const found = new Map<string, StateEntry[]>();
  for (const entry of entries)
    if (isStateEntry(entry)) found.set(entry.document, [...(found.get(entry.document) ?? []), entry]);
  return found;
}

function cover(group: AuthoredGroup, isCovered: (update: AuthoredUpdate) => boolean): AuthoredGroup {
  const updates = group.updates.map((update) =>
    isCovered(update) ? { ...update, isCovered: true } : update,
  );
  return { ...group, updates };
}
