// What a device's database holds, as tests write it down.
import { openDB } from "idb";
import type {
  AuthoredGroup,
  StoredDocument,
  StoredScope,
  StoredTransaction,
} from "../../client/ports/storage.js";
import type { Operation } from "../../shared/operations.js";

export const insert = (name: string): Operation => ({ type: "insert", fields: { name } });
export const rename = (name: string): Operation => ({ type: "set", field: "name", value: name });
export const visit = { type: "increment", field: "visits", by: 1 } as const satisfies Operation;

/** What is done to which document: an id of `sites`, or `collection/id`. */
export type Changes = Record<string, readonly Operation[]>;

export const write = (
  id: string,
  changes: Changes,
  more: Partial<StoredTransaction> = {},
): StoredTransaction => ({
  id,
  createdAt: 1,
  metadata: {},
  isGroup: false,
  changes: Object.entries(changes).map(([name, operations]) => {
    const [document = "", collection = "sites"] = name.split("/").reverse();
    return { collection, id: document, operations };
  }),
  ...more,
});

/** A site whose base nothing reads. */
export const storedSite = (id: string, row: object, more: Partial<StoredDocument> = {}): StoredDocument => ({
  collection: "sites",
  id,
  scope: "DE",
  ts: 1n,
  row: { id, ...row },
  base: new Uint8Array([2, 1, 2]),
  ...more,
});

/** A position in the stream of a scope of sites, which is all there. */
export const storedScope = (scope: string, ts = 1n): StoredScope => ({
  collection: "sites",
  scope,
  cursor: { ts, document: "x" },
  epoch: "0",
  isComplete: true,
});

/** Sent and not answered. */
export const storedGroup = (sequence: number, ...transactions: string[]): AuthoredGroup => ({
  sequence,
  transactions,
  updates: [],
  isAnswered: false,
});

/** All that an IndexedDB database holds, as it is. */
export async function everyRecord(name: string): Promise<unknown> {
  const db = await openDB(name);
  const all = await Promise.all([...db.objectStoreNames].map((store) => db.getAll(store)));
  db.close();
  return all;
}
