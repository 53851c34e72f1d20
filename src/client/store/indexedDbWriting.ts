import { ReplicaError } from "../base/errors.js";
import { keyOf } from "../core/keys.js";
import type { DocumentName } from "../base/tabMessages.js";
import { isSameScreen } from "../core/screen.js";
import type { Commit, Damage, Meta, StoredDocument, StoredTransaction } from "../ports/storage.js";
import { metaAfter } from "./contents.js";
import { toPageRecord, type StoreName, type Write } from "./indexedDbSchema.js";
import { planFold, type PageDirectory } from "./pageDirectory.js";
import { decodePage, isGone, type PageEntry } from "./pageFormat.js";
import { seal, unseal } from "./sealed.js";
import type { StoreLimits } from "./storeLimits.js";

/** The stores that a commit touches: whoever needs another one need not wait for it. */
export function storesOf(changes: Commit): StoreName[] {
  const { documents = [], removedDocuments = [], groups = [], removedGroups = [] } = changes;
  const { outbox = [], removedOutbox = [], scopes = [], removedScopes = [], repair } = changes;
  const { parts = [], removedParts = [] } = changes;
  const touched: [StoreName, boolean][] = [
    ["meta", true],
    ["pages", documents.length > 0 || repair !== undefined],
    ["tail", documents.length + removedDocuments.length > 0 || repair !== undefined],
    ["groups", groups.length + removedGroups.length > 0 || repair !== undefined],
    ["outbox", outbox.length + removedOutbox.length > 0],
    ["scopes", scopes.length + removedScopes.length > 0 || repair !== undefined],
    ["parts", parts.length + removedParts.length > 0],
    ["partPositions", parts.length + removedParts.length > 0],
  ];
  return touched.flatMap(([store, isTouched]) => (isTouched ? [store] : []));
}

/**
 * What is sent must outlive a power cut, or its clocks would be used for something else (I-1), and so must what is noted
 * of transactions: a `persist` of the app's own is not to run again. All else that a leader stores the server has told it:
 * without the newest of it the database is what it was a moment ago, and is gone on with from there. So nobody has to
 * wait for the disk, least of all a write that is next in line.
 */
export function durabilityOf({ groups = [], outbox = [] }: Commit): IDBTransactionDurability {
  return outbox.length > 0 || groups.some(({ isAnswered }) => !isAnswered) ? "strict" : "relaxed";
}

/** The key generator only ever rises, over all tabs: its keys are the order of durability. */
export function appendAll(tx: Write, transactions: readonly StoredTransaction[]): Promise<number[]> {
  return Promise.all(transactions.map((transaction) => tx.objectStore("outbox").add(seal(transaction))));
}

/**
 * @param directory - as of this transaction; null: not known, and the tail may hold any of the documents
 * @returns what it does to the directory, once it is stored
 */
export async function putDocuments(
  tx: Write,
  { documents = [], removedDocuments = [] }: Commit,
  directory: PageDirectory | null,
  limits: StoreLimits,
): Promise<(directory: PageDirectory) => void> {
  const gone = removedDocuments.map(({ collection, id }) => ({ collection, id, isGone: true }) as const);
  const changed = [...new Map(documents.map((each) => [keyOf(each.collection, each.id), each])).values()];
  if (changed.length < limits.pageFrom) {
    for (const entry of [...gone, ...changed]) putInTail(tx, entry);
    return (written) => {
      for (const entry of [...gone, ...changed]) written.putInTail(entry);
    };
  }
  for (const entry of gone) putInTail(tx, entry);
  const removed = new Set(gone.map(({ collection, id }) => keyOf(collection, id)));
  // A request each is most of what storing a page takes, and of a first load the tail holds nothing.
  const mayBeInTail = ({ collection, id }: PageEntry) =>
    directory === null || directory.isInTail({ collection, id }) || removed.has(keyOf(collection, id));
  for (const entry of changed.filter(mayBeInTail))
    begin(tx.objectStore("tail").delete([entry.collection, entry.id]));
  const addToDirectory = await addPages(tx, changed, limits);
  return (written) => {
    for (const entry of gone) written.putInTail(entry);
    addToDirectory(written);
  };
}

export async function putProgress(tx: Write, changes: Commit): Promise<void> {
  const { groups = [], removedGroups = [], outbox = [], removedOutbox = [] } = changes;
  for (const { collection, scope } of changes.removedScopes ?? [])
    begin(tx.objectStore("scopes").delete([collection, scope]));
  for (const each of [...(changes.repair?.scopes ?? []), ...(changes.scopes ?? [])])
    begin(tx.objectStore("scopes").put(seal(each), [each.collection, each.scope]));
  for (const sequence of removedGroups) begin(tx.objectStore("groups").delete(sequence));
  for (const group of groups) begin(tx.objectStore("groups").put(seal(group), group.sequence));
  for (const sequence of removedOutbox) begin(tx.objectStore("outbox").delete(sequence));
  for (const { sequence, transaction } of outbox) {
    const isThere = (await tx.objectStore("outbox").getKey(sequence)) !== undefined;
    if (isThere) begin(tx.objectStore("outbox").put(seal(transaction), sequence));
  }
}

/** Takes damaged records away. Of a document that the tail said something of, no older page is to be believed. */
export function clearDamage(tx: Write, damage: readonly Damage[]): void {
  for (const each of damage) {
    if (each.type === "page") begin(tx.objectStore("pages").delete(each.page));
    if (each.type === "group") begin(tx.objectStore("groups").delete(each.sequence));
    if (each.type === "document") putInTail(tx, { collection: each.collection, id: each.id, isGone: true });
  }
}

/**
 * One step of folding, in one transaction: what it takes out of tail and pages it puts into new pages, so that whenever
 * it dies the database holds the same. What is gone is put in only while another page still speaks of it.
 *
 * @returns what it does to the directory, once it is stored; null: there is nothing to do
 */
export async function foldStep(
  tx: Write,
  directory: PageDirectory,
  limits: StoreLimits,
): Promise<((directory: PageDirectory) => void) | null> {
  const plan = planFold(directory.pages(), directory.looseTail, limits);
  if (plan === null) return null;
  const replaced = new Set(plan.pages);
  const tail = plan.takesTail ? await readLooseTail(tx, directory, limits) : [];
  const kept: PageEntry[] = [];
  const dropped: DocumentName[] = [];
  const keep = (entry: PageEntry) => {
    if (!isGone(entry) || directory.isElsewhere(entry, replaced)) kept.push(entry);
    else dropped.push(entry);
  };
  for (const entry of tail) keep(entry);
  const entriesByPage = new Map<number, readonly DocumentName[]>();
  for (const page of plan.pages) {
    const entries = decodePage((await tx.objectStore("pages").get(page))?.bytes);
    entriesByPage.set(page, entries);
    for (const entry of entries) if (directory.isLive(page, entry)) keep(entry);
  }
  const written = await addPages(tx, kept, limits);
  for (const { collection, id } of tail) begin(tx.objectStore("tail").delete([collection, id]));
  for (const page of plan.pages) begin(tx.objectStore("pages").delete(page));
  return (changed) => {
    written(changed);
    for (const entry of dropped) changed.removeFromTail(entry);
    for (const [page, entries] of entriesByPage) changed.removePage(page, entries);
  };
}

/** A part of what need not stay in the tail: as many records more are read as may have to. */
async function readLooseTail(
  tx: Write,
  directory: PageDirectory,
  { foldTail }: StoreLimits,
): Promise<PageEntry[]> {
  const records = await tx.objectStore("tail").getAll(null, foldTail + directory.screen.length);
  const entries = records.map((record) => {
    const unsealed = unseal(record);
    if (unsealed === null)
      throw new ReplicaError("storage_corrupt", "A stored document was damaged since it was read.");
    return unsealed.value;
  });
  return entries.filter((entry) => isGone(entry) || !directory.isOnScreen(entry));
}

/**
 * Has the tail hold what is on the screen, and keep it. Where something has to be moved there it counts as a commit: a tab
 * that has read the tail before and the pages after would find it in neither, should a page be folded in between.
 *
 * @param meta - as it is in this transaction
 * @param screen - each as the database holds it
 * @returns what it does to the directory, once it is stored
 */
export function putScreen(
  tx: Write,
  meta: Meta,
  screen: readonly StoredDocument[],
  directory: PageDirectory,
): (directory: PageDirectory) => void {
  const moved = screen.filter((document) => !directory.isInTail(document));
  const names = screen.map(({ collection, id }) => ({ collection, id }));
  for (const document of moved) putInTail(tx, document);
  if (moved.length > 0) begin(tx.objectStore("meta").put(seal(metaAfter(meta, {})), "meta"));
  begin(tx.objectStore("meta").put(seal(names), "screen"));
  return (written) => {
    for (const document of moved) written.putInTail(document);
    written.setScreen(names);
  };
}

/** Whether {@link putScreen} has something to do. */
export function isScreenDue(screen: readonly StoredDocument[], directory: PageDirectory): boolean {
  return !isSameScreen(screen, directory.screen) || screen.some((document) => !directory.isInTail(document));
}

/** Adds entries as pages that are newer than all others. */
async function addPages(
  tx: Write,
  entries: readonly PageEntry[],
  limits: StoreLimits,
): Promise<(directory: PageDirectory) => void> {
  const adding = intoPages(entries, limits).map(async (part) => {
    const record = toPageRecord(part);
    const page = await tx.objectStore("pages").add(record);
    return { page, bytes: record.bytes.byteLength, part };
  });
  const added = await Promise.all(adding);
  return (directory) => {
    for (const { page, bytes, part } of added) directory.addNewer(page, bytes, part);
  };
}

function intoPages(
  entries: readonly PageEntry[],
  { pageDocuments, pageBytes }: StoreLimits,
): (readonly PageEntry[])[] {
  const pages: PageEntry[][] = [];
  let bytes = Infinity;
  for (const entry of entries) {
    const own = isGone(entry) ? 0 : entry.base.length;
    const last = pages.at(-1);
    if (last !== undefined && last.length < pageDocuments && bytes + own <= pageBytes) {
      last.push(entry);
      bytes += own;
    } else {
      pages.push([entry]);
      bytes = own;
    }
  }
  return pages;
}

function putInTail(tx: Write, entry: PageEntry): void {
  begin(tx.objectStore("tail").put(seal(withOwnBase(entry)), [entry.collection, entry.id]));
}

/** A request that nobody waits for: if it fails the transaction does, and tells of it. */
export function begin(request: Promise<unknown>): void {
  request.catch(() => {});
}

/** A slice of a page's bytes would be stored with all of the page. */
function withOwnBase(entry: PageEntry): PageEntry {
  if (isGone(entry) || entry.base.byteLength === entry.base.buffer.byteLength) return entry;
  const owned: StoredDocument = { ...entry, base: entry.base.slice() };
  return owned;
}
