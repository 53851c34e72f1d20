// What is not sent: what must fail, and what changes nothing.
import { describe, expect, test } from "vitest";
import {
  transact,
  streamed,
  openOutbox,
  idsOf,
  documentsOf,
  remove,
} from "../../testing/setUp/openOutbox.js";
import { insert, rename, visit, write } from "../../testing/setUp/storedRecords.js";
import type { StoredDocument, StoredTransaction } from "../ports/storage.js";

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
    const { author } = await openOutbox(transactions, documents);
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
    const { author } = await openOutbox(
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
    const { author, journal } = await openOutbox(
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
    const { author } = await openOutbox(
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
    const { author, journal } = await openOutbox(transactions, documents);
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
    const { author } = await openOutbox(
      [transact("a", { x: [rename("x")], y: [insert("y")] })],
      [streamed("x", [insert("x")])],
    );
    const { commit } = author()!;
    expect([documentsOf(commit.groups), commit.removedOutbox]).toEqual([[["y"]], []]);
  });
});
