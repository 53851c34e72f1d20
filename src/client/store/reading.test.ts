import "fake-indexeddb/auto";
import { openDB } from "idb";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../ports/clock.js";
import type { Stored, StoredDocument } from "../ports/storage.js";
import { toPageRecord } from "./indexedDbSchema.js";
import { IndexedDbStorage } from "./indexedDbStorage.js";
import { seal } from "./sealed.js";
import { storeLimits } from "./storeLimits.js";

const fresh = { client: "client-1", author: 42 };
const limits = { ...storeLimits, pageDocuments: 6, pageFrom: 2, tailRecords: 4, foldPages: 50 };
const document = (id: string, text: string): StoredDocument => ({
  collection: "sites",
  id,
  scope: "DE",
  ts: 1n,
  row: { id, text },
  base: new Uint8Array([2, 1]),
});
const textsOf = ({ documents }: Stored) =>
  documents.map(({ id, row }) => `${id} ${String(row?.["text"])}`).sort();

let databases = 0;
let name: string;
let leader: IndexedDbStorage;
let term: number;
const opened: IndexedDbStorage[] = [];
const openTab = () => {
  const storage = new IndexedDbStorage(name, systemClock, limits);
  opened.push(storage);
  return storage;
};

/** A leader that has written six pages of two documents each. */
beforeEach(async () => {
  name = `read ${++databases}`;
  leader = openTab();
  await leader.open(fresh);
  term = (await leader.takeOver()).meta.term;
  for (let n = 0; n < 12; n += 2)
    await leader.commit(term, { documents: [document(`d${n}`, "old"), document(`d${n + 1}`, "old")] });
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((storage) => storage.close()));
});
const everything = (text: string) => Array.from({ length: 12 }, (_, n) => `d${n} ${text}`).sort();

/** Opens a tab, and has `work` done when the first slice has come and others are still to be read. */
async function openAnd<T>(tab: IndexedDbStorage, work: () => Promise<T>): Promise<T> {
  let end = () => {};
  const read = new Promise<void>((resolve) => (end = resolve));
  await tab.open(fresh, { onDocuments: () => {}, onRead: end, onUnreadable: end, onLost: end });
  const done = work();
  await read;
  return done;
}

test("I-2: a commit between the reading of positions and that of pages has both read again", async () => {
  const db = await openDB(name);
  const { transaction } = IDBDatabase.prototype;
  let isCommitted = false;
  IDBDatabase.prototype.transaction = function (this: IDBDatabase, stores, mode, options) {
    if (!isCommitted && mode === undefined && [...stores].join() === "meta,pages") {
      isCommitted = true;
      const tx = db.transaction(["meta", "pages"], "readwrite");
      void tx.objectStore("meta").put(seal({ ...fresh, term, commit: 7 }), "meta");
      void tx.objectStore("pages").add(toPageRecord([document("d0", "new"), document("d1", "new")]));
    }
    return transaction.call(this, stores, mode, options);
  };
  const stored = await openTab().open(fresh);
  IDBDatabase.prototype.transaction = transaction;
  db.close();
  expect(isCommitted).toBe(true);
  expect(stored.meta.commit).toBe(7);
  expect(textsOf(stored)).toEqual(
    [...everything("old").filter((text) => !/d[01] /.test(text)), "d0 new", "d1 new"].sort(),
  );
});

test("who takes over after a commit that its reading did not see reads again", async () => {
  const tab = openTab();
  const stored = await openAnd(tab, () => {
    void leader.commit(term, { documents: [document("d3", "new")] });
    return tab.takeOver();
  });
  expect(textsOf(stored)).toEqual(everything("old").map((text) => text.replace("d3 old", "d3 new")));
});

test("who takes over after a fold that its reading did not see knows where everything is", async () => {
  const tab = openTab();
  const { meta, ...stored } = await openAnd(tab, () => {
    void leader.fold(term);
    return tab.takeOver();
  });
  expect(textsOf({ meta, ...stored })).toEqual(everything("old"));
  for (let n = 0; n < 12; n++) await tab.commit(meta.term, { documents: [document(`d${n}`, "new")] });
  while (await tab.fold(meta.term));
  expect(textsOf(await openTab().open(fresh))).toEqual(everything("new"));
});

test("who takes over after the screen was moved to the tail knows that it is there", async () => {
  const tab = openTab();
  const { meta } = await openAnd(tab, () => {
    void leader.fold(term, [document("d3", "old")]);
    return tab.takeOver();
  });
  // A page: what the tail has of its documents has to go with it.
  await tab.commit(meta.term, { documents: [document("d2", "new"), document("d3", "new")] });
  const { documents } = await openTab().open(fresh);
  expect(documents.find(({ id }) => id === "d3")?.row).toMatchObject({ text: "new" });
});

test("a tab that takes over while it reads does not read the pages twice", async () => {
  const asked = recordPageRequests();
  const tab = openTab();
  await openAnd(tab, () => tab.takeOver());
  const read = asked.end();
  expect(read.flat()).toEqual([6, 5, 4, 3, 2, 1]);
});

test("pages are asked for two at a time, the newest alone, and four ahead of what is shown at the most", async () => {
  const asked = recordPageRequests();
  const tab = openTab();
  const underWay: number[] = [];
  const told = () => void underWay.push(asked.underWay);
  await new Promise<void>((end, fail) => {
    const watcher = { onDocuments: told, onRead: () => end(), onUnreadable: fail, onLost: fail };
    tab.open(fresh, watcher).then(told, fail);
  });
  const read = asked.end();
  expect(read).toEqual([[6], [5, 4], [3, 2], [1]]);
  expect(Math.max(...underWay)).toBeLessThanOrEqual(2);
});

/** Notes which pages each request for some asks for, newest first, and how many have not been answered. */
function recordPageRequests() {
  const { get, getAll } = IDBObjectStore.prototype;
  const asked: number[][] = [];
  const note = (store: IDBObjectStore, query: unknown, request: IDBRequest) => {
    if (store.name !== "pages") return request;
    const { lower, upper } = query instanceof IDBKeyRange ? query : { lower: query, upper: query };
    asked.push(Array.from({ length: upper - (lower as number) + 1 }, (_, n) => upper - n));
    recording.underWay++;
    request.addEventListener("success", () => {
      recording.underWay--;
      recording.answered++;
    });
    return request;
  };
  const recording = {
    underWay: 0,
    answered: 0,
    end: () => {
      Object.assign(IDBObjectStore.prototype, { get, getAll });
      return asked;
    },
  };
  IDBObjectStore.prototype.get = function (this: IDBObjectStore, key) {
    return note(this, key, get.call(this, key));
  };
  IDBObjectStore.prototype.getAll = function (this: IDBObjectStore, query, most) {
    return note(this, query, getAll.call(this, query, most));
  };
  return recording;
}

test("what was on the screen is shown before any page has come, if all of it is in the tail", async () => {
  const screen = ["d1", "d6", "d11"].map((id) => document(id, "old"));
  while (await leader.fold(term, screen));
  const openFirst = async () => {
    const asked = recordPageRequests();
    const first: { readonly texts: string[]; readonly pages: number }[] = [];
    await new Promise<void>((end, fail) => {
      const watcher = { onDocuments: () => {}, onRead: () => end(), onUnreadable: fail, onLost: fail };
      openTab()
        .open(fresh, watcher)
        .then((stored) => first.push({ texts: textsOf(stored), pages: asked.answered }), fail);
    });
    asked.end();
    return first[0];
  };
  expect(await openFirst()).toEqual({ texts: ["d1 old", "d11 old", "d6 old"], pages: 0 });
  await leader.commit(term, { documents: [document("d1", "new"), document("d2", "new")] }); // a page
  expect(await openFirst()).toEqual({ texts: ["d1 new", "d11 old", "d2 new", "d6 old"], pages: 1 });
});

test("of a slice of something larger only the slice is stored", async () => {
  const base = new Uint8Array(1_000_000).subarray(10, 12);
  await leader.commit(term, { documents: [{ ...document("d0", "new"), base }] });
  const db = await openDB(name);
  const record = (await db.get("tail", ["sites", "d0"])) as { value: StoredDocument };
  db.close();
  expect(record.value.base.buffer.byteLength).toBe(2);
});
