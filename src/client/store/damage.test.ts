import "fake-indexeddb/auto";
import { openDB } from "idb";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  everyRecord,
  storedGroup,
  storedScope,
  storedSite,
  write,
} from "../../testing/setUp/storedRecords.js";
import type { Damage, Stored } from "../ports/storage.js";
import { IndexedDbStorage } from "./indexedDbStorage.js";

const fresh = { client: "client-1", author: 42 };
const document = (id: string, scope = "DE") => storedSite(id, { name: id }, { scope, ts: 7n });
const transaction = (id: string) =>
  write(id, { [id]: [{ type: "set", field: "n", value: 2n ** 60n }] }, { metadata: { at: new Date(0) } });
const pageOf = (prefix: string, scope: string) =>
  Array.from({ length: 70 }, (_, n) => document(`${prefix}${n}`, scope));

let databases = 0;
let name: string;
const opened: IndexedDbStorage[] = [];
const openTab = () => {
  const storage = new IndexedDbStorage(name);
  opened.push(storage);
  return storage;
};

/** Pages 1 and 2, "x" and "y" in the tail, two transactions and their groups, two scopes. */
beforeEach(async () => {
  name = `damaged ${++databases}`;
  const storage = openTab();
  await storage.open(fresh);
  const { meta } = await storage.takeOver();
  await storage.commit(meta.term, {
    documents: [...pageOf("d", "DE"), document("x")],
    scopes: [storedScope("DE", 7n)],
  });
  await storage.commit(meta.term, { documents: pageOf("f", "FR"), scopes: [storedScope("FR", 7n)] });
  await storage.commit(meta.term, { documents: [document("x"), document("y")] });
  await storage.append([transaction("a"), transaction("b")]);
  await storage.commit(meta.term, { groups: [storedGroup(1, "a"), storedGroup(2, "b")] });
  await storage.close();
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((storage) => storage.close()));
});

/** Changes a stored record, as a bad disk would. */
async function change(store: string, key: IDBValidKey, how: (record: never) => unknown): Promise<void> {
  const db = await openDB(name);
  await db.put(
    store,
    how((await db.get(store, key)) as never),
    db.transaction(store).store.keyPath ? undefined : key,
  );
  db.close();
}

const counted = ({ documents, outbox, groups, scopes, damage }: Stored) => ({
  documents: documents.length,
  outbox: outbox.map(({ transaction: { id } }) => id),
  groups: groups.map(({ sequence }) => sequence),
  scopes: scopes.map(({ scope }) => scope),
  damage,
});
const whole = { documents: 142, outbox: ["a", "b"], groups: [1, 2], scopes: ["DE", "FR"], damage: [] };

/** Exchanges the value within a record and keeps the checksum, to be noticed by nothing else. */
const exchange = (patch: object) => (record: { value: object; checksum: number }) => ({
  ...record,
  value: { ...record.value, ...patch },
});
function flipByte({ bytes, ...rest }: { bytes: ArrayBuffer }) {
  const flipped = new Uint8Array(bytes.slice(0));
  flipped[flipped.length >> 1]! ^= 1;
  return { ...rest, bytes: flipped.buffer };
}

/** The browser says of one record, and of every list with it, that it cannot be read. */
function makeUnreadable(store: string, key: IDBValidKey): () => void {
  type Store = IDBObjectStore & { transaction: { _execRequestAsync(request: object): IDBRequest } };
  const prototype = IDBObjectStore.prototype;
  const { get, getAll } = prototype;
  const fail = (source: Store) =>
    source.transaction._execRequestAsync({
      source,
      operation: () => {
        throw new DOMException("a file is missing", "NotReadableError");
      },
    });
  prototype.get = function (this: Store, wanted) {
    return this.name === store && indexedDB.cmp(wanted, key) === 0 ? fail(this) : get.call(this, wanted);
  };
  prototype.getAll = function (this: Store, ...args) {
    return this.name === store ? fail(this) : getAll.apply(this, args);
  };
  return () => void Object.assign(prototype, { get, getAll });
}

const cases: [string, string, IDBValidKey, (record: never) => unknown, object][] = [
  [
    "a document of the tail",
    "tail",
    ["sites", "x"],
    exchange({ ts: 8n }),
    { documents: 141, damage: [{ type: "document", collection: "sites", id: "x" }] },
  ],
  [
    "a page",
    "pages",
    2,
    flipByte,
    {
      documents: 72,
      damage: [{ type: "page", page: 2, scopes: [{ collection: "sites", scope: "FR" }] }],
    },
  ],
  [
    "a page with its scopes",
    "pages",
    1,
    () => ({ bytes: new ArrayBuffer(3), scopes: { value: [], checksum: 1 } }),
    { documents: 72, damage: [{ type: "page", page: 1, scopes: null }] },
  ],
  [
    "a transaction",
    "outbox",
    1,
    exchange({ createdAt: 2 }),
    { outbox: ["b"], damage: [{ type: "transaction", sequence: 1 }] },
  ],
  [
    "a group",
    "groups",
    2,
    exchange({ isAnswered: true }),
    { groups: [1], damage: [{ type: "group", sequence: 2 }] },
  ],
  [
    "a scope's position",
    "scopes",
    ["sites", "FR"],
    exchange({ cursor: { ts: 70n, document: "x" } }),
    { scopes: ["DE"], damage: [{ type: "scope", collection: "sites", scope: "FR" }] },
  ],
  ["no record at all", "groups", 2, () => 5, { groups: [1], damage: [{ type: "group", sequence: 2 }] }],
];

describe("a stored record that is not what was written", () => {
  test.each(cases)("is told of, and taken for nothing else: %s", async (_name, store, key, how, expected) => {
    await change(store, key, how);
    expect(counted(await openTab().open(fresh))).toEqual({ ...whole, ...expected });
    expect(counted(await openTab().takeOver())).toEqual({ ...whole, ...expected });
  });

  test.each(cases.slice(0, 6).map(([what, store, key, , expected]) => [what, store, key, expected] as const))(
    "nor one that the browser cannot read: %s",
    async (_name, store, key, expected) => {
      const restore = makeUnreadable(store, key);
      try {
        const { damage, ...rest } = counted(await openTab().open(fresh));
        expect(rest).toEqual({ ...whole, ...expected, damage: undefined, documents: rest.documents });
        expect(damage.map(({ type }) => type)).toEqual((expected as Stored).damage.map(({ type }) => type));
      } finally {
        restore();
      }
      expect(counted(await openTab().open(fresh))).toEqual(whole);
    },
  );

  test.each([1, 2])(
    "of two pages that are asked for together the other one is read: %i is lost",
    async (lost) => {
      const storage = openTab();
      await storage.open(fresh);
      const { meta } = await storage.takeOver();
      await storage.commit(meta.term, { documents: pageOf("g", "GR") }); // the newest is asked for alone
      const restore = makeUnreadable("pages", lost);
      try {
        const stored = await openTab().open(fresh);
        expect(stored.damage).toEqual([{ type: "page", page: lost, scopes: null }]);
        const [kept, gone] = lost === 1 ? ["f", "d"] : ["d", "f"];
        const ids = new Set(stored.documents.map(({ id }) => id));
        expect(pageOf(kept, "").every(({ id }) => ids.has(id))).toBe(true);
        expect(pageOf(gone, "").some(({ id }) => ids.has(id))).toBe(false);
        expect(ids.size).toBe(whole.documents);
      } finally {
        restore();
      }
    },
  );

  test("of a lost page the rest is told of after the first slice", async () => {
    await change("pages", 1, flipByte);
    const later: Damage[] = [];
    const first = await new Promise<Stored>((resolve, reject) => {
      let answer: Stored;
      openTab()
        .open(fresh, {
          onDocuments: () => {},
          onRead: (damage) => {
            later.push(...damage);
            resolve(answer);
          },
          onUnreadable: reject,
          onLost: reject,
        })
        .then((stored) => void (answer = stored), reject);
    });
    expect([first.documents.length, first.damage]).toEqual([72, []]);
    expect(later).toMatchObject([{ type: "page", page: 1 }]);
  });

  test.each<[string, (db: IDBDatabase) => void]>([
    ["lost", (db) => void db.transaction("meta", "readwrite").objectStore("meta").delete("meta")],
    [
      "changed",
      (db) =>
        void db
          .transaction("meta", "readwrite")
          .objectStore("meta")
          .put({ value: { ...fresh, term: 0, commit: 0 }, checksum: 1 }, "meta"),
    ],
  ])("the identity, if %s, is an error: nothing is read, made anew or deleted", async (_name, damage) => {
    const db = await openDB(name);
    damage(db as unknown as IDBDatabase);
    db.close();
    const before = await everyRecord(name);
    const storage = openTab();
    await expect(storage.open(fresh)).rejects.toMatchObject({ code: "storage_corrupt" });
    await expect(storage.takeOver()).rejects.toMatchObject({ code: "storage_corrupt" });
    expect(await everyRecord(name)).toEqual(before);
  });

  test("a repair takes it away, but for what the user wrote; and what older pages say does not come back", async () => {
    for (const [, store, key, how] of cases.filter((_, index) => [0, 1, 3, 4].includes(index)))
      await change(store, key, how);
    const storage = openTab();
    const { meta, damage } = await storage.takeOver();
    expect(damage).toHaveLength(4);
    const scopes = [{ ...storedScope("FR", 7n), isComplete: false, isRepair: true as const }];
    await storage.commit(meta.term, { repair: { damage, scopes }, author: 43 });
    const stored = await openTab().open(fresh);
    expect(counted(stored)).toEqual({
      ...whole,
      documents: 71,
      outbox: ["b"],
      groups: [1],
      damage: [{ type: "transaction", sequence: 1 }],
    });
    expect(stored.documents.map(({ id }) => id)).not.toContain("x"); // page 1 still has it
    expect(stored.scopes[1]).toEqual(scopes[0]);
    expect(stored.meta.author).toBe(43);
  });

  test("nothing damaged is folded into what looks whole", async () => {
    const storage = openTab();
    const { meta } = await storage.takeOver();
    const many = Array.from({ length: 9 * 60 }, (_, n) => document(`t${n}`));
    for (let from = 0; from < many.length; from += 60)
      await storage.commit(meta.term, { documents: many.slice(from, from + 60) });
    await change("tail", ["sites", "t5"], exchange({ ts: 8n }));
    await expect(storage.fold(meta.term)).rejects.toMatchObject({ code: "storage_corrupt" });
    expect((await openTab().open(fresh)).damage).toEqual([
      { type: "document", collection: "sites", id: "t5" },
    ]);
  });
});

test("a damaged list of what was on the screen is none: only the order of reading stands on it", async () => {
  const leader = openTab();
  const { meta } = await leader.takeOver();
  while (await leader.fold(meta.term, [document("d3")]));
  await leader.close();
  expect((await openTab().open(fresh)).screen).toEqual([{ collection: "sites", id: "d3" }]);
  await change("meta", "screen", (record: { checksum: number }) => ({
    ...record,
    checksum: record.checksum + 1,
  }));
  const stored = await openTab().open(fresh);
  expect([stored.screen, counted(stored)]).toEqual([[], whole]);
});

describe("a part", () => {
  const place = { collection: "sites", id: "x", part: "log" };
  const key = ["sites", "x", "log"];
  const stored = { ...place, cursor: 5n, epoch: "0", bytes: 3, base: new Uint8Array([1, 2, 3]) };
  const takeOver = async () => {
    const storage = openTab();
    await storage.open(fresh);
    return { storage, stored: await storage.takeOver() };
  };
  beforeEach(async () => {
    const { storage, stored: all } = await takeOver();
    await storage.commit(all.meta.term, { parts: [stored] });
    await storage.close();
  });

  test("whose content is damaged is not there, and its position is: who opens it has it read again", async () => {
    await change("parts", key, (record: { value: object }) => ({
      ...record,
      value: { ...record.value, bytes: 4 },
    }));
    const { storage, stored: all } = await takeOver();
    expect(await storage.part(place)).toBeNull();
    expect(all.parts).toMatchObject([{ cursor: 5n }]);
    expect(all.damage).toEqual([]);
  });

  test("I-12: whose position is damaged is known all the same, and goes with its document", async () => {
    await change("partPositions", key, () => ({ value: 7, checksum: 0 }));
    const { stored: all } = await takeOver();
    expect(all.parts).toEqual([{ ...place, cursor: 0n, epoch: "", bytes: 0 }]);
  });
});
