import { unwrap } from "idb";
import { ReplicaError } from "../base/errors.js";
import type {
  AuthoredGroup,
  Damage,
  Meta,
  OutboxEntry,
  StoredDocument,
  StoredScope,
} from "../ports/storage.js";
import type { Database, PageRecord, Read, Schema, StoredScreen, StoreName } from "./indexedDbSchema.js";
import { PageDirectory } from "./pageDirectory.js";
import { DamagedPageError, decodePage, isGone, type PageEntry } from "./pageFormat.js";
import { unseal, type Sealed } from "./sealed.js";

/** All that a database holds but its pages, as of one moment. */
export interface Head {
  readonly meta: Meta;
  /** What is to stay in the tail; damaged: nothing. */
  readonly screen: StoredScreen;
  readonly tail: readonly PageEntry[];
  readonly outbox: readonly OutboxEntry[];
  readonly groups: readonly AuthoredGroup[];
  readonly scopes: readonly StoredScope[];
  readonly damage: readonly Damage[];
}

export const headStores: StoreName[] = ["meta", "tail", "outbox", "groups", "scopes"];

export function beginReading(db: Database, stores: StoreName[]): Read {
  const tx = db.transaction(stores);
  tx.done.catch(() => {}); // whatever ends it rejects a request as well
  return tx;
}

/** @returns null if the database is a new one */
export async function readHead(tx: Read): Promise<Head | null> {
  const [meta, screen, tail, outbox, groups, scopes] = await Promise.all([
    readRecord(tx.objectStore("meta").get("meta")),
    readRecord(tx.objectStore("meta").get("screen")),
    readStore(tx, "tail"),
    readStore(tx, "outbox"),
    readStore(tx, "groups"),
    readStore(tx, "scopes"),
  ]);
  const isEmpty = [tail, outbox, groups, scopes].every(({ length }) => length === 0);
  if (meta?.value === undefined && isEmpty) return null;
  return {
    meta: unsealMeta(meta?.value),
    screen: unseal(screen?.value as Sealed<StoredScreen> | undefined)?.value ?? [],
    tail: tail.map(({ key, value }) => value ?? { collection: key[0], id: key[1], isGone: true }),
    outbox: outbox.flatMap(({ key, value }) =>
      value === null ? [] : [{ sequence: key, transaction: value }],
    ),
    groups: groups.flatMap(({ value }) => value ?? []),
    scopes: scopes.flatMap(({ value }) => value ?? []),
    damage: [
      ...damaged(tail, ([collection, id]) => ({ type: "document", collection, id })),
      ...damaged(outbox, (sequence) => ({ type: "transaction", sequence })),
      ...damaged(groups, (sequence) => ({ type: "group", sequence })),
      ...damaged(scopes, ([collection, scope]) => ({ type: "scope", collection, scope })),
    ],
  };
}

/** @throws ReplicaError `storage_corrupt` if it is not what was written: without it nothing here can be trusted */
export function unsealMeta(record: Schema["meta"]["value"] | undefined): Meta {
  const unsealed = unseal(record as Sealed<Meta> | undefined);
  if (unsealed !== null) return unsealed.value;
  throw new ReplicaError(
    "storage_corrupt",
    "The local database has lost its identity, and is not used. Nothing of it was deleted.",
  );
}

/** Outbox entries after a sequence. */
export async function readOutboxAfter(tx: Read, sequence: number): Promise<OutboxEntry[]> {
  const records = await readStore(tx, "outbox", IDBKeyRange.lowerBound(sequence, true));
  return records.flatMap(({ key, value }) => (value === null ? [] : [{ sequence: key, transaction: value }]));
}

/**
 * So many pages are asked for at once: a request, and telling of what came, cost half as much as a page does. What they
 * hold is a slice of opening, 4 ms at the most.
 */
const pagesAtOnce = 2;
/** So many requests are under way at a time: the browser fetches what is next while a slice is shown. */
const requestsAtOnce = 2;

/** Documents of pages that nothing newer speaks of; and the pages that could not be read. */
export interface PageSlice {
  readonly documents: readonly StoredDocument[];
  readonly damage: readonly Damage[];
}

/**
 * Reads the pages that belong to `head`, newest first, with a turn of the event loop before each slice of them. One
 * transaction, which the requests for the next pages keep open: so what is read is of one moment, and a slice may take
 * what it takes.
 *
 * @param onSlice - called at once with the tail's documents, if all that was on the screen is among them; else with those
 *   and the first page's; then with those of the next ones
 * @returns null, before anything was read, if there was a commit after `head`
 */
export async function readPages(
  db: Database,
  head: Head,
  onSlice: (slice: PageSlice) => void,
): Promise<PageDirectory | null> {
  const tx = beginReading(db, ["meta", "pages"]);
  const [meta, keys] = await Promise.all([
    tx.objectStore("meta").get("meta"),
    tx.objectStore("pages").getAllKeys(),
  ]);
  if (unsealMeta(meta).commit !== head.meta.commit) return null;
  const directory = new PageDirectory();
  for (const entry of head.tail) directory.putInTail(entry);
  directory.setScreen(head.screen);
  const documents = head.tail.filter((entry): entry is StoredDocument => !isGone(entry));
  const slices = intoSlices(keys);
  const begun: Promise<ReadPage[]>[] = [];
  const beginNext = () => {
    const slice = slices[begun.length];
    if (slice === undefined) return;
    const reading = readSlice(tx, slice);
    reading.catch(() => {}); // met when its turn has come
    begun.push(reading);
  };
  for (let each = 0; each < requestsAtOnce; each++) beginNext();
  const hasScreen = head.screen.length > 0 && head.screen.every((name) => directory.isInTail(name));
  if (hasScreen || keys.length === 0) onSlice({ documents: documents.splice(0), damage: [] });
  for (let index = 0; index < slices.length; index++) {
    const pages = (await begun[index]) as ReadPage[];
    beginNext();
    const damage: Damage[] = [];
    for (const page of pages) decodeInto(page, directory, documents, damage);
    onSlice({ documents: documents.splice(0), damage });
  }
  await tx.done;
  return directory;
}

/** The newest page, which is waited for, then the others, newest first. @param keys - ascending */
function intoSlices(keys: readonly number[]): (readonly number[])[] {
  const slices: (readonly number[])[] = [];
  for (let end = keys.length; end > 0;) {
    const start = slices.length === 0 ? end - 1 : Math.max(0, end - pagesAtOnce);
    slices.push(keys.slice(start, end));
    end = start;
  }
  return slices;
}

interface ReadPage {
  readonly page: number;
  /** Undefined: damaged. */
  readonly record: PageRecord | undefined;
}

/** @param pages - keys that follow each other, ascending. @returns them newest first */
async function readSlice(tx: Read, pages: readonly number[]): Promise<ReadPage[]> {
  const store = tx.objectStore("pages");
  const range = IDBKeyRange.bound(pages[0], pages.at(-1));
  const records =
    (await readRecord(store.getAll(range)))?.value ??
    (await Promise.all(pages.map(async (page) => (await readRecord(store.get(page)))?.value)));
  return pages.map((page, index) => ({ page, record: records[index] })).reverse();
}

/** Decodes a page that is older than all in the directory. */
function decodeInto(
  { page, record }: ReadPage,
  directory: PageDirectory,
  documents: StoredDocument[],
  damage: Damage[],
): void {
  try {
    const entries = decodePage(record?.bytes);
    const areLive = directory.addOlder(page, record?.bytes.byteLength ?? 0, entries);
    entries.forEach((entry, index) => {
      if (areLive[index] === true && !isGone(entry)) documents.push(entry);
    });
  } catch (error) {
    if (!(error instanceof DamagedPageError)) throw error;
    damage.push({ type: "page", page, scopes: unseal(record?.scopes)?.value ?? null });
  }
}

function damaged<Key>(
  records: readonly { readonly key: Key; readonly value: unknown }[],
  toDamage: (key: Key) => Damage,
): Damage[] {
  return records.filter(({ value }) => value === null).map(({ key }) => toDamage(key));
}

type SealedStore = Exclude<StoreName, "pages">;
type Unsealed<Name extends SealedStore> = Schema[Name]["value"]["value"];

/** Every record with its key; null: damaged. If one of them makes the whole unreadable they are read one by one. */
async function readStore<Name extends SealedStore>(
  tx: Read,
  name: Name,
  range?: IDBKeyRange,
): Promise<{ readonly key: Schema[Name]["key"]; readonly value: Unsealed<Name> | null }[]> {
  type Store = {
    getAllKeys(range?: IDBKeyRange): Promise<Schema[Name]["key"][]>;
    getAll(range?: IDBKeyRange): Promise<Sealed<Unsealed<Name>>[]>;
    get(key: Schema[Name]["key"]): Promise<Sealed<Unsealed<Name>> | undefined>;
  };
  const store = tx.objectStore(name) as unknown as Store;
  const [keys, records] = await Promise.all([store.getAllKeys(range), readRecord(store.getAll(range))]);
  const one = (key: Schema[Name]["key"]) => readRecord(store.get(key));
  const all = records?.value ?? (await Promise.all(keys.map(one))).map((record) => record?.value);
  return keys.map((key, index) => ({ key, value: unseal(all[index])?.value ?? null }));
}

/** @returns null if the browser says that this record, of all, cannot be read; which ends no transaction */
export async function readRecord<T>(request: Promise<T>): Promise<{ readonly value: T } | null> {
  unwrap(request).addEventListener("error", (event) => {
    if (!isDamage((event.target as IDBRequest).error)) return;
    event.preventDefault();
    event.stopPropagation();
  });
  try {
    return { value: await request };
  } catch (error) {
    if (isDamage(error)) return null;
    throw error;
  }
}

/** Any other fault is one of the whole database: what cannot be read now may be read tomorrow. */
function isDamage(error: unknown): boolean {
  return error instanceof DOMException && (error.name === "NotReadableError" || error.name === "DataError");
}
