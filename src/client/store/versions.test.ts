import "fake-indexeddb/auto";
import { openDB } from "idb";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ManualClock } from "../../testing/manualClock.js";
import {
  everyRecord,
  storedGroup,
  storedScope,
  storedSite,
  write,
} from "../../testing/setUp/storedRecords.js";
import type { Refusal } from "../../shared/errorCodes.js";
import type { StorageWatcher } from "../ports/storage.js";
import { formatVersion } from "./indexedDbSchema.js";
import { IndexedDbStorage } from "./indexedDbStorage.js";

const fresh = { client: "client-1", author: 42 };
const document = (id: string, text: string) => storedSite(id, { text }, { ts: 2n ** 60n });
const transaction = write("a", {});

let databases = 0;
let name: string;
beforeEach(() => void (name = `versions ${++databases}`));
const endings: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0)) await end();
});

function openTab(clock = new ManualClock()) {
  const storage = new IndexedDbStorage(name, clock);
  const lost: Refusal[] = [];
  const watcher: StorageWatcher = {
    onDocuments: () => {},
    onRead: () => {},
    onUnreadable: () => {},
    onLost: (reason) => lost.push(reason),
  };
  endings.push(() => storage.close());
  return { storage, lost, open: () => storage.open(fresh, watcher) };
}

/** What a version of the app to come does to the database. */
async function openNewer(): Promise<void> {
  const db = await openDB(name, formatVersion + 1, { upgrade: (db) => void db.createObjectStore("future") });
  db.close();
}

describe("a database of format 1", () => {
  /** As the version before wrote it. */
  async function writeFormat1(): Promise<void> {
    const db = await openDB(name, 1, {
      upgrade(db) {
        for (const store of ["meta", "scopes", "groups", "tail"]) db.createObjectStore(store);
        for (const store of ["pages", "outbox"]) db.createObjectStore(store, { autoIncrement: true });
      },
    });
    await db.put("meta", { ...fresh, term: 3, commit: 9 }, "meta");
    await db.put("pages", {
      documents: [document("x", "old"), document("y", "page"), document("z", "page")],
    });
    await db.put("pages", { documents: [document("x", "newer")] });
    await db.put("tail", document("y", "tail"), ["sites", "y"]);
    await db.put("tail", { collection: "sites", id: "z", isGone: true }, ["sites", "z"]);
    await db.add("outbox", transaction);
    await db.delete("outbox", await db.add("outbox", transaction));
    await db.put("scopes", storedScope("DE", 5n), ["sites", "DE"]);
    await db.put("groups", storedGroup(1, "a"), 1);
    db.close();
  }

  test("is brought into this one with all that it holds", async () => {
    await writeFormat1();
    const { storage, open } = openTab();
    const stored = await open();
    expect(stored).toMatchObject({
      meta: { ...fresh, term: 3, commit: 9 },
      outbox: [{ sequence: 1, transaction }],
      groups: [{ sequence: 1 }],
      scopes: [{ scope: "DE" }],
      damage: [],
    });
    const all = (await storage.takeOver()).documents;
    expect(all.find(({ id }) => id === "x")).toEqual(document("x", "newer"));
    expect(all.map(({ id, row }) => [id, row?.["text"]]).sort()).toEqual([
      ["x", "newer"],
      ["y", "tail"],
    ]);
    // Numbers that were given are never given again.
    expect(await storage.append([transaction])).toEqual([3]);
  });

  test("of which a part cannot be brought into it stays as it is", async () => {
    await writeFormat1();
    const db = await openDB(name, 1);
    await db.put("pages", { documents: [{ ...document("w", "x"), base: null }] });
    db.close();
    const before = await everyRecord(name);
    await expect(openTab().open()).rejects.toThrow();
    expect(await everyRecord(name)).toEqual(before);
  });
});

describe("a tab with an older version of the app", () => {
  test("that meets a newer format refuses, says to reload, and writes nothing", async () => {
    const first = openTab();
    await first.open();
    await first.storage.append([transaction]);
    await first.storage.close();
    await openNewer();
    const before = await everyRecord(name);
    const { storage, open } = openTab();
    const refusal = {
      code: "storage_unavailable",
      message: expect.stringContaining("reload the page") as string,
    };
    await expect(open()).rejects.toMatchObject(refusal);
    await expect(storage.append([transaction])).rejects.toMatchObject(refusal);
    await expect(storage.takeOver()).rejects.toMatchObject(refusal);
    expect(await everyRecord(name)).toEqual(before);
  });

  test("that is open when a newer one comes lets go at once, and is told why it can do no more", async () => {
    const { storage, open, lost } = openTab();
    await open();
    await openNewer();
    expect(lost).toEqual([expect.objectContaining({ code: "storage_unavailable" })]);
    expect(lost[0]?.message).toContain("reload the page");
    await expect(storage.append([transaction])).rejects.toBe(lost[0]);
    await expect(storage.commit(1, {})).rejects.toBe(lost[0]);
  });

  test("that was told of a removed database says so", async () => {
    const { storage, open, lost } = openTab();
    await open();
    await openTab().storage.destroy();
    expect(lost).toEqual([expect.objectContaining({ code: "closed" })]);
    await expect(storage.append([transaction])).rejects.toMatchObject({ code: "closed" });
  });
});

describe("a tab with a newer version of the app", () => {
  test("that an older one does not let in says so after a while, and takes nothing of it back", async () => {
    const old = await openDB(name, 1, { upgrade: (db) => void db.createObjectStore("meta") });
    endings.push(() => old.close());
    const clock = new ManualClock();
    const { open } = openTab(clock);
    const opened = open();
    opened.catch(() => {});
    while (!clock.runNext()) await new Promise((resolve) => setImmediate(resolve));
    await expect(opened).rejects.toMatchObject({
      code: "storage_unavailable",
      message: expect.stringContaining("older version") as string,
    });
  });

  test("that waited for an older one goes on as soon as that lets go", async () => {
    const old = await openDB(name, 1, {
      upgrade(db) {
        for (const store of ["meta", "scopes", "groups", "tail", "pages", "outbox"])
          db.createObjectStore(store);
      },
      blocking: () => void setImmediate(() => old.close()),
    });
    const { open } = openTab();
    expect((await open()).meta.client).toBe("client-1");
  });
});

describe("where there is no storage", () => {
  const real = globalThis.indexedDB;
  afterEach(() => void (globalThis.indexedDB = real));

  test.each<[string, unknown]>([
    ["no IndexedDB", undefined],
    ["none in this mode", null],
    [
      "one that refuses",
      {
        open() {
          throw new DOMException("The operation is insecure.", "SecurityError");
        },
      },
    ],
  ])("(%s) opening is refused with the reason; once it is there it is used", async (_name, value) => {
    globalThis.indexedDB = value as never;
    const { storage, open } = openTab();
    await expect(open()).rejects.toMatchObject({ code: "storage_unavailable" });
    await expect(storage.append([transaction])).rejects.toMatchObject({ code: "storage_unavailable" });
    globalThis.indexedDB = real;
    expect((await open()).meta.client).toBe("client-1");
  });
});

describe("a full disk", () => {
  const { add, put } = IDBObjectStore.prototype;
  afterEach(() => void Object.assign(IDBObjectStore.prototype, { add, put }));
  const fill = () => {
    const refuse = () => {
      throw new DOMException("quota", "QuotaExceededError");
    };
    Object.assign(IDBObjectStore.prototype, { add: refuse, put: refuse });
  };

  test("refuses what is written then, reads on, and takes writes again once there is space", async () => {
    const { storage, open } = openTab();
    await open();
    const { meta } = await storage.takeOver();
    await storage.append([transaction]);
    fill();
    await expect(storage.append([transaction])).rejects.toMatchObject({ code: "storage_full" });
    const commit = { documents: [document("x", "x")], removedOutbox: [1] };
    await expect(storage.commit(meta.term, commit)).rejects.toMatchObject({ code: "storage_full" });
    expect(await storage.outboxAfter(0)).toHaveLength(1);
    await storage.removeFailed([]);
    Object.assign(IDBObjectStore.prototype, { add, put });
    expect(await storage.append([transaction])).toHaveLength(1);
    expect(await storage.commit(meta.term, commit)).toBe(1);
    expect((await openTab().open()).documents).toHaveLength(1);
  });
});
