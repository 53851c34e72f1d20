// What a commit asks of IndexedDB, in requests: each takes a tenth of a millisecond, whatever it holds.
import "fake-indexeddb/auto";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { StoredDocument, StoredScope } from "../ports/storage.js";
import { IndexedDbStorage } from "./indexedDbStorage.js";

const fresh = { client: "client-1", author: 42 };
const documents = (from: number, to: number): StoredDocument[] =>
  Array.from({ length: to - from }, (_, n) => ({
    collection: "sites",
    id: `d${from + n}`,
    scope: "DE",
    ts: 1n,
    row: { id: `d${from + n}` },
    base: new Uint8Array([2, 1]),
  }));
const scopes: StoredScope[] = [
  { collection: "sites", scope: "DE", cursor: { ts: 1n, document: "d0" }, epoch: "0", isComplete: false },
];
const page = ["meta.get", "meta.put", "pages.add", "scopes.put"];

const methods = ["get", "getKey", "getAll", "getAllKeys", "add", "put", "delete"] as const;
const originals = Object.fromEntries(methods.map((method) => [method, IDBObjectStore.prototype[method]]));
let asked: string[];
let databases = 0;
let name: string;
let storage: IndexedDbStorage;
let term: number;

beforeEach(async () => {
  name = `requests ${++databases}`;
  storage = new IndexedDbStorage(name);
  await storage.open(fresh);
  term = (await storage.takeOver()).meta.term;
  asked = [];
  const prototype = IDBObjectStore.prototype as unknown as Record<string, unknown>;
  for (const method of methods) {
    const original = originals[method] as (...args: unknown[]) => unknown;
    prototype[method] = function (this: IDBObjectStore, ...args: unknown[]) {
      asked.push(`${this.name}.${method}`);
      return original.apply(this, args);
    };
  }
});
afterEach(async () => {
  Object.assign(IDBObjectStore.prototype, originals);
  await storage.close();
});

test("a page of a first load is four", async () => {
  await storage.commit(term, { documents: documents(0, 256), scopes });
  expect(asked.sort()).toEqual(page);
});

test("a hundred changed documents are four as well, and one for each that the tail holds", async () => {
  await storage.commit(term, { documents: documents(0, 256) });
  asked = [];
  await storage.commit(term, { documents: documents(0, 100), scopes });
  expect(asked.sort()).toEqual(page);
  await storage.commit(term, { documents: documents(90, 93) });
  asked = [];
  await storage.commit(term, { documents: documents(0, 100), scopes });
  expect(asked.sort()).toEqual([...page, ...Array<string>(3).fill("tail.delete")]);
});

test("one changed document is four", async () => {
  await storage.commit(term, { documents: documents(0, 1), scopes });
  expect(asked.sort()).toEqual(["meta.get", "meta.put", "scopes.put", "tail.put"]);
});

test("what has come onto the screen is one each, and two; a screen that is the same writes nothing, whoever leads", async () => {
  const all = documents(0, 256);
  await storage.commit(term, { documents: all });
  asked = [];
  const moved = ["meta.get", "meta.put", "meta.put"];
  await storage.fold(term, all.slice(0, 50));
  expect(asked.sort()).toEqual([...moved, ...Array<string>(50).fill("tail.put")]);
  asked = [];
  await storage.fold(term, all.slice(2, 52).reverse());
  expect(asked.sort()).toEqual([...moved, "tail.put", "tail.put"]);
  asked = [];
  await storage.fold(term, all.slice(2, 10)); // fewer
  expect(asked.sort()).toEqual(["meta.get", "meta.put"]);
  asked = [];
  await storage.fold(term, all.slice(2, 10));
  expect(asked).toEqual(["meta.get"]);
  const next = new IndexedDbStorage(name);
  const { meta } = await next.takeOver();
  asked = [];
  await next.fold(meta.term, all.slice(2, 10));
  expect(asked).toEqual(["meta.get"]);
  await next.close();
});
