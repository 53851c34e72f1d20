import { expect, test } from "vitest";
import type { AuthoredClocks, AuthoredGroup, OutboxEntry, StoredTransaction } from "../ports/storage.js";
import { settleLateCopies } from "./lateCopies.js";

const clocks = (document: string, author: number): AuthoredClocks => ({
  ...{ collection: "sites", document, schemaVersion: 1, author },
  ...{ from: 0, to: 1 },
});
/** The nth in the outbox. @param authors - as which it was authored before, on each of its documents */
const entry = (sequence: number, documents: readonly string[], authors: readonly number[]): OutboxEntry => {
  const transaction: StoredTransaction = {
    id: `t${sequence}`,
    createdAt: 1,
    metadata: {},
    isGroup: documents.length > 1,
    changes: documents.map((id) => ({ collection: "sites", id, operations: [] })),
  };
  const withdrawn = authors.map((author) => documents.map((document) => clocks(document, author)));
  return { sequence, transaction: authors.length === 0 ? transaction : { ...transaction, withdrawn } };
};
const group = (sequence: number, transactions: string[], document = "x"): AuthoredGroup => ({
  ...{ sequence, transactions, isAnswered: false },
  updates: [{ ...clocks(document, 99), bytes: new Uint8Array([1]), isCovered: false }],
});

/** What becomes of these once `document` contains what `author` has made of it. */
function settle(
  outbox: readonly OutboxEntry[],
  groups: readonly AuthoredGroup[],
  document: string,
  author = 1,
) {
  const source = { outbox: () => [...outbox], groups: () => [...groups], waiting: () => [] };
  const isHeld = (each: AuthoredClocks) => each.document === document && each.author === author;
  const { step, rest } = settleLateCopies(source, isHeld, 5n);
  const phases = step.publication.transactions.map(({ id, phase }) => `${id} ${phase.type}`);
  return { commit: step.commit, phases, rest: rest.groups(), covered: step.publication.covered };
}

test("a transaction that waits, and was applied as what it was before, is done", () => {
  const { commit, phases, covered } = settle([entry(1, ["x"], [1, 2])], [], "x");
  expect(commit).toMatchObject({ removedOutbox: [1], groups: [] });
  expect(phases).toEqual(["t1 completed"]);
  expect(covered).toEqual([{ transaction: "t1", collection: "sites", id: "x" }]);
});

test("I-3: what it has been authored as again is sent no more, and who was authored with it waits again", () => {
  const outbox = [entry(1, ["x"], [1]), entry(2, ["x"], []), entry(3, ["y"], [])];
  const others = group(3, ["t3"], "y");
  const { commit, phases, rest } = settle(outbox, [group(2, ["t1", "t2"]), others], "x");
  expect(commit).toMatchObject({ removedGroups: [2, 1], removedOutbox: [1] });
  expect(phases).toEqual(["t2 waiting", "t1 completed"]);
  expect(rest).toEqual([others]);
});

test("of several documents those that the rows do not contain are waited for, by the same clocks", () => {
  const { commit, phases } = settle([entry(1, ["x", "y"], [1, 2])], [group(1, ["t1"])], "x");
  expect(phases).toEqual(["t1 persisted_awaiting_sync"]);
  expect(commit.groups).toMatchObject([
    {
      ...{ sequence: 1, transactions: ["t1"], isAnswered: true, isRemade: true, ts: 5n },
      updates: [
        { document: "x", author: 1, isCovered: true },
        { document: "y", author: 1, isCovered: false },
      ],
    },
  ]);
  // It is known now as what it was applied: nothing is looked for any more.
  expect(commit.outbox?.map(({ transaction }) => transaction.withdrawn)).toEqual([undefined]);
});

test("I-3: one that was given up is done after all, so that nobody makes it once more", () => {
  const failure = { code: "exists", message: "" } as const;
  const failed = ({ sequence, transaction }: OutboxEntry) => ({
    sequence,
    transaction: { ...transaction, failure },
  });
  const { commit, phases } = settle([failed(entry(1, ["x"], [1]))], [], "x");
  expect([commit.removedOutbox, phases]).toEqual([[1], ["t1 completed"]]);
  const half = settle([failed(entry(1, ["x", "y"], [1]))], [], "x");
  expect(half.phases).toEqual(["t1 completed"]);
  expect(half.commit.groups).toMatchObject([{ updates: [{ isCovered: true }, { isCovered: false }] }]);
  expect(half.commit.outbox?.map(({ transaction }) => transaction.failure)).toEqual([undefined]);
});

test("nothing changes where no copy has come", () => {
  const { commit, phases } = settle([entry(1, ["x"], [1])], [group(1, ["t1"])], "y");
  expect([commit, phases]).toEqual([{}, []]);
});
