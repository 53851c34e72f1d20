// A leader's outbox as the tests of authoring drive it, and what comes of it.
import { v } from "convex/values";
import { defineCollection, field, projectRow, type AnyCollection } from "../../collections/index.js";
import { authorUpdate, encodeSnapshot, openDocument } from "../../shared/document.js";
import { readMain } from "../../shared/mainDocument.js";
import type { Operation } from "../../shared/operations.js";
import { emptyPublication } from "../../client/base/publication.js";
import { blobsOf } from "../../client/documents/base.js";
import { authorDocument } from "../../client/documents/author.js";
import type { AuthoredGroup, StoredDocument, StoredTransaction } from "../../client/ports/storage.js";
import { Journal } from "../../client/store/journal.js";
import { MemoryStorage } from "../../client/store/memoryStorage.js";
import { authorWaiting, type AuthoringOptions } from "../../client/outbox/authoring.js";
import { write, type Changes } from "./storedRecords.js";

export const sites: AnyCollection = defineCollection("sites", {
  fields: { name: v.string(), note: v.optional(v.string()), visits: field.counter() },
});
const notes: AnyCollection = defineCollection("notes", { fields: { text: v.string() }, schemaVersion: 3 });
const definitions = new Map([sites, notes].map((each) => [each.name, each]));
export const ownAuthor = 42;
export const options: AuthoringOptions = {
  definitions,
  authorDocument,
  freshAuthor: (authors) => Math.max(...authors) + 1,
  merges: new Map(),
  now: 1000,
};

export const remove: Operation = { type: "delete" };

/** Tried so often, each time in vain by its own fault. */
export const tried = (faults: number, transaction: StoredTransaction): StoredTransaction => ({
  ...transaction,
  attempts: [{ startedAt: 1, endedAt: 2, error: { message: "" }, tries: faults, faults }],
});
export const transact = (id: string, changes: Changes) => write(id, changes, { isGroup: true });

/** A document as the stream brought it, by another author. */
export function streamed(id: string, operations: readonly Operation[]): StoredDocument {
  const doc = openDocument([]);
  authorUpdate(doc, 7, operations);
  const row = projectRow(sites, id, readMain(doc));
  return { collection: "sites", id, scope: "", ts: 1n, row, base: encodeSnapshot(doc) };
}

export async function openOutbox(
  transactions: readonly StoredTransaction[],
  documents: readonly StoredDocument[] = [],
) {
  const storage = new MemoryStorage();
  await storage.open({ client: "c", author: ownAuthor });
  await storage.append(transactions);
  const journal = new Journal(storage, await storage.takeOver(), () => {});
  await journal.change(() => ({ commit: { documents }, publication: emptyPublication }));
  return {
    storage,
    journal,
    author: () => authorWaiting(journal, options),
    /** Authors and stores. @returns the new groups */
    async authorAndStore(): Promise<readonly AuthoredGroup[]> {
      const step = authorWaiting(journal, options);
      await journal.change(() => step);
      return step?.commit.groups ?? [];
    },
  };
}

export const idsOf = (groups: readonly AuthoredGroup[] | undefined) =>
  groups?.map((group) => group.transactions);
export const documentsOf = (groups: readonly AuthoredGroup[] | undefined) =>
  groups?.map((group) => group.updates.map((update) => update.document));
/** The row once the server has applied these updates. */
export function rowOf(id: string, base: StoredDocument | null, groups: readonly AuthoredGroup[]) {
  const updates = groups.flatMap((group) => group.updates).filter((update) => update.document === id);
  const doc = openDocument([
    ...(base === null ? [] : blobsOf(base.base)),
    ...updates.map((each) => each.bytes),
  ]);
  return projectRow(sites, id, readMain(doc));
}
