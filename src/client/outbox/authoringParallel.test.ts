import { describe, expect, test } from "vitest";
import type { PlainRow } from "../../collections/index.js";
import { idsOf, openOutbox, options, ownAuthor, rowOf, streamed } from "../../testing/setUp/openOutbox.js";
import { insert, rename, visit, write, type Changes } from "../../testing/setUp/storedRecords.js";
import { emptyPublication } from "../base/publication.js";
import type { PendingChange } from "../core/rebase.js";
import { authorWaiting } from "./authoring.js";
import type { StoredTransaction } from "../ports/storage.js";

describe("parallel", () => {
  const parallel = (id: string, changes: Changes): StoredTransaction =>
    write(id, changes, { isGroup: true, strategy: "parallel" });

  test("is never sent as one with others, and later ordered ones wait for it", async () => {
    const { author } = await openOutbox(
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
    const { authorAndStore, storage, journal } = await openOutbox(
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
    const { authorAndStore, author, storage, journal } = await openOutbox([write("a", { x: [insert("x")] })]);
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
    const { author } = await openOutbox([parallel("p", { x: [visit] })]);
    expect(author()!.commit.outbox).toMatchObject([
      { transaction: { id: "p", failure: { code: "unknown_document" } } },
    ]);
  });

  test("is made of the row that is there, by the collection's own merge", async () => {
    const base = streamed("x", [insert("theirs")]);
    const { journal } = await openOutbox(
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
