import { beforeEach, expect, test } from "vitest";
import type { Document } from "../engine/engine.js";
import { defineIndex, wholeIndex, type IndexKey } from "./indexKey.js";
import { Transaction } from "./transaction.js";
import { ConflictError, VersionedStore } from "./versionedStore.js";

const byNumber = defineIndex("by_number", ["n"]);
let store: VersionedStore;
const row = (id: string, n: number): Document => ({ _id: id, _creationTime: n, n });
const names = (entries: Iterable<[IndexKey, Document]>) =>
  [...entries].map(([, document]) => document["_id"]);

beforeEach(() => {
  store = new VersionedStore(() => 0n);
  store.defineIndexes("rows", [byNumber]);
  const seed = new Transaction(store);
  for (const [id, n] of [
    ["a", 1],
    ["b", 2],
    ["c", 3],
  ] as const)
    seed.write("rows", id, row(id, n));
  seed.commit();
});

const all = (transaction: Transaction, order: "asc" | "desc" = "asc") =>
  transaction.scan("rows", byNumber, wholeIndex, order);

test("a transaction sees its own writes in their place, and nothing that others commit", () => {
  const [mine, other] = [new Transaction(store), new Transaction(store)];
  mine.write("rows", "d", row("d", 1.5));
  mine.write("rows", "b", null);
  mine.write("rows", "c", row("c", 0));
  other.write("rows", "e", row("e", 9));
  other.commit();
  expect(names(all(mine))).toEqual(["c", "a", "d"]);
  expect(names(all(mine, "desc"))).toEqual(["d", "a", "c"]);
  expect(mine.get("rows", "b")).toBeNull();
  mine.rollback();
  expect(names(all(new Transaction(store)))).toEqual(["a", "b", "c", "e"]);
});

test("a nested level that is rolled back leaves no write, one that is committed leaves all", () => {
  const transaction = new Transaction(store);
  transaction.write("rows", "a", row("a", 10));
  transaction.beginNested();
  transaction.write("rows", "a", row("a", 20));
  transaction.write("rows", "x", row("x", 30));
  expect(transaction.get("rows", "a")?.["n"]).toBe(20);
  transaction.rollbackNested();
  expect([transaction.get("rows", "a")?.["n"], transaction.get("rows", "x")]).toEqual([10, null]);
  transaction.beginNested();
  transaction.write("rows", "y", row("y", 40));
  transaction.commitNested();
  transaction.commit();
  expect(names(all(new Transaction(store)))).toEqual(["b", "c", "a", "y"]);
});

test("taking the first document depends on nothing behind it", () => {
  const take = (order: "asc" | "desc") => {
    const transaction = new Transaction(store);
    for (const _ of all(transaction, order)) break;
    transaction.write("rows", "mine", row("mine", 100));
    return transaction;
  };
  const [first, last] = [take("asc"), take("desc")];
  const writer = new Transaction(store);
  writer.write("rows", "z", row("z", 50));
  writer.commit();
  expect(() => first.commit()).not.toThrow();
  expect(() => last.commit()).toThrow(ConflictError);
});

test("reading that a document is not there conflicts with its insert", () => {
  const reader = new Transaction(store);
  expect(reader.get("rows", "new")).toBeNull();
  const writer = new Transaction(store);
  writer.write("rows", "new", row("new", 1));
  writer.commit();
  expect(() => reader.commit()).toThrow(ConflictError);
});

test("a level that is rolled back leaves the order of what the transaction wrote before as it was", () => {
  const transaction = new Transaction(store);
  transaction.write("rows", "x", row("x", 5));
  expect(names(all(transaction))).toEqual(["a", "b", "c", "x"]);
  transaction.beginNested();
  transaction.write("rows", "x", row("x", 0));
  transaction.write("rows", "a", null);
  transaction.write("rows", "y", row("y", 6));
  expect(names(all(transaction))).toEqual(["x", "b", "c", "y"]);
  transaction.rollbackNested();
  expect(names(all(transaction))).toEqual(["a", "b", "c", "x"]);
});

test("what is read past the transaction's own writes is not noted as read", () => {
  const transaction = new Transaction(store);
  transaction.write("rows", "b", row("b", 20));
  expect(names(transaction.scanCommitted("rows", byNumber, wholeIndex, "asc"))).toEqual(["a", "b", "c"]);
  const writer = new Transaction(store);
  writer.write("rows", "z", row("z", 2));
  writer.commit();
  expect(() => transaction.commit()).not.toThrow();
});

test("what was committed before a transaction began is no conflict, though an older one is still validated against it", () => {
  const older = new Transaction(store);
  const writer = new Transaction(store);
  writer.write("rows", "b", row("b", 2.5));
  writer.commit();
  const younger = new Transaction(store);
  for (const each of [older, younger]) expect(names(all(each))).toEqual(["a", "b", "c"]);
  younger.write("rows", "x", row("x", 9));
  expect(() => younger.commit()).not.toThrow();
  expect(() => older.commit()).toThrow(ConflictError);
});
