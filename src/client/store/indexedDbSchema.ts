// Stores: meta (the record of that name; and `screen`, the list of what stays in the tail) · pages (some hundred documents
// each, one value, never changed: a record per document is many times slower to write and to open) · tail (a record per
// document changed since, which counts more than any page) · outbox · groups · scopes · parts (of which little is read at a
// time) · partPositions (all of which the leader knows). Every record carries a checksum. Of a document that is in several
// pages the newest, which has the highest key, counts. A record, in tail or page, that a document is gone stays until no
// page speaks of it.
//
// The version of the format is the one that IndexedDB itself keeps of a database: so it refuses whoever knows older
// formats only, before that can write anything, and tells older tabs to let go when a newer one comes.
import type { DBSchema, IDBPDatabase, IDBPTransaction } from "idb";
import { keyOf } from "../core/keys.js";
import type {
  AuthoredGroup,
  Meta,
  PartPosition,
  Stored,
  StoredDocument,
  StoredPart,
  StoredScope,
  StoredTransaction,
} from "../ports/storage.js";
import { encodePage, type PageEntry } from "./pageFormat.js";
import { seal, type Sealed } from "./sealed.js";

export interface PageRecord {
  readonly bytes: ArrayBuffer;
  /** Of its documents: what to read again should the bytes be damaged. */
  readonly scopes: Sealed<readonly { readonly collection: string; readonly scope: string }[]>;
}

/** Documents by name. A version of the app that knows nothing of it folds them with all others, and is as right. */
export type StoredScreen = Stored["screen"];

export interface Schema extends DBSchema {
  meta: { key: "meta" | "screen"; value: Sealed<Meta> | Sealed<StoredScreen> };
  pages: { key: number; value: PageRecord };
  tail: { key: [string, string]; value: Sealed<PageEntry> };
  outbox: { key: number; value: Sealed<StoredTransaction> };
  groups: { key: number; value: Sealed<AuthoredGroup> };
  scopes: { key: [string, string]; value: Sealed<StoredScope> };
  parts: { key: PartKey; value: Sealed<StoredPart> };
  partPositions: { key: PartKey; value: Sealed<PartPosition> };
}

/** `[collection, id, part]`. */
export type PartKey = [string, string, string];

export type StoreName =
  "meta" | "pages" | "tail" | "outbox" | "groups" | "scopes" | "parts" | "partPositions";
export type Database = IDBPDatabase<Schema>;
export type Read = IDBPTransaction<Schema, StoreName[], "readonly" | "readwrite">;
export type Write = IDBPTransaction<Schema, StoreName[], "readwrite">;
type Upgrade = IDBPTransaction<Schema, StoreName[], "versionchange">;

/** By the version that each leads from: all that is stored in the one format, in the next. */
const migrations: readonly ((tx: Upgrade) => Promise<void>)[] = [
  // 0: there is no database.
  async ({ db }) => {
    for (const store of ["meta", "scopes", "groups", "tail"] as const) db.createObjectStore(store);
    for (const store of ["pages", "outbox"] as const) db.createObjectStore(store, { autoIncrement: true });
  },
  // 1: records had no checksums, and a page was the list of its documents.
  async (tx) => {
    for (const name of ["meta", "scopes", "groups", "tail", "outbox"] as const)
      await replaceAll(tx.objectStore(name), (record) => seal(record));
    await replaceAll(tx.objectStore("pages"), (record) =>
      toPageRecord((record as { documents: readonly StoredDocument[] }).documents),
    );
  },
  // 2: a base was one blob, and no part was stored.
  async ({ db }) => {
    for (const store of ["parts", "partPositions"] as const) db.createObjectStore(store);
  },
];

export const formatVersion = migrations.length;

/** Brings a database of an older format into this one, one format after the other, in one transaction. */
export async function migrate(tx: Upgrade, from: number): Promise<void> {
  for (const migration of migrations.slice(from)) await migration(tx);
}

export function toPageRecord(entries: readonly PageEntry[]): PageRecord {
  const scopes = new Map(
    entries.flatMap((entry) =>
      "isGone" in entry
        ? []
        : [[keyOf(entry.collection, entry.scope), { collection: entry.collection, scope: entry.scope }]],
    ),
  );
  return { bytes: encodePage(entries), scopes: seal([...scopes.values()]) };
}

async function replaceAll(
  store: {
    getAllKeys(): Promise<unknown[]>;
    get(key: never): Promise<unknown>;
    put(record: never, key: never): Promise<unknown>;
  },
  convert: (record: unknown) => unknown,
): Promise<void> {
  for (const key of await store.getAllKeys()) {
    const record = await store.get(key as never);
    await store.put(convert(record) as never, key as never);
  }
}
