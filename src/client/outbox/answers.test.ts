import { describe, expect, test } from "vitest";
import { limits } from "../../shared/limits.js";
import type { PushOutcome } from "../../shared/wire.js";
import { emptyPublication } from "../base/publication.js";
import type { AuthoredGroup, AuthoredUpdate, StoredFailure, StoredTransaction } from "../ports/storage.js";
import { Journal } from "../store/journal.js";
import { MemoryStorage } from "../store/memoryStorage.js";
import { decideAnswer, decideAnswers, entriesOf, rejectGroups, settleGroup } from "./answers.js";

const write = (id: string, ...documents: string[]): StoredTransaction => ({
  id,
  createdAt: 1,
  metadata: {},
  isGroup: documents.length > 1,
  changes: documents.map((document) => ({
    collection: "sites",
    id: document,
    operations: [{ type: "set", field: "name", value: id }],
  })),
});
const update = (document: string, isCovered = false): AuthoredUpdate => ({
  collection: "sites",
  document,
  schemaVersion: 1,
  bytes: new Uint8Array([1]),
  author: 42,
  from: 0,
  to: 1,
  isCovered,
});
interface Authored {
  readonly ids: readonly string[];
  readonly updates: readonly AuthoredUpdate[];
  readonly isAnswered?: boolean;
}

/** The leader's database with these transactions, some of them authored. */
async function setUp(transactions: readonly StoredTransaction[], authored: readonly Authored[]) {
  const storage = new MemoryStorage();
  await storage.open({ client: "c", author: 42 });
  const sequences = await storage.append(transactions);
  const sequenceOf = (id: string) => sequences[transactions.findIndex((each) => each.id === id)] ?? 0;
  const journal = new Journal(storage, await storage.takeOver(), () => {});
  const groups = authored.map(({ ids, updates, isAnswered = false }) => ({
    sequence: Math.max(...ids.map(sequenceOf)),
    transactions: ids,
    updates,
    isAnswered,
  }));
  await journal.change(() => ({ commit: { groups }, publication: emptyPublication }));
  return { journal, groups, sequenceOf };
}

const cover = (transaction: string, id: string) => ({ transaction, collection: "sites", id });
const applied = (...ids: string[]): PushOutcome => ({ ids, status: "applied" });
const rejected = (ids: string[], more: object = {}): PushOutcome => ({
  ids,
  status: "rejected",
  code: "denied",
  message: "no",
  ...more,
});

describe.each(["applied", "duplicate"] as const)("%s", (status) => {
  interface Case {
    readonly name: string;
    readonly transactions: readonly StoredTransaction[];
    readonly updates: readonly AuthoredUpdate[];
    /** Null: the group is done with. */
    readonly covered: readonly boolean[] | null;
    readonly overlayLeft: readonly ReturnType<typeof cover>[];
  }
  const one = [write("a", "x")];
  const two = [write("a", "x", "y")];
  const cases: Case[] = [
    {
      name: "the stream has yet to bring it: its operations stay",
      transactions: one,
      updates: [update("x")],
      covered: [false],
      overlayLeft: [],
    },
    {
      name: "the stream has brought all of it: done",
      transactions: one,
      updates: [update("x", true)],
      covered: null,
      overlayLeft: [cover("a", "x")],
    },
    {
      name: "the stream has brought one of two documents",
      transactions: two,
      updates: [update("x", true), update("y")],
      covered: [true, false],
      overlayLeft: [cover("a", "x")],
    },
    {
      name: "several transactions that were merged into one",
      transactions: [write("a", "x"), write("b", "x")],
      updates: [update("x")],
      covered: [false],
      overlayLeft: [],
    },
    {
      name: "several transactions that were merged into one, all of it brought",
      transactions: [write("a", "x"), write("b", "x")],
      updates: [update("x", true)],
      covered: null,
      overlayLeft: [cover("a", "x"), cover("b", "x")],
    },
  ];

  test.each(cases)("$name", async ({ transactions, updates, covered, overlayLeft }) => {
    const ids = transactions.map(({ id }) => id);
    const { journal, groups } = await setUp([...transactions, write("behind", "x")], [{ ids, updates }]);
    const step = decideAnswer(journal, { ids, status })!;
    const type = covered === null ? "completed" : "persisted_awaiting_sync";
    expect(step.publication).toEqual({
      rows: [],
      covered: overlayLeft,
      transactions: ids.map((id) => ({ id, phase: { type } })),
    });
    await journal.change(() => step);
    expect(journal.groups()).toEqual(
      covered === null
        ? []
        : [
            {
              ...groups[0],
              isAnswered: true,
              updates: updates.map((each, index) => ({ ...each, isCovered: covered[index] })),
            },
          ],
    );
    expect(journal.outbox().map(({ transaction }) => transaction.id)).toEqual(
      covered === null ? ["behind"] : [...ids, "behind"],
    );
  });

  test("leaves other groups alone", async () => {
    const { journal, groups } = await setUp(
      [write("a", "x"), write("b", "y")],
      [
        { ids: ["a"], updates: [update("x", true)] },
        { ids: ["b"], updates: [update("y")] },
      ],
    );
    await journal.change(() => decideAnswer(journal, { ids: ["a"], status }));
    expect(journal.groups()).toEqual([groups[1]]);
  });
});

describe("I-3: an answer that says nothing new changes nothing", () => {
  const outcomes: [string, PushOutcome][] = [
    ["applied", applied("a")],
    ["duplicate", { ids: ["a"], status: "duplicate" }],
    ["gap", { ids: ["a"], status: "gap" }],
    ["rejected", rejected(["a"])],
  ];
  test.each(outcomes)("%s, of a group that the stream has settled before", async (_name, outcome) => {
    const { journal } = await setUp([write("b", "y")], [{ ids: ["b"], updates: [update("y")] }]);
    expect(decideAnswer(journal, outcome)).toBeNull();
  });

  test.each(outcomes)("%s, of a group that was answered before", async (_name, outcome) => {
    const { journal } = await setUp(
      [write("a", "x")],
      [{ ids: ["a"], updates: [update("x")], isAnswered: true }],
    );
    expect(decideAnswer(journal, outcome)).toBeNull();
  });
});

describe("gap", () => {
  test("the transactions wait again, as they were made", async () => {
    const transactions = [write("a", "x"), write("b", "x")];
    const { journal } = await setUp(transactions, [{ ids: ["a", "b"], updates: [update("x")] }]);
    expect(journal.waiting()).toEqual([]);
    const step = decideAnswer(journal, { ids: ["a", "b"], status: "gap" })!;
    expect(step.publication).toEqual({
      rows: [],
      covered: [],
      transactions: ["a", "b"].map((id) => ({ id, phase: { type: "waiting" } })),
    });
    await journal.change(() => step);
    expect(journal.groups()).toEqual([]);
    const { bytes: _bytes, isCovered: _isCovered, ...clocks } = update("x");
    const remembered = transactions.map((each) => ({ ...each, withdrawn: [[clocks]] }));
    expect(journal.waiting().map(({ transaction }) => transaction)).toEqual(remembered);
  });

  test("of what it was sent as the last times are remembered", async () => {
    const { journal } = await setUp([write("a", "x")], [{ ids: ["a"], updates: [update("x")] }]);
    const again = journal.groups();
    for (let n = 0; n < limits.keptAttempts + 2; n++) {
      const groups = again.map((group) => ({ ...group, updates: [{ ...update("x"), author: n }] }));
      await journal.change(() => ({ commit: { groups }, publication: emptyPublication }));
      await journal.change(() => decideAnswer(journal, { ids: ["a"], status: "gap" }));
    }
    const withdrawn = journal.waiting()[0]?.transaction.withdrawn?.map(([clocks]) => clocks?.author);
    expect(withdrawn).toEqual(Array.from({ length: limits.keptAttempts }, (_, n) => n + 2));
  });
});

describe("rejected", () => {
  const failuresOf = (journal: Journal): Record<string, StoredFailure | undefined> =>
    Object.fromEntries(journal.outbox().map(({ transaction }) => [transaction.id, transaction.failure]));
  const reason = { code: "denied", message: "no" };

  interface Case {
    readonly name: string;
    /** The first ones are the rejected group. */
    readonly group: readonly StoredTransaction[];
    readonly behind: readonly StoredTransaction[];
    readonly failed: readonly string[];
  }
  test.each<Case>([
    { name: "alone", group: [write("a", "x")], behind: [], failed: ["a"] },
    {
      name: "merged transactions",
      group: [write("a", "x"), write("b", "x")],
      behind: [],
      failed: ["a", "b"],
    },
    {
      name: "with what waits behind it on its document",
      group: [write("a", "x")],
      behind: [write("b", "y"), write("c", "x")],
      failed: ["a", "c"],
    },
    {
      name: "with what waits behind that",
      group: [write("a", "x")],
      behind: [write("b", "x", "y"), write("c", "z"), write("d", "y")],
      failed: ["a", "b", "d"],
    },
    {
      name: "not with what was made earlier than what ties it",
      group: [write("a", "x")],
      behind: [write("b", "y"), write("c", "x", "y")],
      failed: ["a", "c"],
    },
    {
      name: "with what waits behind any of its documents",
      group: [write("a", "x", "y")],
      behind: [write("b", "y"), write("c", "x")],
      failed: ["a", "b", "c"],
    },
  ])("$name", async ({ group, behind, failed }) => {
    const ids = group.map(({ id }) => id);
    const documents = group[0]!.changes.map(({ id }) => id);
    const { journal } = await setUp(
      [...group, ...behind],
      [{ ids, updates: documents.map((each) => update(each)) }],
    );
    const step = decideAnswer(journal, rejected(ids))!;
    const failureOf = (id: string) => (id === ids[0] ? reason : { ...reason, transactionId: ids[0] });
    const all = [...group, ...behind].filter(({ id }) => failed.includes(id));
    expect(step.publication).toEqual({
      rows: [],
      covered: all.flatMap(({ id, changes }) => changes.map((change) => cover(id, change.id))),
      transactions: failed.map((id) => ({ id, phase: { type: "failed", failure: failureOf(id) } })),
    });
    await journal.change(() => step);
    expect(journal.groups()).toEqual([]);
    expect(failuresOf(journal)).toEqual(
      Object.fromEntries(
        [...group, ...behind].map(({ id }) => [id, failed.includes(id) ? failureOf(id) : undefined]),
      ),
    );
    expect(journal.waiting().map(({ transaction }) => transaction.id)).toEqual(
      behind.map(({ id }) => id).filter((id) => !failed.includes(id)),
    );
  });

  test("I-4: the failed transactions are kept with their content", async () => {
    const { journal } = await setUp([write("a", "x")], [{ ids: ["a"], updates: [update("x")] }]);
    await journal.change(() => decideAnswer(journal, rejected(["a"])));
    expect(journal.outbox().map(({ transaction }) => transaction)).toEqual([
      { ...write("a", "x"), failure: reason },
    ]);
  });

  test("two refused groups with one common dependent store it once, with the cause that the tabs are told", async () => {
    const { journal } = await setUp(
      [write("a", "x"), write("b", "y"), write("c", "x", "y"), write("d", "y")],
      [
        { ids: ["a"], updates: [update("x")] },
        { ids: ["b"], updates: [update("y")] },
      ],
    );
    const other = { code: "exists", message: "there" };
    const step = decideAnswers(journal, [rejected(["b"], other), rejected(["a"])])!;
    const stored = step.commit.outbox!.map(({ transaction }) => [transaction.id, transaction.failure]);
    expect(stored).toEqual([
      ["a", reason],
      ["c", { ...reason, transactionId: "a" }],
      ["d", { ...reason, transactionId: "a" }],
      ["b", other],
    ]);
    expect(step.publication.transactions.map(({ id, phase }) => [id, phase])).toEqual(
      stored.map(([id, failure]) => [id, { type: "failed", failure }]),
    );
  });

  test("I-15: groups of other documents go on", async () => {
    const { journal, groups } = await setUp(
      [write("a", "x"), write("b", "y")],
      [
        { ids: ["a"], updates: [update("x")] },
        { ids: ["b"], updates: [update("y")] },
      ],
    );
    await journal.change(() => decideAnswer(journal, rejected(["a"])));
    expect(journal.groups()).toEqual([groups[1]]);
    expect(failuresOf(journal)["b"]).toBeUndefined();
  });

  test.each<[string, object, StoredFailure]>([
    ["a code and data", { data: { until: 2027 } }, { code: "denied", message: "no", data: { until: 2027 } }],
    ["no data", {}, { code: "denied", message: "no" }],
    ["data that is null", { data: null }, { code: "denied", message: "no", data: null }],
    ["another code", { code: "too_large" }, { code: "too_large", message: "no" }],
    ["a code that this version does not know", { code: "tea_time" }, { code: "denied", message: "no" }],
  ])("with %s", async (_name, more, failure) => {
    const { journal } = await setUp([write("a", "x")], [{ ids: ["a"], updates: [update("x")] }]);
    await journal.change(() => decideAnswer(journal, rejected(["a"], more)));
    expect(failuresOf(journal)["a"]).toStrictEqual(failure);
  });
});

test("rejectGroups fails a group for a reason of the device's own", async () => {
  const { journal, groups } = await setUp(
    [write("a", "x"), write("b", "x")],
    [{ ids: ["a"], updates: [update("x")] }],
  );
  const failure: StoredFailure = { code: "too_large", message: "The update is too large." };
  const { commit, publication } = rejectGroups(journal, [{ group: groups[0]!, failure }]);
  expect(commit.removedGroups).toEqual([groups[0]!.sequence]);
  expect(commit.outbox?.map(({ transaction }) => transaction.failure)).toEqual([
    failure,
    { ...failure, transactionId: "a" },
  ]);
  expect(publication.transactions.map(({ id, phase }) => [id, phase.type])).toEqual([
    ["a", "failed"],
    ["b", "failed"],
  ]);
});

describe("settleGroup, when the stream has brought something before the answer", () => {
  const settle = async (updates: readonly AuthoredUpdate[]) => {
    const { journal, groups } = await setUp([write("a", "x", "y")], [{ ids: ["a"], updates }]);
    const group = groups[0] as AuthoredGroup;
    return { group, step: settleGroup(group, entriesOf(journal, group)) };
  };

  test("one of two documents: its operations leave, the transaction is still persisting", async () => {
    const { group, step } = await settle([update("x", true), update("y")]);
    expect(step).toEqual({
      commit: { groups: [group] },
      publication: {
        rows: [],
        covered: [cover("a", "x")],
        transactions: [{ id: "a", phase: { type: "persisting" } }],
      },
    });
  });

  test("all of it: done, whatever the answer will be", async () => {
    const { group, step } = await settle([update("x", true), update("y", true)]);
    expect(step.commit).toEqual({ removedGroups: [group.sequence], removedOutbox: [1] });
    expect(step.publication.transactions).toEqual([{ id: "a", phase: { type: "completed" } }]);
  });
});
