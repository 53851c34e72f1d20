import { describe, expect, test } from "vitest";
import {
  sites,
  ownAuthor,
  options,
  tried,
  transact,
  streamed,
  openOutbox,
  idsOf,
  documentsOf,
  rowOf,
  remove,
} from "../../testing/setUp/openOutbox.js";
import { insert, rename, visit, write, type Changes } from "../../testing/setUp/storedRecords.js";
import { projectRow } from "../../collections/index.js";
import { encodeSnapshot, openDocument } from "../../shared/document.js";
import { limits } from "../../shared/limits.js";
import { readMain } from "../../shared/mainDocument.js";
import { emptyPublication } from "../base/publication.js";
import { authorWaiting } from "./authoring.js";
import type { StoredTransaction } from "../ports/storage.js";

test("nothing waits: nothing is authored", async () => {
  const { author } = await openOutbox([]);
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
    const { author } = await openOutbox(transactions);
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
    const { author, journal } = await openOutbox([
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
    const { author } = await openOutbox([
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
    const { authorAndStore, author } = await openOutbox([write("a", { x: [insert("x")] })]);
    expect(idsOf(await authorAndStore())).toEqual([["a"]]);
    expect(author()).toBeNull();
  });

  test("operations that are one update are collapsed, in order: the last name, the sum of the visits", async () => {
    const base = streamed("x", [insert("old")]);
    const { authorAndStore } = await openOutbox(
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
    const { authorAndStore } = await openOutbox([twice]);
    const groups = await authorAndStore();
    expect(documentsOf(groups)).toEqual([["x", "y"]]);
    expect(rowOf("x", null, groups)).toMatchObject({ name: "renamed" });
  });
});

describe("the state that is authored on", () => {
  test("I-5: holds what was authored and is not covered yet, answered or not", async () => {
    const { authorAndStore, journal, storage } = await openOutbox([write("a", { x: [insert("x")] })]);
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
    const { authorAndStore, author, journal, storage } = await openOutbox(
      [write("a", { x: [remove] })],
      [base],
    );
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
    const { authorAndStore, journal, storage } = await openOutbox([write("a", { x: [insert("x"), visit] })]);
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
    const { authorAndStore, journal } = await openOutbox(transactions);
    const groups = await authorAndStore();
    expect(groups.flatMap((group) => group.transactions)).toHaveLength(transactions.length - rest);
    expect(journal.waiting().map(({ transaction }) => transaction.id)).toEqual(
      transactions.slice(-rest).map(({ id }) => id),
    );
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
  const { journal } = await openOutbox(
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
