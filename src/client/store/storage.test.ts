import "fake-indexeddb/auto";
import { beforeEach, describe, expect, test } from "vitest";
import { rename, storedScope, storedSite, write } from "../../testing/setUp/storedRecords.js";
import {
  FencedError,
  type Storage,
  type Stored,
  type StoredDocument,
  type StoredPart,
} from "../ports/storage.js";
import { IndexedDbStorage } from "./indexedDbStorage.js";
import { MemoryDatabase, MemoryStorage } from "./memoryStorage.js";

const fresh = { client: "client-1", author: 42 };
const transaction = (id: string) => write(id, { x: [rename(id)] });
const document = (id: string, name: string) => storedSite(id, { name, big: 1n });
const part = (id: string, name: string, cursor: bigint): StoredPart => {
  const place = { collection: "sites", id, part: name };
  return { ...place, cursor, epoch: "0", bytes: 3, base: new Uint8Array([1, 2, Number(cursor)]) };
};
const scope = storedScope("DE", 2n ** 60n);

let databases = 0;
const implementations: [string, () => () => Storage][] = [
  [
    "memory",
    () => {
      const database = new MemoryDatabase();
      return () => new MemoryStorage(database);
    },
  ],
  [
    "IndexedDB",
    () => {
      const name = `database ${++databases}`;
      return () => new IndexedDbStorage(name);
    },
  ],
];

describe.each(implementations)("a %s storage", (_name, create) => {
  let openTab: () => Storage;
  let storage: Storage;
  beforeEach(async () => {
    openTab = create();
    storage = openTab();
    await storage.open(fresh);
  });

  /** What another tab, or a restart, finds. */
  const reopened = () => openTab().open({ client: "another", author: 7 });

  test("keeps the identity it was made with", async () => {
    expect((await reopened()).meta).toEqual({ ...fresh, term: 0, commit: 0 });
  });

  test("I-1: what append resolved with is there after a restart, in the order of all tabs' appends", async () => {
    const other = openTab();
    await other.open(fresh);
    const appended = [
      storage.append([transaction("a"), transaction("b")]),
      other.append([transaction("c")]),
      storage.append([transaction("d")]),
    ];
    const sequences = (await Promise.all(appended)).flat();
    expect(sequences).toEqual([...sequences].sort((a, b) => a - b));
    const { outbox } = await reopened();
    expect(outbox.map((entry) => entry.transaction.id)).toEqual(["a", "b", "c", "d"]);
    expect(outbox.map((entry) => entry.sequence)).toEqual(sequences);
    expect(await storage.outboxAfter(sequences[1]!)).toEqual(outbox.slice(2));
  });

  test("I-2: a part is there with its position, which who takes over is told, and nobody else", async () => {
    const { meta } = await storage.takeOver();
    await storage.commit(meta.term, { parts: [part("x", "log", 2n), part("x", "report", 3n)] });
    await storage.commit(meta.term, { parts: [part("x", "log", 5n)] });
    expect((await reopened()).parts).toBeUndefined();
    const other = openTab();
    await other.open(fresh);
    expect(await other.part({ collection: "sites", id: "x", part: "log" })).toEqual(part("x", "log", 5n));
    expect(await other.part({ collection: "sites", id: "y", part: "log" })).toBeNull();
    const { parts } = await other.takeOver();
    expect(parts).toEqual(
      [part("x", "log", 5n), part("x", "report", 3n)].map(({ base: _, ...each }) => each),
    );
  });

  test("a part that is removed is gone, before what a commit writes", async () => {
    const { meta } = await storage.takeOver();
    await storage.commit(meta.term, { parts: [part("x", "log", 2n), part("y", "log", 2n)] });
    const removedParts = [part("x", "log", 2n), part("y", "log", 2n)];
    await storage.commit(meta.term, { removedParts, parts: [part("y", "log", 1n)] });
    expect(await storage.part(part("x", "log", 0n))).toBeNull();
    expect((await storage.takeOver()).parts).toMatchObject([{ id: "y", cursor: 1n }]);
  });

  test("a leader that was overtaken writes no part", async () => {
    const { meta } = await storage.takeOver();
    const other = openTab();
    await other.open(fresh);
    await other.takeOver();
    const late = storage.commit(meta.term, { parts: [part("x", "log", 2n)] });
    await expect(late).rejects.toBeInstanceOf(FencedError);
    expect(await other.part(part("x", "log", 0n))).toBeNull();
  });

  test("I-2: a commit's documents and cursor are there together", async () => {
    const { meta } = await storage.takeOver();
    const many = Array.from({ length: 200 }, (_, n) => document(`d${n}`, "page"));
    expect(await storage.commit(meta.term, { documents: many, scopes: [scope] })).toBe(1);
    const changed = [document("d3", "tail")];
    const removed = [{ collection: "sites", id: "d4" }];
    expect(await storage.commit(meta.term, { documents: changed, removedDocuments: removed })).toBe(2);
    const stored = await reopened();
    const rows = new Map(stored.documents.map((each) => [each.id, each.row?.["name"]]));
    expect(rows.size).toBe(199);
    expect([rows.get("d2"), rows.get("d3"), rows.has("d4")]).toEqual(["page", "tail", false]);
    expect(stored.documents.find((each) => each.id === "d3")).toEqual(document("d3", "tail"));
    expect(stored.scopes).toEqual([scope]);
    expect(stored.meta.commit).toBe(2);
  });

  test("a removed document that a later page brings is there again", async () => {
    const { meta } = await storage.takeOver();
    await storage.commit(meta.term, { documents: [document("x", "old")] });
    await storage.commit(meta.term, { removedDocuments: [{ collection: "sites", id: "x" }] });
    const page = Array.from({ length: 100 }, (_, n) => document(n === 0 ? "x" : `d${n}`, "new"));
    await storage.commit(meta.term, { documents: page });
    expect((await reopened()).documents.find(({ id }) => id === "x")?.row).toMatchObject({ name: "new" });
  });

  test("a document that one commit removes and brings again is there", async () => {
    const { meta } = await storage.takeOver();
    await storage.commit(meta.term, { documents: [document("x", "old")] });
    const removedDocuments = [{ collection: "sites", id: "x" }];
    await storage.commit(meta.term, { documents: [document("x", "new")], removedDocuments });
    expect((await reopened()).documents).toEqual([document("x", "new")]);
  });

  test("a leader that another has taken over from writes nothing", async () => {
    const { meta: first } = await storage.takeOver();
    const { meta: second } = await openTab().takeOver();
    expect(second.term).toBe(first.term + 1);
    const late = storage.commit(first.term, { documents: [document("x", "late")], author: 9 });
    await expect(late).rejects.toThrow(FencedError);
    const stored = await reopened();
    expect(stored.documents).toEqual([]);
    expect(stored.meta).toEqual({ ...fresh, term: 2, commit: 0 });
  });

  test("groups are put and removed, a commit replaces outbox entries but brings none back", async () => {
    const { meta } = await storage.takeOver();
    const [a = 0, b = 0] = await storage.append([transaction("a"), transaction("b")]);
    const group = { sequence: a, transactions: ["a"], updates: [], isAnswered: false };
    await storage.commit(meta.term, { groups: [group] });
    expect((await reopened()).groups).toEqual([group]);
    await storage.removeFailed([b]);
    const failure = { code: "denied", message: "no" } as const;
    const failed = [a, b].map((sequence) => ({ sequence, transaction: { ...transaction("f"), failure } }));
    await storage.commit(meta.term, { removedGroups: [a], outbox: failed });
    const stored = await reopened();
    expect(stored.groups).toEqual([]);
    expect(stored.outbox).toEqual([failed[0]]);
  });

  /** Opens as a tab does, and collects what comes until all has come. */
  async function openInSlices(tab: Storage, onSlice: (slices: string[][]) => unknown = () => {}) {
    const slices: string[][] = [];
    const take = (documents: readonly StoredDocument[]) => {
      slices.push(documents.map(({ id, row }) => `${id} ${String(row?.["name"])}`));
      onSlice(slices);
    };
    let end = () => {};
    let fail = (_reason: unknown) => {};
    const read = new Promise<void>((resolve, reject) => ([end, fail] = [resolve, reject]));
    const first = await tab.open(fresh, {
      onDocuments: (documents) => void answered.then(() => take(documents)),
      onRead: () => void answered.then(end),
      onUnreadable: fail,
      onLost: fail,
    });
    take(first.documents);
    answer();
    await read;
    return { first, slices };
  }
  let answer = () => {};
  let answered: Promise<void>;
  beforeEach(() => void (answered = new Promise((resolve) => (answer = resolve))));
  const manyOf = (name: string, count = 1300) =>
    Array.from({ length: count }, (_, n) => document(`d${n}`, name));

  test("an opening with a watcher brings each document once, in slices", async () => {
    const { meta } = await storage.takeOver();
    await storage.commit(meta.term, { documents: manyOf("old"), scopes: [scope] });
    await storage.commit(meta.term, { documents: manyOf("new", 600) });
    await storage.commit(meta.term, { documents: [document("d0", "newest")] });
    const { first, slices } = await openInSlices(openTab());
    expect(first).toMatchObject({ meta: { commit: 3 }, scopes: [scope], damage: [] });
    expect(slices.length).toBeGreaterThan(2);
    expect(Math.max(...slices.map(({ length }) => length))).toBeLessThanOrEqual(1001);
    const expected = manyOf("old").map(
      ({ id }, n) => `${id} ${n === 0 ? "newest" : n < 600 ? "new" : "old"}`,
    );
    expect(slices.flat().sort()).toEqual(expected.sort());
  });

  test("what is committed and folded meanwhile is not read, what is appended is stored at once", async () => {
    const { meta } = await storage.takeOver();
    await storage.commit(meta.term, { documents: manyOf("old") });
    const meanwhile: Promise<unknown>[] = [];
    const { slices } = await openInSlices(openTab(), (all) => {
      if (all.length > 1) return;
      meanwhile.push(storage.append([transaction("a")]));
      meanwhile.push(
        storage
          .commit(meta.term, {
            documents: manyOf("late", 900),
            removedDocuments: [{ collection: "sites", id: "d1200" }],
          })
          .then(() => storage.fold(meta.term)),
      );
    });
    expect(slices.flat().sort()).toEqual(
      manyOf("old")
        .map(({ id }) => `${id} old`)
        .sort(),
    );
    await Promise.all(meanwhile);
    const { documents, outbox } = await reopened();
    expect([documents.length, outbox.length]).toEqual([1299, 1]);
  });

  test("a tab that takes over while it is still reading has everything, and can fold and commit on", async () => {
    const { meta: before } = await storage.takeOver();
    await storage.commit(before.term, { documents: manyOf("old") });
    for (const part of [0, 1, 2])
      await storage.commit(before.term, {
        documents: manyOf("new", 60).map((each) => ({ ...each, id: `n${part}` })),
      });
    const tab = openTab();
    const taken: Promise<Stored>[] = [];
    const { slices } = await openInSlices(tab, () => taken.length === 0 && taken.push(tab.takeOver()));
    const { meta, documents } = (await taken[0])!;
    const texts = (all: readonly StoredDocument[]) =>
      all.map(({ id, row }) => `${id} ${String(row?.["name"])}`).sort();
    expect(texts(documents)).toEqual(slices.flat().sort());
    await expect(storage.commit(before.term, {})).rejects.toThrow(FencedError);
    await tab.commit(meta.term, {
      removedDocuments: manyOf("", 700).map(({ collection, id }) => ({ collection, id })),
    });
    while (await tab.fold(meta.term));
    expect(texts((await reopened()).documents)).toEqual(
      texts(documents).filter((text) => !/^d([0-9]|[1-9][0-9]|[1-6][0-9][0-9]) /.test(text)),
    );
  });

  test("I-2: an opening between commits and steps of folding is of one moment", async () => {
    const { meta } = await storage.takeOver();
    let isOver = false;
    const write = async () => {
      for (let n = 1; n <= 40; n++) {
        // By turns into a page and into the tail.
        const documents = manyOf(String(n), n % 2 === 0 ? 70 : 2);
        expect(await storage.commit(meta.term, { documents })).toBe(n);
        await storage.fold(meta.term);
      }
      isOver = true;
    };
    const writing = write();
    while (!isOver) {
      const { meta, documents } = await reopened();
      const names = documents.filter(({ id }) => id === "d0" || id === "d1").map(({ row }) => row?.["name"]);
      expect(names).toEqual(meta.commit === 0 ? [] : [String(meta.commit), String(meta.commit)]);
    }
    await writing;
  });

  describe("the screen", () => {
    const named = (...ids: string[]) => ids.map((id) => ({ collection: "sites", id }));
    const foldAll = async (term: number, screen?: readonly StoredDocument[]) => {
      let steps = 1;
      for (; await storage.fold(term, screen); steps++) if (steps > 50) throw new Error("it has no end");
    };
    const allOf = (stored: Stored) =>
      stored.documents.map(({ id, row }) => `${id} ${String(row?.["name"])}`).sort();

    test("that was told last comes first, as it is now, and changes nothing of what is there", async () => {
      const { meta, screen } = await storage.takeOver();
      expect(screen).toEqual([]);
      await storage.commit(meta.term, { documents: manyOf("old"), scopes: [scope] });
      await foldAll(meta.term, [document("d900", "old"), document("d3", "old")]);
      await foldAll(meta.term, [document("d3", "old"), document("d1200", "old")]);
      await storage.commit(meta.term, { documents: [document("d3", "new")] });
      const { first, slices } = await openInSlices(openTab());
      expect(slices[0]).toEqual(expect.arrayContaining(["d3 new", "d1200 old"]));
      expect(first.screen.map(({ id }) => id).sort()).toEqual(["d1200", "d3"]);
      expect(slices.flat().sort()).toEqual(
        manyOf("old")
          .map(({ id }) => (id === "d3" ? "d3 new" : `${id} old`))
          .sort(),
      );
    });

    test("is remembered by the next leader, and kept by what it folds without a word", async () => {
      const { meta } = await storage.takeOver();
      await storage.commit(meta.term, { documents: manyOf("old") });
      await foldAll(meta.term, [document("d0", "old"), document("d1", "old")]);
      const next = openTab();
      const taken = await next.takeOver();
      expect(taken.screen).toEqual(named("d0", "d1"));
      for (let n = 2; n < 900; n += 50)
        await next.commit(taken.meta.term, { documents: manyOf("new").slice(n, n + 50) });
      while (await next.fold(taken.meta.term));
      const { slices } = await openInSlices(openTab());
      expect(slices[0]).toEqual(expect.arrayContaining(["d0 old", "d1 old"]));
    });

    test("whatever becomes of its documents, what is there is what was committed", async () => {
      const { meta } = await storage.takeOver();
      await storage.commit(meta.term, { documents: manyOf("old", 200) });
      const screen = ["d0", "d1", "d2"].map((id) => document(id, "old"));
      await foldAll(meta.term, screen);
      const changed = manyOf("new", 150).slice(1); // as pages, over what is kept
      await storage.commit(meta.term, { documents: changed, removedDocuments: named("d0") });
      const expected = manyOf("", 200)
        .slice(1)
        .map(({ id }, n) => `${id} ${n < 149 ? "new" : "old"}`);
      expect(allOf(await reopened())).toEqual(expected.sort());
      await foldAll(meta.term);
      expect(allOf(await reopened())).toEqual(expected.sort());
      await foldAll(meta.term, [document("d1", "new"), document("d2", "new")]);
      expect(allOf(await reopened())).toEqual(expected.sort());
      expect((await reopened()).screen).toEqual(named("d1", "d2"));
      await foldAll(meta.term, []);
      expect((await reopened()).screen).toEqual([]);
    });

    test("is not told by a leader that another has taken over from", async () => {
      const { meta } = await storage.takeOver();
      await storage.commit(meta.term, { documents: manyOf("old", 200) });
      await openTab().takeOver();
      await expect(storage.fold(meta.term, [document("d0", "old")])).rejects.toThrow(FencedError);
      const stored = await reopened();
      expect([stored.screen, stored.meta.commit]).toEqual([[], 1]);
    });
  });

  test("after close every call is refused with `closed`, after destroy nothing is left", async () => {
    await storage.append([transaction("a")]);
    await storage.close();
    await expect(storage.append([transaction("b")])).rejects.toMatchObject({ code: "closed" });
    const other = openTab();
    expect((await other.open(fresh)).outbox).toHaveLength(1);
    await other.destroy();
    expect((await openTab().open({ client: "new", author: 1 })).meta.client).toBe("new");
  });
});
