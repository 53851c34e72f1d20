import { expect, test } from "vitest";
import { authorUpdate, encodeSnapshot, openDocument } from "../shared/document.js";
import { endOfCommit, type Cursor } from "../shared/wire.js";
import { sites } from "../testing/fieldApp.js";
import type { Operation } from "../shared/operations.js";
import { emptyPublication } from "./base/publication.js";
import type { PageContext } from "./pages.js";
import type { AuthoredUpdate, StoredDocument, StoredScope, StoredTransaction } from "./ports/storage.js";
import { Journal } from "./store/journal.js";
import { MemoryStorage } from "./store/memoryStorage.js";
import { decideUnread, remadeDocuments } from "./unread.js";

const author = 42;
const freshAuthor = 77;
const insertIn = (country: string): Operation => ({
  type: "insert",
  fields: { name: "n", country, status: "open" },
});
const add: Operation = { type: "increment", field: "visits", by: 1 };
const nothingIsRead = () => false;

/** What this device made of documents, one transaction for each `[document, operation]`, all of it authored. */
interface Made {
  /** On the device, each inserted by somebody else in DE. */
  readonly documents?: readonly string[];
  readonly writes: readonly (readonly (readonly [document: string, operation: Operation])[])[];
  /** How many of the transactions were answered, from the first one on. */
  readonly answered?: number;
  /** When. */
  readonly ts?: bigint;
  /** Where the reading of the scopes has come to; default: to the end of the stream at 9. */
  readonly reached?: Cursor;
  /** As bytes that are perhaps others. */
  readonly isRemade?: true;
  readonly scopes?: readonly string[];
}

async function setUp({
  documents = [],
  writes,
  answered = writes.length,
  ts,
  isRemade,
  scopes = [],
  reached,
}: Made) {
  const storage = new MemoryStorage();
  await storage.open({ client: "c", author });
  const docs = new Map(documents.map((id) => [id, openDocument([])]));
  for (const doc of docs.values()) authorUpdate(doc, 7, [insertIn("DE")]);
  const stored = [...docs].map(([id, doc]): StoredDocument => {
    const row = { id, name: "n", country: "DE", status: "open", visits: 0, tags: [] };
    return { collection: "sites", id, scope: "DE", ts: 3n, row, base: encodeSnapshot(doc) };
  });
  const transactions = writes.map((changes, index): StoredTransaction => ({
    id: `t${index}`,
    createdAt: 1,
    metadata: {},
    isGroup: changes.length > 1,
    changes: changes.map(([id, operation]) => ({ collection: "sites", id, operations: [operation] })),
  }));
  const sequences = await storage.append(transactions);
  const groups = writes.map((changes, index) => ({
    sequence: sequences[index] ?? 0,
    transactions: [`t${index}`],
    isAnswered: index < answered,
    ...(ts === undefined ? {} : { ts }),
    ...(isRemade === undefined ? {} : { isRemade }),
    updates: changes.map(([document, operation]): AuthoredUpdate => {
      const doc = docs.get(document) ?? openDocument([]);
      docs.set(document, doc);
      const made = authorUpdate(doc, author, [operation])!;
      return { ...made, collection: "sites", document, schemaVersion: 1, isCovered: false };
    }),
  }));
  const journal = new Journal(storage, await storage.takeOver(), () => {});
  const positions = scopes.map((scope): StoredScope => ({
    ...{ collection: "sites", scope, epoch: "0", isComplete: true },
    cursor: reached ?? { ts: 9n, document: endOfCommit },
  }));
  const commit = { documents: stored, groups, scopes: positions };
  await journal.change(() => ({ commit, publication: emptyPublication }));
  const report = (error: unknown) => {
    throw error;
  };
  const definitions = new Map([["sites", sites]]);
  const context: PageContext = { journal, definitions, freshAuthor: () => freshAuthor, report };
  return { journal, context };
}

test("what was answered in a scope that nobody reads is merged here, and done", async () => {
  const { context, journal } = await setUp({ documents: ["x"], writes: [[["x", add]]] });
  const { commit, publication } = decideUnread(context, nothingIsRead)!;
  expect(commit.documents).toMatchObject([{ id: "x", scope: "DE", ts: 3n, row: { visits: 1 } }]);
  expect(commit.author).toBeUndefined();
  expect(publication).toMatchObject({
    rows: [{ id: "x", row: { visits: 1 } }],
    covered: [{ transaction: "t0", id: "x" }],
    transactions: [{ id: "t0", phase: { type: "completed" } }],
  });
  await journal.change(() => ({ commit, publication }));
  expect([journal.groups(), journal.outbox()]).toEqual([[], []]);
});

test("I-7: all that was answered of a document is merged at once: each stands on the ones before", async () => {
  const { context, journal } = await setUp({ documents: ["x"], writes: [[["x", add]], [["x", add]]] });
  const { commit, publication } = decideUnread(context, nothingIsRead)!;
  expect(publication.rows).toMatchObject([{ id: "x", row: { visits: 2 } }]);
  await journal.change(() => ({ commit, publication }));
  expect(journal.outbox()).toEqual([]);
});

test("what a stream brings, and what was not answered, waits", async () => {
  const write: Made = { documents: ["x"], writes: [[["x", add]]] };
  expect(decideUnread((await setUp(write)).context, ({ scope }) => scope === "DE")).toBeNull();
  expect(decideUnread((await setUp({ ...write, answered: 0 })).context, nothingIsRead)).toBeNull();
});

test("of two documents in one transaction the one is settled and the other waits for its stream", async () => {
  const { context, journal } = await setUp({
    documents: ["x"],
    writes: [
      [
        ["x", add],
        ["new", insertIn("FR")],
      ],
    ],
  });
  const decision = decideUnread(context, ({ scope }) => scope === "FR")!;
  expect(decision.publication).toMatchObject({
    rows: [{ id: "x" }],
    covered: [{ transaction: "t0", id: "x" }],
    transactions: [{ id: "t0", phase: { type: "persisted_awaiting_sync" } }],
  });
  await journal.change(() => decision);
  expect(journal.groups()[0]?.updates.map(({ isCovered }) => isCovered)).toEqual([true, false]);
  expect(decideUnread(context, ({ scope }) => scope === "FR")).toBeNull();
});

test("a document that was inserted in a scope that the device holds stays on the device", async () => {
  const writes = [[["new", insertIn("FR")] as const], [["new", add] as const]];
  const { context } = await setUp({ scopes: ["FR"], writes });
  const { commit, publication } = decideUnread(context, nothingIsRead)!;
  expect(commit.documents).toMatchObject([{ id: "new", scope: "FR", ts: 0n, row: { visits: 1 } }]);
  expect(commit.author).toBeUndefined();
  expect(publication.transactions.map(({ phase }) => phase.type)).toEqual(["completed", "completed"]);
});

test("I-4: a document that the device keeps nothing of ends the author, who would use its clocks again", async () => {
  const { context } = await setUp({ writes: [[["new", insertIn("FR")]]] });
  const { commit, publication } = decideUnread(context, nothingIsRead)!;
  expect(commit).toMatchObject({ documents: [], author: freshAuthor });
  expect(publication).toMatchObject({
    rows: [],
    covered: [{ transaction: "t0", id: "new" }],
    transactions: [{ id: "t0", phase: { type: "completed" } }],
  });
});

test("I-11: what a stream has passed without bringing it is not waited for: it was purged before it was met", async () => {
  const made: Made = { scopes: ["FR"], writes: [[["new", insertIn("FR")]], [["new", add]]] };
  const isRead = () => true;
  expect(decideUnread((await setUp(made)).context, isRead)).toBeNull(); // when it was applied is not known
  expect(decideUnread((await setUp({ ...made, ts: 10n })).context, isRead)).toBeNull();
  // Half of that commit may be to come, and what is compacted meanwhile stands later.
  const reached = { ts: 9n, document: "a" };
  for (const ts of [8n, 9n])
    expect(decideUnread((await setUp({ ...made, ts, reached })).context, isRead)).toBeNull();
  const { commit, publication } = decideUnread((await setUp({ ...made, ts: 9n })).context, isRead)!;
  expect(commit).toMatchObject({ documents: [], author: freshAuthor });
  expect(publication.rows).toEqual([]);
  expect(publication.transactions.map(({ phase }) => phase.type)).toEqual(["completed", "completed"]);
});

test("what the scope was read past is in the document, or was part of an earlier life of it", async () => {
  const made: Made = { documents: ["x"], scopes: ["DE"], writes: [[["x", add]]] };
  for (const isRead of [true, false]) {
    const { context } = await setUp({ ...made, ts: 8n });
    const { commit, publication } = decideUnread(context, () => isRead)!;
    expect(commit).toMatchObject({ documents: [], removedOutbox: [1] });
    expect(commit.author).toBeUndefined();
    expect(publication).toMatchObject({
      rows: [],
      transactions: [{ id: "t0", phase: { type: "completed" } }],
    });
  }
});

test("I-3: of what was authored anew nothing is merged: it may have been applied as other bytes", async () => {
  const made: Made = { documents: ["x"], isRemade: true, ts: 20n, scopes: ["DE"], writes: [[["x", add]]] };
  const { context, journal } = await setUp(made);
  expect(decideUnread(context, nothingIsRead)).toBeNull();
  expect(remadeDocuments(journal)).toEqual([{ collection: "sites", id: "x" }]); // which is read then
  const inserted = await setUp({ ...made, documents: [], writes: [[["new", insertIn("DE")]]] });
  expect(decideUnread(inserted.context, nothingIsRead)!.commit).toMatchObject({
    documents: [],
    removedOutbox: [1],
  });
});
