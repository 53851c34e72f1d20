import { expect, test } from "vitest";
import { authorUpdate, encodeSnapshot, openDocument } from "../shared/document.js";
import type { Operation } from "../shared/operations.js";
import { startCursor, type Page, type StreamEntry } from "../shared/wire.js";
import { sites } from "../testing/fieldApp.js";
import { emptyPublication } from "./base/publication.js";
import { decidePage, forgetDocuments, type PageContext } from "./pages.js";
import type { AuthoredUpdate, StoredDocument, StoredScope, StoredTransaction } from "./ports/storage.js";
import { Journal } from "./store/journal.js";
import { MemoryStorage } from "./store/memoryStorage.js";

const freshAuthor = 77;
const fields = (country: string) => ({ name: "n", country, status: "open" });

/** A document's state as others have made it. */
function stateOf(country: string, operations: readonly Operation[] = []) {
  const doc = openDocument([]);
  authorUpdate(doc, 7, [{ type: "insert", fields: fields(country) }, ...operations]);
  return doc;
}
const snapshot = (document: string, ts: bigint, country: string): StreamEntry => ({
  type: "snapshot",
  document,
  ts,
  bytes: encodeSnapshot(stateOf(country)).buffer,
});
const leave = (document: string, ts: bigint): StreamEntry => ({ type: "leave", document, ts });
const page = (...entries: StreamEntry[]): Page => ({
  type: "page",
  epoch: "0",
  entries,
  cursor: { ts: 9n, document: "" },
  done: true,
});
const position = (scope: string): StoredScope => ({
  collection: "sites",
  scope,
  cursor: { ts: 9n, document: "" },
  epoch: "0",
  isComplete: true,
});
const held = (id: string, scope: string, ts: bigint): StoredDocument => ({
  collection: "sites",
  id,
  scope,
  ts,
  row: { id, ...fields(scope) },
  base: encodeSnapshot(stateOf(scope)),
});
const own = (document: string): AuthoredUpdate => ({
  collection: "sites",
  document,
  schemaVersion: 1,
  bytes: new Uint8Array([1]),
  author: 42,
  from: 0,
  to: 1,
  isCovered: false,
});
const transaction: StoredTransaction = {
  id: "t",
  createdAt: 1,
  metadata: {},
  isGroup: false,
  changes: [{ collection: "sites", id: "x", operations: [{ type: "set", field: "name", value: "t" }] }],
};

/** @param isAnswered - of an update of `x` that this device has sent */
async function setUp(documents: readonly StoredDocument[], isAnswered?: boolean): Promise<PageContext> {
  const storage = new MemoryStorage();
  await storage.open({ client: "c", author: 42 });
  const [sequence = 0] = await storage.append([transaction]);
  const journal = new Journal(storage, await storage.takeOver(), () => {});
  const groups =
    isAnswered === undefined ? [] : [{ sequence, transactions: ["t"], updates: [own("x")], isAnswered }];
  await journal.change(() => ({ commit: { documents, groups }, publication: emptyPublication }));
  const report = (error: unknown) => {
    throw error;
  };
  return { journal, definitions: new Map([["sites", sites]]), freshAuthor: () => freshAuthor, report };
}

const removed = [{ collection: "sites", id: "x" }];
const cases: [string, StoredDocument[], string, StreamEntry[], object][] = [
  ["its own scope, later", [held("x", "DE", 3n)], "DE", [leave("x", 5n)], { removedDocuments: removed }],
  ["its own scope, at its ts", [held("x", "DE", 5n)], "DE", [leave("x", 5n)], { removedDocuments: removed }],
  ["its own scope, before it came", [held("x", "DE", 6n)], "DE", [leave("x", 5n)], { removedDocuments: [] }],
  ["a scope that it has left", [held("x", "FR", 5n)], "DE", [leave("x", 5n)], { removedDocuments: [] }],
  ["a document that is not here", [], "DE", [leave("x", 5n)], { removedDocuments: [] }],
];
test.each(cases)("a leave of %s", async (_name, documents, scope, entries, commit) => {
  const decision = decidePage(await setUp(documents), page(...entries), position(scope));
  expect(decision.commit).toMatchObject({ documents: [], ...commit });
  const isRemoved = decision.commit.removedDocuments!.length > 0;
  expect(decision.publication.rows).toEqual(isRemoved ? [{ ...removed[0], row: null }] : []);
  expect(decision.commit.author).toBe(isRemoved ? freshAuthor : undefined);
});

test("a document is where its newest entry stands, in whatever order scopes are read", async () => {
  const place = async (documents: StoredDocument[], scope: string, entry: StreamEntry) => {
    const { commit } = decidePage(await setUp(documents), page(entry), position(scope));
    return commit.documents!.map((each) => [each.scope, each.ts]);
  };
  expect(await place([], "FR", snapshot("x", 5n, "FR"))).toEqual([["FR", 5n]]);
  expect(await place([held("x", "DE", 3n)], "FR", snapshot("x", 5n, "FR"))).toEqual([["FR", 5n]]);
  // What stood in DE before the document went to FR, and comes through only now.
  expect(await place([held("x", "FR", 5n)], "DE", snapshot("x", 3n, "DE"))).toEqual([["FR", 5n]]);
});

test("a document that is purged and inserted again stands on nothing of the old one", async () => {
  const again = snapshot("x", 7n, "DE");
  const { commit, publication } = decidePage(
    await setUp([{ ...held("x", "DE", 3n), base: new Uint8Array([9, 9]) }]), // it would fail to be merged
    page(leave("x", 5n), again),
    position("DE"),
  );
  expect(commit).toMatchObject({ removedDocuments: removed, author: freshAuthor });
  expect(commit.documents).toMatchObject([{ id: "x", ts: 7n, row: { name: "n" } }]);
  expect(publication.rows.map(({ row }) => row === null)).toEqual([true, false]);
});

test("what this device has written to a document that is gone is settled once it was applied, not before", async () => {
  for (const isAnswered of [true, false]) {
    const context = await setUp([held("x", "DE", 3n)], isAnswered);
    const { commit, publication } = decidePage(context, page(leave("x", 5n)), position("DE"));
    expect(commit.removedGroups ?? []).toHaveLength(isAnswered ? 1 : 0);
    const completed = { id: "t", phase: { type: "completed" } };
    expect(publication.transactions).toEqual(isAnswered ? [completed] : []);
  }
});

test("documents that are forgotten end the author, who would use their clocks again; no document ends none", async () => {
  const context = await setUp([held("x", "DE", 3n)]);
  expect(forgetDocuments(context, []).commit.author).toBeUndefined();
  expect(forgetDocuments(context, [held("x", "DE", 3n)]).commit.author).toBe(freshAuthor);
});

/** As another life of `x` that stands in FR would be. */
const newLife = (type: "snapshot" | "update"): StreamEntry => {
  const doc = openDocument([]);
  const fields = { name: "new", country: "FR", status: "open" };
  const { bytes } = authorUpdate(doc, 8, [{ type: "insert", fields }])!;
  return {
    type,
    document: "x",
    ts: 7n,
    bytes: type === "update" ? bytes.buffer : encodeSnapshot(doc).buffer,
  };
};
const oldLife = {
  ...held("x", "DE", 3n),
  base: encodeSnapshot(stateOf("DE", [{ type: "increment", field: "visits", by: 5 }])),
};

test.each(["snapshot", "update"] as const)(
  "I-8: a %s from another scope begins a new life: an id that was purged there and inserted here has nothing of the old",
  async (type) => {
    const { commit } = decidePage(await setUp([oldLife]), page(newLife(type)), position("FR"));
    expect(commit.documents).toMatchObject([{ scope: "FR", ts: 7n, row: { name: "new", visits: 0 } }]);
  },
);

test("I-8: of what is met in a scope that is read anew nothing is kept: its leave may be told no more", async () => {
  const context = await setUp([oldLife, held("y", "DE", 3n)]);
  const unmet = { ...position("DE"), cursor: startCursor, unmet: ["x", "y"] };
  await context.journal.change(() => ({ commit: { scopes: [unmet] }, publication: emptyPublication }));
  const again = page(newLife("update"), snapshot("y", 2n, "DE"));
  const { commit } = decidePage(context, again, position("DE"));
  expect(commit.documents).toMatchObject([
    { id: "x", ts: 7n, row: { name: "new", visits: 0 } },
    { id: "y", ts: 2n, row: { name: "n" } },
  ]);
  const { commit: gone } = decidePage(context, page(newLife("update"), leave("x", 8n)), position("DE"));
  expect(gone.removedDocuments).toMatchObject([{ id: "x" }, { id: "y" }]);
});

test("I-8: what comes late from the scope that a document has left adds nothing to its new life", async () => {
  const context = await setUp([oldLife]);
  const inFrance = decidePage(context, page(newLife("update")), position("FR"));
  await context.journal.change(() => inFrance);
  const late = page({ ...snapshot("x", 4n, "DE"), bytes: oldLife.base.slice().buffer } as StreamEntry);
  const { commit } = decidePage(context, late, position("DE"));
  expect(commit.documents).toMatchObject([{ scope: "FR", ts: 7n, row: { name: "new", visits: 0 } }]);
});

test("a snapshot of the scope a document is held in takes its place, unless something newer is held", async () => {
  const place = async (ts: bigint) => {
    const { commit } = decidePage(await setUp([oldLife]), page(snapshot("x", ts, "DE")), position("DE"));
    return commit.documents!.map(({ row }) => row!["visits"]);
  };
  expect([await place(3n), await place(2n)]).toEqual([[0], [5]]);
});

test("an author whose clocks went with the old life is not used again; one who is in the new is", async () => {
  const own = (author: number) => {
    const doc = stateOf("DE");
    authorUpdate(doc, author, [{ type: "set", field: "name", value: "mine" }]);
    return { ...held("x", "DE", 3n), base: encodeSnapshot(doc) };
  };
  const authorAfter = async (document: StoredDocument, entry: StreamEntry) =>
    decidePage(await setUp([document]), page(entry), position("FR")).commit.author;
  expect(await authorAfter(own(42), newLife("snapshot"))).toBe(freshAuthor);
  expect(await authorAfter(own(43), newLife("snapshot"))).toBeUndefined();
  const moved: StreamEntry = { type: "snapshot", document: "x", ts: 7n, bytes: own(42).base.slice().buffer };
  expect(await authorAfter(own(42), moved)).toBeUndefined();
});

const part = (ts: bigint, preview: string, name = "log"): StreamEntry => ({
  type: "part",
  document: "x",
  ts,
  part: name,
  newest: ts,
  preview,
});
const rowsAfter = async (documents: StoredDocument[], scope: string, ...entries: StreamEntry[]) =>
  decidePage(await setUp(documents), page(...entries), position(scope)).commit.documents!.map(({ row }) => [
    row?.["log"],
    row?.["report"],
  ]);

test("a text's preview is in the row of its document, and the newest of each text stays", async () => {
  const known = { ...held("x", "DE", 3n), previews: { log: "old", report: "kept" } };
  expect(await rowsAfter([held("x", "DE", 3n)], "DE", part(4n, "Dear"))).toEqual([["Dear", undefined]]);
  expect(await rowsAfter([known], "DE", part(4n, "Dear"), part(5n, "Dear all"))).toEqual([
    ["Dear all", "kept"],
  ]);
  expect(await rowsAfter([known], "DE", snapshot("x", 4n, "DE"))).toEqual([["old", "kept"]]);
});

test("I-12: a preview goes with the document, comes with it to another scope, and is of its present life only", async () => {
  const known = { ...held("x", "DE", 3n), previews: { log: "old" } };
  expect(await rowsAfter([known], "FR", snapshot("x", 7n, "FR"))).toEqual([[undefined, undefined]]);
  expect(await rowsAfter([known], "FR", snapshot("x", 7n, "FR"), part(7n, "old"))).toEqual([
    ["old", undefined],
  ]);
  expect(await rowsAfter([known], "FR", part(7n, "of another"))).toEqual([]);
  expect(await rowsAfter([], "DE", part(7n, "of nothing"))).toEqual([]);
  expect(await rowsAfter([held("x", "DE", 3n)], "DE", part(4n, "later life", "log\u00001"))).toEqual([
    [undefined, undefined],
  ]);
});

test("the parts of a document that another takes the place of are read again", async () => {
  const known = { collection: "sites", id: "x", part: "log", cursor: 2n, epoch: "0", bytes: 1 };
  const removedAfter = async (scope: string, entry: StreamEntry) => {
    const context = await setUp([held("x", "DE", 3n)]);
    const parts = [{ ...known, base: new Uint8Array([1]) }];
    await context.journal.change(() => ({ commit: { parts }, publication: emptyPublication }));
    return decidePage(context, page(entry), position(scope)).commit.removedParts;
  };
  expect(await removedAfter("FR", snapshot("x", 7n, "FR"))).toEqual([known]);
  expect(await removedAfter("DE", snapshot("x", 7n, "DE"))).toBeUndefined();
});

test("what is told of a document's parts is kept with it: where the newest change of each stands", async () => {
  const context = await setUp([{ ...held("x", "DE", 3n), newest: { log: 1n, report: 2n } }]);
  const { commit } = decidePage(context, page(part(5n, "Dear")), position("DE"));
  expect(commit.documents![0]).toMatchObject({ newest: { log: 5n, report: 2n } });
});

test("an import is told of once it is news: not at a first load, and not when the scope is read anew", async () => {
  const bulk: StreamEntry = { type: "bulk", document: "", ts: 5n, job: "j", count: 7 };
  const told = async (before: StoredScope | null) => {
    const context = await setUp([]);
    if (before !== null)
      await context.journal.change(() => ({ commit: { scopes: [before] }, publication: emptyPublication }));
    return decidePage(context, page(bulk), position("DE")).publication.bulks;
  };
  expect(await told(position("DE"))).toEqual([{ collection: "sites", scope: "DE", count: 7 }]);
  for (const before of [null, { ...position("DE"), isComplete: false }, { ...position("DE"), unmet: [] }])
    expect(await told(before)).toBeUndefined();
});
