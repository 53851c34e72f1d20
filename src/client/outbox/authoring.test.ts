import { v } from "convex/values";
import { describe, expect, test } from "vitest";
import {
  defineCollection,
  field,
  projectRow,
  type AnyCollection,
  type PlainRow,
} from "../../collections/index.js";
import { authorUpdate, encodeSnapshot, openDocument } from "../../shared/document.js";
import { limits } from "../../shared/limits.js";
import { readMain } from "../../shared/mainDocument.js";
import type { Operation } from "../../shared/operations.js";
import { emptyPublication } from "../base/publication.js";
import type { PendingChange } from "../core/rebase.js";
import { authorDocument } from "../documents/author.js";
import type { AuthoredGroup, StoredDocument, StoredTransaction } from "../ports/storage.js";
import { Journal } from "../store/journal.js";
import { MemoryStorage } from "../store/memoryStorage.js";
import { authorWaiting, type AuthoringOptions } from "./authoring.js";

const sites: AnyCollection = defineCollection("sites", {
  fields: { name: v.string(), note: v.optional(v.string()), visits: field.counter() },
});
const notes: AnyCollection = defineCollection("notes", { fields: { text: v.string() }, schemaVersion: 3 });
const definitions = new Map([sites, notes].map((each) => [each.name, each]));
const ownAuthor = 42;
const options: AuthoringOptions = {
  definitions,
  authorDocument,
  freshAuthor: (authors) => Math.max(...authors) + 1,
  merges: new Map(),
  now: 1000,
};

const insert = (name: string): Operation => ({ type: "insert", fields: { name } });
const rename = (name: string): Operation => ({ type: "set", field: "name", value: name });
const visit: Operation = { type: "increment", field: "visits", by: 1 };
const remove: Operation = { type: "delete" };

type Changes = Record<string, readonly Operation[]>;
/** A single write, or a `transact()` group. A document is `site` ids, or `notes/id`. */
const write = (id: string, changes: Changes, isGroup = false): StoredTransaction => ({
  id,
  createdAt: 1,
  metadata: {},
  isGroup,
  changes: Object.entries(changes).map(([name, operations]) => {
    const [document = "", collection = "sites"] = name.split("/").reverse();
    return { collection, id: document, operations };
  }),
});
/** Tried so often, each time in vain by its own fault. */
const tried = (faults: number, transaction: StoredTransaction): StoredTransaction => ({
  ...transaction,
  attempts: [{ startedAt: 1, endedAt: 2, error: { message: "" }, tries: faults, faults }],
});
const transact = (id: string, changes: Changes) => write(id, changes, true);

/** A document as the stream brought it, by another author. */
function streamed(id: string, operations: readonly Operation[]): StoredDocument {
  const doc = openDocument([]);
  authorUpdate(doc, 7, operations);
  const row = projectRow(sites, id, readMain(doc));
  return { collection: "sites", id, scope: "", ts: 1n, row, base: encodeSnapshot(doc) };
}

async function setUp(transactions: readonly StoredTransaction[], documents: readonly StoredDocument[] = []) {
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

const idsOf = (groups: readonly AuthoredGroup[] | undefined) => groups?.map((group) => group.transactions);
const documentsOf = (groups: readonly AuthoredGroup[] | undefined) =>
  groups?.map((group) => group.updates.map((update) => update.document));
/** The row once the server has applied these updates. */
function rowOf(id: string, base: StoredDocument | null, groups: readonly AuthoredGroup[]) {
  const updates = groups.flatMap((group) => group.updates).filter((update) => update.document === id);
  const doc = openDocument([...(base === null ? [] : [base.base]), ...updates.map((each) => each.bytes)]);
  return projectRow(sites, id, readMain(doc));
}

test("nothing waits: nothing is authored", async () => {
  const { author } = await setUp([]);
  expect(author()).toBeNull();
});

describe("groups", () => {
  test.each<[string, readonly StoredTransaction[], readonly string[][], readonly string[][]]>([
    ["one insert", [write("a", { x: [insert("x")] })], [["a"]], [["x"]]],
    [
      "neighbouring single writes of a document are one",
      [write("a", { x: [insert("x")] }), write("b", { x: [rename("y")] }), write("c", { x: [visit] })],
      [["a", "b", "c"]],
      [["x"]],
    ],
    [
      "what came to nothing once is one with its neighbours again",
      [tried(1, write("a", { x: [insert("x")] })), tried(1, write("b", { x: [rename("y")] }))],
      [["a", "b"]],
      [["x"]],
    ],
    [
      "what came to nothing twice goes alone: the server may have a part of it (I-3)",
      [tried(2, write("a", { x: [insert("x")] })), tried(2, write("b", { x: [rename("y")] }))],
      [["a"]],
      [["x"]],
    ],
    [
      "single writes of several documents are one each, in the order of their first",
      [
        write("a", { x: [insert("x")] }),
        write("b", { y: [insert("y")] }),
        write("c", { x: [visit] }),
        write("d", { y: [visit] }),
      ],
      [
        ["a", "c"],
        ["b", "d"],
      ],
      [["x"], ["y"]],
    ],
    [
      "a transact() group is one, with all of its documents",
      [transact("a", { x: [insert("x")], y: [insert("y")] })],
      [["a"]],
      [["x", "y"]],
    ],
    [
      "a transact() group of one document takes no single write up",
      [transact("a", { x: [insert("x")] }), write("b", { x: [visit] })],
      [["a"]],
      [["x"]],
    ],
    [
      "a transact() group joins no single write, and what is behind it waits too (I-5)",
      [
        write("a", { x: [insert("x")] }),
        transact("b", { x: [visit], y: [insert("y")] }),
        write("c", { y: [visit] }),
        write("d", { z: [insert("z")] }),
      ],
      [["a"], ["d"]],
      [["x"], ["z"]],
    ],
    [
      "two transact() groups without a common document both go, each on its own",
      [transact("a", { x: [insert("x")] }), transact("b", { y: [insert("y")] })],
      [["a"], ["b"]],
      [["x"], ["y"]],
    ],
    [
      "documents of the same id in two collections are two",
      [
        write("a", { x: [insert("x")] }),
        write("b", { "notes/x": [{ type: "insert", fields: { text: "t" } }] }),
      ],
      [["a"], ["b"]],
      [["x"], ["x"]],
    ],
  ])("%s", async (_name, transactions, ids, documents) => {
    const { author } = await setUp(transactions);
    const step = author()!;
    expect(idsOf(step.commit.groups)).toEqual(ids);
    expect(documentsOf(step.commit.groups)).toEqual(documents);
    expect([step.commit.outbox, step.commit.removedOutbox, step.publication]).toEqual([
      [],
      [],
      emptyPublication,
    ]);
  });

  test("stand at the sequence of their last transaction, unanswered and uncovered", async () => {
    const { author, journal } = await setUp([
      write("a", { x: [insert("x")] }),
      write("b", { y: [insert("y")] }),
      write("c", { x: [visit] }),
    ]);
    const [, b, c] = journal.outbox();
    const groups = author()!.commit.groups!;
    expect(groups.map((group) => group.sequence)).toEqual([c?.sequence, b?.sequence]);
    expect(groups.every((group) => !group.isAnswered)).toBe(true);
    expect(groups.flatMap((group) => group.updates).every((update) => !update.isCovered)).toBe(true);
  });

  test("carry the schema version of their collection, and this database's author", async () => {
    const { author } = await setUp([
      write("a", { x: [insert("x")] }),
      write("b", { "notes/n": [{ type: "insert", fields: { text: "t" } }] }),
    ]);
    const updates = author()!.commit.groups!.flatMap((group) => group.updates);
    expect(updates).toMatchObject([
      { collection: "sites", schemaVersion: 1, author: ownAuthor, from: 0 },
      { collection: "notes", schemaVersion: 3, author: ownAuthor, from: 0 },
    ]);
  });

  test("what was authored is not authored again", async () => {
    const { authorAndStore, author } = await setUp([write("a", { x: [insert("x")] })]);
    expect(idsOf(await authorAndStore())).toEqual([["a"]]);
    expect(author()).toBeNull();
  });

  test("operations that are one update are collapsed, in order: the last name, the sum of the visits", async () => {
    const base = streamed("x", [insert("old")]);
    const { authorAndStore } = await setUp(
      ["a", "b", "c"].map((id) => write(id, { x: [rename(id), visit] })),
      [base],
    );
    expect(rowOf("x", base, await authorAndStore())).toMatchObject({ name: "c", visits: 3 });
  });

  test("the changes of one transaction on one document are taken together", async () => {
    const twice: StoredTransaction = {
      ...transact("a", {}),
      changes: [
        { collection: "sites", id: "x", operations: [insert("x")] },
        { collection: "sites", id: "y", operations: [insert("y")] },
        { collection: "sites", id: "x", operations: [rename("renamed")] },
      ],
    };
    const { authorAndStore } = await setUp([twice]);
    const groups = await authorAndStore();
    expect(documentsOf(groups)).toEqual([["x", "y"]]);
    expect(rowOf("x", null, groups)).toMatchObject({ name: "renamed" });
  });
});

describe("the state that is authored on", () => {
  test("I-5: holds what was authored and is not covered yet, answered or not", async () => {
    const { authorAndStore, journal, storage } = await setUp([write("a", { x: [insert("x")] })]);
    const first = await authorAndStore();
    await journal.change(() => ({
      commit: { groups: first.map((group) => ({ ...group, isAnswered: true })) },
      publication: emptyPublication,
    }));
    await storage.append([write("b", { x: [rename("renamed"), visit] })]);
    await journal.refresh();
    const second = await authorAndStore();
    expect(idsOf(second)).toEqual([["b"]]);
    expect(second[0]!.updates[0]!.from).toBe(first[0]!.updates[0]!.to);
    expect(rowOf("x", null, [...first, ...second])).toMatchObject({ name: "renamed", visits: 1 });
  });

  test("holds a delete that is not covered yet: what comes behind it is refused", async () => {
    const base = streamed("x", [insert("x")]);
    const { authorAndStore, author, journal, storage } = await setUp([write("a", { x: [remove] })], [base]);
    const [removal] = await authorAndStore();
    await journal.change(() => ({
      commit: { groups: [{ ...removal!, isAnswered: true }] },
      publication: emptyPublication,
    }));
    await storage.append([write("b", { x: [rename("late")] })]);
    await journal.refresh();
    expect(author()!.commit.outbox).toMatchObject([
      { transaction: { id: "b", failure: { code: "unknown_document" } } },
    ]);
  });

  test("does not take a covered update twice", async () => {
    const { authorAndStore, journal, storage } = await setUp([write("a", { x: [insert("x"), visit] })]);
    const [first] = await authorAndStore();
    const update = first!.updates[0]!;
    const doc = openDocument([update.bytes]);
    const row = projectRow(sites, "x", readMain(doc));
    await journal.change(() => ({
      commit: {
        documents: [{ collection: "sites", id: "x", scope: "", ts: 1n, row, base: encodeSnapshot(doc) }],
        groups: [{ ...first!, updates: [{ ...update, isCovered: true }], isAnswered: true }],
      },
      publication: emptyPublication,
    }));
    await storage.append([write("b", { x: [visit] })]);
    await journal.refresh();
    const [second] = await authorAndStore();
    expect(second!.updates[0]!.from).toBe(update.to);
    expect(rowOf("x", null, [first!, second!])).toMatchObject({ visits: 2 });
  });
});

describe("refused at authoring", () => {
  const present = () => streamed("x", [insert("theirs")]);
  test.each<[string, readonly StoredTransaction[], readonly StoredDocument[], string, readonly string[]]>([
    [
      "an insert of what others have inserted",
      [write("a", { x: [insert("mine")] })],
      [present()],
      "exists",
      ["a"],
    ],
    ["a change of what is not there", [write("a", { x: [visit] })], [], "unknown_document", ["a"]],
    [
      "a change of what others have deleted",
      [write("a", { x: [visit] })],
      [streamed("x", [insert("x"), remove])],
      "unknown_document",
      ["a"],
    ],
    [
      "everything merged with it",
      [write("a", { x: [insert("mine")] }), write("b", { x: [visit] })],
      [present()],
      "exists",
      ["a", "b"],
    ],
    [
      "I-6: all of a transact() group, for one of its documents",
      [transact("a", { y: [insert("y")], x: [insert("mine")] })],
      [present()],
      "exists",
      ["a"],
    ],
    [
      "what is behind it on its documents, and what is behind that",
      [
        write("a", { x: [insert("mine")] }),
        transact("b", { x: [visit], y: [insert("y")] }),
        write("c", { y: [visit] }),
      ],
      [present()],
      "exists",
      ["a", "b", "c"],
    ],
  ])("%s", async (_name, transactions, documents, code, failed) => {
    const { author } = await setUp(transactions, documents);
    const { commit, publication } = author()!;
    expect(commit.groups).toEqual([]);
    expect(commit.outbox?.map(({ transaction }) => transaction.id)).toEqual(failed);
    for (const [index, { transaction }] of commit.outbox!.entries()) {
      const { failure, ...rest } = transaction;
      expect(rest).toEqual(transactions.find(({ id }) => id === transaction.id)); // its content is kept (I-4)
      expect(failure).toMatchObject({ code });
      expect(failure?.transactionId).toBe(index === 0 ? undefined : failed[0]);
      expect(publication.transactions[index]).toEqual({
        id: transaction.id,
        phase: { type: "failed", failure },
      });
    }
    expect(publication.transactions).toHaveLength(failed.length);
    expect(publication.covered).toEqual(
      commit.outbox?.flatMap(({ transaction }) =>
        transaction.changes.map(({ collection, id }) => ({ transaction: transaction.id, collection, id })),
      ),
    );
  });

  test("two of them with one common dependent store it once, with the cause that the tabs are told", async () => {
    const { author } = await setUp(
      [
        write("a", { x: [insert("mine")] }),
        write("b", { y: [visit] }),
        transact("c", { x: [visit], y: [visit] }),
      ],
      [present()],
    );
    const { commit, publication } = author()!;
    const stored = commit.outbox!.map(({ transaction }) => [
      transaction.id,
      transaction.failure?.code,
      transaction.failure?.transactionId,
    ]);
    expect(stored).toEqual([
      ["a", "exists", undefined],
      ["c", "exists", "a"],
      ["b", "unknown_document", undefined],
    ]);
    expect(publication.transactions.map(({ id }) => id)).toEqual(["a", "c", "b"]);
  });

  test("I-15: delays nothing else", async () => {
    const { author, journal } = await setUp(
      [
        write("before", { y: [insert("y")] }),
        write("bad", { x: [insert("mine")] }),
        write("after", { z: [insert("z")] }),
        write("more", { y: [visit] }),
      ],
      [present()],
    );
    const step = author()!;
    expect(idsOf(step.commit.groups)).toEqual([["before", "more"], ["after"]]);
    expect(step.publication.transactions).toMatchObject([{ id: "bad", phase: { type: "failed" } }]);
    await journal.change(() => step);
    expect(journal.waiting()).toEqual([]);
    expect(journal.outbox()).toHaveLength(4);
  });

  test("what was made before it on a document that it touches does not fail with it", async () => {
    const { author } = await setUp(
      [
        write("a", { y: [insert("y")] }),
        transact("b", { x: [insert("mine")] }),
        transact("c", { x: [visit], y: [visit] }),
      ],
      [present()],
    );
    const { commit } = author()!;
    expect(idsOf(commit.groups)).toEqual([["a"]]);
    expect(commit.outbox?.map(({ transaction }) => transaction.id)).toEqual(["b", "c"]);
  });
});

describe("what changes nothing", () => {
  test.each<[string, readonly StoredTransaction[], readonly StoredDocument[]]>([
    ["a delete of what is not there", [write("a", { x: [remove] })], []],
    ["a value that is there already", [write("a", { x: [rename("x")] })], [streamed("x", [insert("x")])]],
    ["an insert and its delete", [write("a", { x: [insert("x")] }), write("b", { x: [remove] })], []],
    [
      "steps there and back",
      [write("a", { x: [visit] }), write("b", { x: [{ ...visit, by: -1 }] })],
      [streamed("x", [insert("x")])],
    ],
    ["a group of such", [transact("a", { x: [remove], y: [remove] })], []],
  ])("%s is completed without the server", async (_name, transactions, documents) => {
    const { author, journal } = await setUp(transactions, documents);
    const step = author()!;
    expect(step.commit.groups).toEqual([]);
    expect(step.commit.removedOutbox).toEqual(journal.outbox().map((entry) => entry.sequence));
    expect(step.publication).toEqual({
      rows: [],
      covered: transactions.flatMap(({ id: transaction, changes }) =>
        changes.map(({ collection, id }) => ({ transaction, collection, id })),
      ),
      transactions: transactions.map(({ id }) => ({ id, phase: { type: "completed" } })),
    });
    await journal.change(() => step);
    expect(journal.outbox()).toEqual([]);
  });

  test("a document of a group that changes nothing is not sent, the others are", async () => {
    const { author } = await setUp(
      [transact("a", { x: [rename("x")], y: [insert("y")] })],
      [streamed("x", [insert("x")])],
    );
    const { commit } = author()!;
    expect([documentsOf(commit.groups), commit.removedOutbox]).toEqual([[["y"]], []]);
  });
});

describe("I-14: one push", () => {
  const many = <T>(count: number, make: (n: number) => T) => Array.from({ length: count }, (_, n) => make(n));
  const inserts = (from: number, count: number): Changes =>
    Object.fromEntries(many(count, (n) => [`d${from + n}`, [insert("x")]]));

  test.each<[string, readonly StoredTransaction[], number]>([
    [
      "carries at most pushTransactions groups",
      many(limits.pushTransactions + 1, (n) => write(`t${n}`, inserts(n, 1))),
      1,
    ],
    [
      "carries at most pushOperations updates",
      many(6, (n) => transact(`t${n}`, inserts(n * 100, 100))),
      (6 * 100 - limits.pushOperations) / 100,
    ],
    [
      "carries at most pushReceipts transactions",
      many(limits.pushReceipts + 3, (n) => write(`t${n}`, { x: n === 0 ? [insert("x")] : [visit] })),
      3,
    ],
    [
      "carries a larger transaction alone",
      [transact("large", inserts(0, limits.pushOperations + 1)), write("next", inserts(9_999, 1))],
      1,
    ],
  ])("%s; the rest waits, in order", async (_name, transactions, rest) => {
    const { authorAndStore, journal } = await setUp(transactions);
    const groups = await authorAndStore();
    expect(groups.flatMap((group) => group.transactions)).toHaveLength(transactions.length - rest);
    expect(journal.waiting().map(({ transaction }) => transaction.id)).toEqual(
      transactions.slice(-rest).map(({ id }) => id),
    );
  });
});

describe("parallel", () => {
  const parallel = (id: string, changes: Changes): StoredTransaction => ({
    ...transact(id, changes),
    strategy: "parallel",
  });

  test("is never sent as one with others, and later ordered ones wait for it", async () => {
    const { author } = await setUp(
      [
        write("a", { x: [visit] }),
        parallel("p", { y: [visit] }),
        write("b", { y: [visit] }),
        parallel("q", { x: [visit] }),
        write("c", { x: [visit] }),
      ],
      [streamed("x", [insert("x")]), streamed("y", [insert("y")])],
    );
    expect(idsOf(author()!.commit.groups)).toEqual([["a"], ["p"]]);
  });

  test("does not wait for an unanswered one: its bytes are good with it and without, and win over it", async () => {
    const base = streamed("x", [insert("x")]);
    const { authorAndStore, storage, journal } = await setUp(
      [write("a", { x: [rename("a"), visit] })],
      [base],
    );
    const [unanswered] = await authorAndStore();
    await storage.append([write("behind", { x: [visit] }), parallel("p", { x: [rename("p"), visit] })]);
    await journal.refresh();
    const [group, ...others] = await authorAndStore();
    expect([idsOf([group!]), others]).toEqual([[["p"]], []]);
    expect(group!.updates[0]).toMatchObject({ from: 0 });
    expect(group!.updates[0]!.author).toBeGreaterThan(ownAuthor);
    const orders = [[group!], [group!, unanswered!], [unanswered!, group!]];
    expect(orders.map((order) => rowOf("x", base, order))).toMatchObject([
      { name: "p", visits: 1 },
      { name: "p", visits: 2 },
      { name: "p", visits: 2 },
    ]);
  });

  test("what would come to nothing without an unfinished one before it waits for that after all", async () => {
    const { authorAndStore, author, storage, journal } = await setUp([write("a", { x: [insert("x")] })]);
    const [inserted] = await authorAndStore();
    await storage.append([parallel("p", { x: [visit] })]);
    await journal.refresh();
    expect(author()).toBeNull();
    await journal.change(() => ({
      commit: { groups: [{ ...inserted!, isAnswered: true }] },
      publication: emptyPublication,
    }));
    expect(idsOf(author()!.commit.groups)).toEqual([["p"]]);
  });

  test("fails for its own reason once nothing is before it", async () => {
    const { author } = await setUp([parallel("p", { x: [visit] })]);
    expect(author()!.commit.outbox).toMatchObject([
      { transaction: { id: "p", failure: { code: "unknown_document" } } },
    ]);
  });

  test("is made of the row that is there, by the collection's own merge", async () => {
    const base = streamed("x", [insert("theirs")]);
    const { journal } = await setUp(
      [{ ...parallel("p", { x: [rename("mine")] }), metadata: { by: "me" } }],
      [base],
    );
    const merge = (row: PlainRow, { operations, metadata }: PendingChange) => {
      const [first] = operations as unknown as readonly [{ value: string }];
      return { ...row, name: `${String(row["name"])} + ${first.value} by ${String(metadata["by"])}` };
    };
    const step = authorWaiting(journal, { ...options, merges: new Map([["sites", merge]]) })!;
    expect(rowOf("x", base, step.commit.groups!)).toMatchObject({ name: "theirs + mine by me" });
    const failing = () => {
      throw new Error("cannot");
    };
    const failed = authorWaiting(journal, { ...options, merges: new Map([["sites", failing]]) })!;
    expect(failed.commit.outbox).toMatchObject([
      { transaction: { failure: { code: "invalid_row", message: expect.stringContaining("cannot") } } },
    ]);
  });
});

test("what is to be tried again later is not authored before, nor what stands behind it", async () => {
  const attempt = {
    startedAt: 1,
    endedAt: 2,
    error: { message: "no" },
    tries: 1,
    faults: 1,
    nextRetryAt: options.now + 1,
  };
  const { journal } = await setUp(
    [
      { ...write("a", { x: [visit] }), attempts: [attempt] },
      write("b", { x: [visit] }),
      write("c", { y: [visit] }),
    ],
    [streamed("x", [insert("x")]), streamed("y", [insert("y")])],
  );
  expect(idsOf(authorWaiting(journal, options)!.commit.groups)).toEqual([["c"]]);
  const later = authorWaiting(journal, { ...options, now: options.now + 1 })!;
  expect(idsOf(later.commit.groups)).toEqual([["a", "b"], ["c"]]);
});
