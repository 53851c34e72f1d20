import { expect, test } from "vitest";
import { LocalTransaction } from "./localTransaction.js";

test("I-18: what has to wait again is part of what is shown again, though a row of the old epoch contained it", () => {
  const host = {
    isQueued: () => false,
    queuedBehind: () => [],
    retry: (each: LocalTransaction) => each,
    discard: () => {},
  };
  const stored = { id: "t", createdAt: 0, metadata: {}, isGroup: false, changes: [] };
  const transaction = new LocalTransaction(stored, host);
  transaction.enter({ type: "persisted_awaiting_sync" });
  transaction.cover("sites\0x");
  expect(transaction.isOverlaid("sites\0x")).toBe(false);
  transaction.enter({ type: "waiting" });
  expect(transaction.isOverlaid("sites\0x")).toBe(true);
});
