import { expect, test } from "vitest";
import type { AuthoredGroup, Commit, OutboxEntry, StoredDocument } from "../ports/storage.js";
import { durabilityOf } from "./indexedDbWriting.js";

const group = (isAnswered: boolean): AuthoredGroup => ({
  sequence: 1,
  transactions: ["t"],
  updates: [],
  isAnswered,
});
const entry = { sequence: 1, transaction: {} } as unknown as OutboxEntry;
const document = {} as StoredDocument;

test.each<[string, Commit, IDBTransactionDurability]>([
  ["I-1: bytes that are about to be sent", { groups: [group(false)] }, "strict"],
  [
    "bytes that are about to be sent, with a page",
    { groups: [group(false)], documents: [document] },
    "strict",
  ],
  ["what is noted of transactions: attempts, failures, what was persisted", { outbox: [entry] }, "strict"],
  ["a page", { documents: [document] }, "relaxed"],
  ["that a push was answered", { groups: [group(true)] }, "relaxed"],
  [
    "that transactions are done",
    { removedGroups: [1], removedOutbox: [1], documents: [document] },
    "relaxed",
  ],
  ["a fresh author", { author: 7 }, "relaxed"],
])("to survive a power cut or not: %s", (_what, commit, durability) => {
  expect(durabilityOf(commit)).toBe(durability);
});
