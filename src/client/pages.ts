// What a leader makes of what a scope's stream brings: decisions on the contents of the database, nothing else.
import type { AnyCollection } from "../collections/index.js";
import { keyOf } from "./core/keys.js";
import { isStateEntry, type Page, type StreamEntry } from "../shared/wire.js";
import { emptyPublication, joinPublications, toShownRow, type Publication } from "./base/publication.js";
import { clockIn } from "./documents/author.js";
import { withPreviews, type Previews } from "./core/previews.js";
import { mergeDocument } from "./documents/merge.js";
import { collectionOf, isStaged } from "./epochs.js";
import { settleUpdates, type AnswerSource } from "./outbox/answers.js";
import { settleLateCopies } from "./outbox/lateCopies.js";
import { joinSteps } from "./outbox/steps.js";
import { withdrawnClocks } from "./outbox/withdrawn.js";
import type { AuthoredClocks, AuthoredUpdate, StoredDocument, StoredScope } from "./ports/storage.js";
import type { Decision, Journal } from "./store/journal.js";

export interface PageContext {
  readonly journal: Journal;
  readonly definitions: ReadonlyMap<string, AnyCollection>;
  /** A Yjs client id that nobody has. */
  freshAuthor(): number;
  report(error: unknown): void;
}

/** Merges a page, drops what has left the scope, and settles this device's own updates that the rows now contain. */
export function decidePage(context: PageContext, page: Page, reached: StoredScope): Decision {
  const { journal, freshAuthor } = context;
  const { collection, scope } = reached;
  const before = journal.scope(collection, scope);
  const readAnew = new Set(before?.unmet);
  const folded = [...byDocument(page.entries)].map(([id, entries]) =>
    foldEntries(journal.document(collection, id), id, entries, scope, readAnew.has(id)),
  );
  const { position: met, unmet } = noteMet(before, reached, folded, page.done);
  const left = folded.flatMap(({ held, hasLeft }) => (hasLeft && held !== undefined ? [held] : []));
  const vanished = unmet.flatMap((id) => {
    const held = journal.document(collection, id);
    return held?.scope === scope ? [held] : [];
  });
  const open = isStaged(collection) ? [] : openClocks(journal, collection);
  const merged = folded.flatMap((each) => mergeFolded(context, collection, each, open) ?? []);
  const documents = merged.map(({ document }) => document);
  const dataVersion = Math.max(before?.dataVersion ?? 1, ...merged.map(({ version }) => version));
  const position = dataVersion === 1 ? met : { ...met, dataVersion };
  if (isStaged(collection)) {
    const removedDocuments = [...left, ...vanished].map(({ id }) => ({ collection, id }));
    return { commit: { documents, removedDocuments, scopes: [position] }, publication: emptyPublication };
  }
  const covered = new Set(merged.flatMap((each) => each.covered));
  const isHeld = (clocks: AuthoredClocks) => covered.has(clocks);
  const late = settleLateCopies(journal, isHeld, reached.cursor.ts);
  const removal = forgetDocuments(context, [...left, ...vanished], isHeld, late.rest);
  const settled = joinSteps(late.step, removal);
  const rows = documents.map(toShownRow);
  const isNews = before?.isComplete === true && before.unmet === undefined;
  const bulks = isNews ? bulksIn(page, position) : [];
  const isAuthorLost = merged.some((each) => each.isAuthorLost);
  // Their parts may be those of another document under this id: they are read again.
  const removedParts = folded.flatMap(({ id, isReplaced }) =>
    isReplaced ? journal.partsOf(collection, id) : [],
  );
  return {
    commit: {
      ...removal.commit,
      ...settled.commit,
      ...(isAuthorLost ? { author: freshAuthor() } : {}),
      ...(removedParts.length > 0 ? { removedParts } : {}),
      documents,
      scopes: [position],
    },
    publication: joinPublications(settled.publication, {
      ...emptyPublication,
      rows,
      ...(bulks.length > 0 ? { bulks } : {}),
    }),
  };
}

/** The imports that a page tells of. What was there before the scope was read is no news. */
function bulksIn({ entries }: Page, { collection, scope }: StoredScope): NonNullable<Publication["bulks"]> {
  return entries.flatMap((entry) =>
    entry.type === "bulk" ? [{ collection, scope, count: entry.count }] : [],
  );
}

/**
 * Removes documents from the device. Of this device's own updates those to them that were applied are settled: no
 * reader will bring them back. Its author ends with them: their clocks are not known here any more, and one used
 * twice would let a document diverge for good.
 *
 * @param isCovered - which updates are settled besides
 * @param source - of the transactions that are looked at
 */
export function forgetDocuments(
  { journal, freshAuthor }: PageContext,
  documents: readonly StoredDocument[],
  isCovered: (update: AuthoredUpdate) => boolean = () => false,
  source: AnswerSource = journal,
): Decision {
  const gone = new Set(documents.map(({ collection, id }) => keyOf(collection, id)));
  const isGone = (update: AuthoredUpdate) => gone.has(keyOf(update.collection, update.document));
  const { commit, publication } = settleUpdates(
    source,
    (update, group) => isCovered(update) || (group.isAnswered && isGone(update)),
  );
  const removedDocuments = documents.map(({ collection, id }) => ({ collection, id }));
  const rows = removedDocuments.map((each) => ({ ...each, row: null }));
  return {
    commit: {
      ...commit,
      removedDocuments,
      ...(documents.length === 0 ? {} : { author: freshAuthor() }),
    },
    publication: joinPublications({ ...emptyPublication, rows }, publication),
  };
}

/** What a page's entries make of one document. */
interface Folded {
  readonly id: string;
  readonly held: StoredDocument | undefined;
  /** It was told of in its scope: it stood there, or went from there. */
  readonly isMet: boolean;
  readonly hasLeft: boolean;
  /** Where its newest entry stands; null: it is not here any more, or none of this was of its state. */
  readonly place: { readonly scope: string; readonly ts: bigint } | null;
  /** What it is made of, in stream order. */
  readonly blobs: readonly Uint8Array[];
  readonly previews: Previews | undefined;
  /** See a stored document's. */
  readonly newest: StoredDocument["newest"];
  /** It took the place of what was held. */
  readonly isReplaced: boolean;
}

/**
 * Goes through the entries of one document in stream order. What is newer than what is held, and whole, takes its
 * place: a snapshot, and whatever comes from another scope than the one it was held in. Under an id that was purged
 * there and inserted here anew, the old document would live on otherwise. What is older than what is held of another
 * scope is passed over: the document has gone on, and what it became holds it.
 *
 * Nor is anything kept of what is met again in a scope that is read anew: the stream has all of it, and the leave that told of
 * an earlier document under this id may be told no more.
 */
function foldEntries(
  held: StoredDocument | undefined,
  id: string,
  entries: readonly StreamEntry[],
  scope: string,
  isReadAnew: boolean,
): Folded {
  const beginsAnew = isReadAnew && held?.scope === scope && entries.some(isStateEntry);
  const known = beginsAnew ? undefined : held;
  let place: Folded["place"] = known === undefined ? null : { scope: known.scope, ts: known.ts };
  let blobs: Uint8Array[] = known === undefined ? [] : [known.base];
  let [previews, newest] = [known?.previews, known?.newest];
  let [isMet, hasLeft, isReplaced] = [false, false, beginsAnew];
  for (const entry of entries) {
    const isNewer = place === null || place.ts <= entry.ts;
    const isElsewhere = place !== null && place.scope !== scope;
    if (entry.type === "leave") {
      if (place === null || isElsewhere || !isNewer) continue;
      [place, blobs, previews, newest] = [null, [], undefined, undefined];
      [isMet, hasLeft] = [true, true];
    } else if (entry.type === "part") {
      if (place === null || isElsewhere) continue;
      isMet = true;
      previews = { ...previews, [entry.part]: entry.preview };
      newest = { ...newest, [entry.part]: entry.newest };
    } else if (isStateEntry(entry)) {
      isMet = true;
      if (isElsewhere && !isNewer) continue;
      if (isNewer && isElsewhere) [previews, newest, isReplaced] = [undefined, undefined, true]; // it brings its own
      if (isNewer && (isElsewhere || entry.type === "snapshot")) blobs = [];
      blobs.push(new Uint8Array(entry.bytes));
      if (isNewer) place = { scope, ts: entry.ts };
    }
  }
  return { id, held, isMet, hasLeft, place, blobs, previews, newest, isReplaced };
}

interface MergedFolded {
  readonly document: StoredDocument;
  readonly version: number;
  readonly covered: readonly AuthoredClocks[];
  readonly isAuthorLost: boolean;
}

/** @returns null if there is nothing to store of it */
function mergeFolded(
  { journal, definitions, report }: PageContext,
  collection: string,
  { id, held, isMet, place, blobs, previews, newest, isReplaced }: Folded,
  open: readonly AuthoredClocks[],
): MergedFolded | null {
  const definition = definitions.get(collectionOf(collection));
  if (definition === undefined || place === null || !isMet) return null;
  const updates = open.filter((update) => update.document === id);
  try {
    const merged = mergeDocument(definition, id, undefined, blobs, updates);
    const { base, covered, incarnation, shown, version } = merged;
    if (merged.fault !== null) report(merged.fault);
    const row = withPreviews(definition, merged.row, previews, incarnation);
    const told = {
      ...(incarnation > 0 && { incarnation }),
      ...(previews && { previews }),
      ...(newest && { newest }),
    };
    // Clocks that were used in what was held, and are free in what took its place, would be used twice.
    const { author } = journal;
    const isAuthorLost =
      isReplaced && held !== undefined && clockIn(held.base, author) > clockIn(base, author);
    const document = { collection, id, ...place, base, row, ...shown, ...told };
    return { document, version, covered, isAuthorLost };
  } catch (error) {
    report(error); // one document that cannot be read keeps no other from being read (I-15)
    return null;
  }
}

/** Crosses off what a scope that is read anew has met. @returns at its end what it has not: that has left the scope */
function noteMet(
  before: StoredScope | undefined,
  reached: StoredScope,
  folded: readonly Folded[],
  isDone: boolean,
): { position: StoredScope; unmet: readonly string[] } {
  const { unmet: _, ...position } = reached;
  if (before?.unmet === undefined) return { position, unmet: [] };
  const met = new Set(folded.filter(({ isMet }) => isMet).map(({ id }) => id));
  const unmet = before.unmet.filter((id) => !met.has(id));
  return isDone ? { position, unmet } : { position: { ...position, unmet }, unmet: [] };
}

/** What this device has authored in the collection, and no row is known to contain yet. */
function openClocks(journal: Journal, collection: string): AuthoredClocks[] {
  const updates = journal.groups().flatMap((group) => group.updates.filter(({ isCovered }) => !isCovered));
  return [...updates, ...withdrawnClocks(journal)].filter((each) => each.collection === collection);
}

function byDocument(entries: readonly StreamEntry[]): Map<string, StreamEntry[]> {
  const found = new Map<string, StreamEntry[]>();
  for (const entry of entries) {
    const own = found.get(entry.document);
    if (own === undefined) found.set(entry.document, [entry]);
    else own.push(entry);
  }
  return found;
}
