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
import type { Database, PageRecord, Read, Schema, StoreName } from "./indexedDbSchema.js";
import { PageDirectory } from "./pageDirectory.js";
import { DamagedPageError, decodePage, isGone, type PageEntry } from "./pageFormat.js";
import { unseal, type Sealed } from "./sealed.js";

/** All that a database holds but its pages, as of one moment. */
export interface Head {
  readonly meta: Meta;
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
  const [meta, tail, outbox, groups, scopes] = await Promise.all([
    readRecord(tx.objectStore("meta").get("meta")),
    readStore(tx, "tail"),
    readStore(tx, "outbox"),
    readStore(tx, "groups"),
    readStore(tx, "scopes"),
  ]);
  const isEmpty = [tail, outbox, groups, scopes].every(({ length }) => length === 0);
  if (meta?.value === undefined && isEmpty) return null;
  return {
    meta: unsealMeta(meta?.value),
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
export function unsealMeta(record: Sealed<Meta> | undefined): Meta {
  const unsealed = unseal(record);
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

/** So many pages are asked for before they are needed: the browser fetches them while others are shown. */
const pagesAhead = 4;

/** Documents of a page that nothing newer speaks of; or that the page could not be read. */
export interface PageSlice {
  readonly documents: readonly StoredDocument[];
  readonly damage: readonly Damage[];
}

/**
 * Reads the pages that belong to `head`, newest first, with a turn of the event loop before each. One transaction, which
 * the requests for the next pages keep open: so what is read is of one moment, and a slice may take what it takes.
 *
 * @param onSlice - called at once with the tail's documents and those of the first page, then with each page's
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
  const pages = keys.reverse();
  const begun: Promise<{ readonly value: PageRecord | undefined } | null>[] = [];
  const beginNext = () => {
    const page = pages[begun.length];
    if (page === undefined) return;
    const reading = readRecord(tx.objectStore("pages").get(page));
    reading.catch(() => {}); // met when its turn has come
    begun.push(reading);
  };
  for (let ahead = 0; ahead < pagesAhead; ahead++) beginNext();
  let early: PageSlice | null = {
    documents: head.tail.filter((entry): entry is StoredDocument => !isGone(entry)),
    damage: [],
  };
  for (const [index, page] of pages.entries()) {
    const record = await begun[index];
    beginNext();
    const slice = toSlice(page, record?.value, directory);
    onSlice(early === null ? slice : { ...slice, documents: [...early.documents, ...slice.documents] });
    early = null;
  }
  if (early !== null) onSlice(early);
  await tx.done;
  return directory;
}

/** Decodes a page that is older than all in the directory. */
function toSlice(page: number, record: PageRecord | undefined, directory: PageDirectory): PageSlice {
  try {
    const entries = decodePage(record?.bytes);
    const areLive = directory.addOlder(page, record?.bytes.byteLength ?? 0, entries);
    const documents = entries.filter(
      (entry, index): entry is StoredDocument => areLive[index] === true && !isGone(entry),
    );
    return { documents, damage: [] };
  } catch (error) {
    if (!(error instanceof DamagedPageError)) throw error;
    return { documents: [], damage: [{ type: "page", page, scopes: unseal(record?.scopes)?.value ?? null }] };
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
async function readRecord<T>(request: Promise<T>): Promise<{ readonly value: T } | null> {
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
