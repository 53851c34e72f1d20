import fc from "fast-check";
import { expect, test } from "vitest";
import { dependentsOf, planPush, type QueuedTransaction } from "./plan.js";

const queue = fc
  .array(
    fc.record({
      documents: fc.uniqueArray(fc.constantFrom("a", "b", "c", "d"), { minLength: 1, maxLength: 3 }),
      isGroup: fc.boolean(),
    }),
    { maxLength: 30 },
  )
  .map((list) =>
    list.map(({ documents, isGroup }, index): QueuedTransaction & { index: number } => ({
      id: `t${index}`,
      documents,
      isSingle: !isGroup && documents.length === 1,
      index,
    })),
  );
const limits = fc.record({
  groups: fc.integer({ min: 1, max: 5 }),
  updates: fc.integer({ min: 1, max: 6 }),
  transactions: fc.integer({ min: 1, max: 9 }),
});

test("I-5: pushes planned one after the other send each document's operations in the order they were made", () => {
  fc.assert(
    fc.property(queue, limits, (transactions, most) => {
      let rest = transactions;
      const sent = new Map<string, number[]>();
      for (let push = 0; rest.length > 0; push++) {
        const plan = planPush(rest, most);
        expect(plan.length).toBeGreaterThan(0);
        expect(plan.length).toBeLessThanOrEqual(most.groups);
        expect(plan.flatMap((group) => group.transactions).length).toBeLessThanOrEqual(most.transactions);
        const documents = plan.flatMap((group) => group.documents);
        expect(new Set(documents).size).toBe(documents.length);
        for (const { transactions: members } of plan) {
          if (members.length > 1) expect(members.every((member) => member.isSingle)).toBe(true);
          for (const { documents: own, index } of members)
            for (const document of own) sent.set(document, [...(sent.get(document) ?? []), index]);
        }
        const taken = new Set(plan.flatMap((group) => group.transactions));
        rest = rest.filter((transaction) => !taken.has(transaction));
      }
      for (const order of sent.values()) expect(order).toEqual([...order].sort((a, b) => a - b));
    }),
    { seed: 1, numRuns: 500 },
  );
});

test("100 single writes of 20 documents are 20 groups of one push", () => {
  const writes = Array.from({ length: 100 }, (_, n) => ({
    id: `t${n}`,
    documents: [`d${n % 20}`],
    isSingle: true,
  }));
  const plan = planPush(writes, { groups: 100, updates: 500, transactions: 1000 });
  expect(plan.map((group) => group.transactions.length)).toEqual(Array.from({ length: 20 }, () => 5));
});

test("what stands behind a failed transaction fails with it, through the documents that it touches", () => {
  const at = (id: string, ...documents: string[]) => ({ id, documents, isSingle: false });
  const behind = [at("1", "a", "b"), at("2", "c"), at("3", "b"), at("4", "d", "c")];
  expect(dependentsOf(["a"], behind).map(({ id }) => id)).toEqual(["1", "3"]);
});

const mixed = fc
  .array(
    fc.record({
      documents: fc.uniqueArray(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 2 }),
      kind: fc.constantFrom("single", "group", "parallel", "parallel"),
      isDeferred: fc.integer({ min: 0, max: 5 }).map((n) => n === 0),
    }),
    { maxLength: 20 },
  )
  .map((list) =>
    list.map(({ documents, kind, isDeferred }, index) => ({
      id: `t${index}`,
      documents,
      isSingle: kind === "single" && documents.length === 1,
      isParallel: kind === "parallel",
      isDeferred,
      index,
    })),
  );

test("I-5: what is ordered waits for all before it on its documents, sent or not; what is parallel for nobody, and goes alone", () => {
  fc.assert(
    fc.property(mixed, fc.subarray<string>(["a", "b", "c"]), (queue, unanswered) => {
      const plan = planPush(queue, { groups: 100, updates: 500, transactions: 1000 }, new Set(unanswered));
      const planned = new Map(plan.flatMap((group) => group.transactions.map((each) => [each, group])));
      const documents = plan.flatMap((group) => group.documents);
      expect(new Set(documents).size).toBe(documents.length);
      for (const [transaction, group] of planned) {
        expect(transaction.isDeferred).toBe(false);
        if (transaction.isParallel) expect(group.transactions).toEqual([transaction]);
        else {
          const touches = (each: string) => (transaction.documents as readonly string[]).includes(each);
          expect(unanswered.filter(touches)).toEqual([]);
          const before = queue.filter(
            (each) => each.index < transaction.index && each.documents.some(touches),
          );
          expect(before.every((each) => planned.get(each) === group)).toBe(true);
        }
      }
      const waits = queue.filter((each) => each.isParallel && !each.isDeferred && !planned.has(each));
      for (const each of waits) expect(each.documents.some((name) => documents.includes(name))).toBe(true);
    }),
    { seed: 5, numRuns: 1000 },
  );
});

test("a parallel transaction fails with nobody, and takes down what is ordered behind it", () => {
  const at = (id: string, isParallel: boolean, ...documents: string[]) => ({
    id,
    documents,
    isSingle: false,
    isParallel,
  });
  const behind = [at("1", true, "a", "b"), at("2", false, "b"), at("3", false, "a")];
  expect(dependentsOf(["a"], behind).map(({ id }) => id)).toEqual(["3"]);
  expect(dependentsOf(["a", "b"], behind.slice(1)).map(({ id }) => id)).toEqual(["2", "3"]);
});
