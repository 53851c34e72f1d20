import "fake-indexeddb/auto";
import { openDB } from "idb";
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { storedSite } from "../../testing/setUp/storedRecords.js";
import { FencedError, type Commit, type Stored, type StoredDocument } from "../ports/storage.js";
import { systemClock } from "../ports/clock.js";
import { IndexedDbStorage } from "./indexedDbStorage.js";

const numRuns = Number(process.env["NUM_RUNS"] ?? 100);
const fresh = { client: "client-1", author: 42 };
const limits = {
  pageDocuments: 6,
  pageBytes: 60,
  pageFrom: 4,
  tailRecords: 5,
  foldTail: 7,
  foldPages: 3,
  foldIdleMs: 1,
  foldLatestMs: 1,
};

let databases = 0;
let name: string;
beforeEach(() => void (name = `folded ${++databases}`));
const openTab = () => new IndexedDbStorage(name, systemClock, limits);

const document = (id: string, text: string) =>
  storedSite(id, { text }, { ts: 2n ** 60n, base: new Uint8Array(text.length * 3) });
const place = (id: string) => ({ collection: "sites", id });

/** What a tab finds that opens the database now: `id` and text of each document. */
async function contents(): Promise<Record<string, unknown>> {
  const tab = openTab();
  const stored = await tab.open(fresh);
  await tab.close();
  return textsOf(stored);
}

function textsOf({ documents, damage }: Stored): Record<string, unknown> {
  expect(damage).toEqual([]);
  expect(new Set(documents.map(({ id }) => id)).size).toBe(documents.length);
  return Object.fromEntries(documents.map(({ id, row }) => [id, row?.["text"]]));
}

/** How many records the stores have, and pages' and tail's keys. */
async function counts(): Promise<{ pages: number; tail: number }> {
  const db = await openDB(name);
  const found = { pages: await db.count("pages"), tail: await db.count("tail") };
  db.close();
  return found;
}

async function foldAll(
  storage: IndexedDbStorage,
  term: number,
  screen?: readonly StoredDocument[],
): Promise<number> {
  for (let steps = 1; steps <= 50; steps++) if (!(await storage.fold(term, screen))) return steps;
  throw new Error("folding does not come to an end");
}

/** The ids of what a tab shows first that opens the database now. */
async function firstIds(): Promise<string[]> {
  const tab = openTab();
  let end = () => {};
  const read = new Promise<void>((resolve) => (end = resolve));
  const first = await tab.open(fresh, { onDocuments() {}, onRead: end, onUnreadable: end, onLost: end });
  await read;
  await tab.close();
  return first.documents.map(({ id }) => id);
}

/** Opens a tab, and has something done after it has read all but the pages, and before it reads these. */
async function openAround(tab: IndexedDbStorage, work: () => Promise<void>): Promise<Stored> {
  const { getAll } = IDBObjectStore.prototype;
  IDBObjectStore.prototype.getAll = function (this: IDBObjectStore, ...query) {
    const request = getAll.apply(this, query);
    if (this.name !== "scopes") return request;
    IDBObjectStore.prototype.getAll = getAll; // it was the last request but those for pages
    const listen = request.addEventListener.bind(request) as IDBRequest["addEventListener"];
    request.addEventListener = (type: string, listener: (event: Event) => void) =>
      listen(type, (event) =>
        type === "success" ? void worked.then(() => listener(event)) : listener(event),
      );
    const worked = new Promise<void>((resolve, reject) =>
      listen("success", () => void work().then(resolve, reject)),
    );
    return request;
  };
  try {
    return await tab.open(fresh);
  } finally {
    IDBObjectStore.prototype.getAll = getAll;
  }
}

/** Lets the process die at the `at`th operation on a store from now: what was not committed never happened. */
function dieAt(at: number): { stop(): void; readonly died: boolean } {
  const prototype = IDBObjectStore.prototype as unknown as Record<string, (...args: unknown[]) => unknown>;
  const originals = ["get", "getAll", "put", "add", "delete"].map(
    (method) => [method, prototype[method]!] as const,
  );
  let operations = 0;
  const fate = {
    died: false,
    stop() {
      for (const [method, original] of originals) prototype[method] = original;
    },
  };
  for (const [method, original] of originals)
    prototype[method] = function (this: unknown, ...args: unknown[]) {
      if (operations++ >= at) {
        fate.died = true;
        throw new Error("the process was killed");
      }
      return original.apply(this, args);
    };
  return fate;
}

const id = fc.integer({ min: 0, max: 30 }).map((n) => `d${n}`);
const text = fc.string({ maxLength: 8 });
const step = fc.oneof(
  fc.record({
    type: fc.constant("commit" as const),
    changed: fc.dictionary(id, text, { maxKeys: 10, noNullPrototype: true }),
    removed: fc.uniqueArray(id, { maxLength: 4 }),
  }),
  fc.record({ type: fc.constantFrom("fold" as const, "foldAll" as const, "reopen" as const) }),
  fc.record({ type: fc.constant("killedFold" as const), at: fc.nat({ max: 40 }) }),
  fc.record({ type: fc.constant("show" as const), ids: fc.uniqueArray(id, { maxLength: 12 }) }),
  // The screen is told as it is then, once; after that it is as it was told.
  fc.record({
    type: fc.constantFrom("foldScreen" as const, "killedFoldOfScreen" as const),
    at: fc.nat({ max: 30 }),
  }),
  // A tab has read what comes before the pages when that happens, and reads on after it.
  fc.record({ type: fc.constant("openAcrossFold" as const) }),
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

class Run {
  expected: Record<string, unknown> = {};
  #screen: readonly string[] = [];
  #storage = openTab();
  #term = 0;

  async begin(): Promise<void> {
    this.#storage = openTab();
    await this.#storage.open(fresh);
    const stored = await this.#storage.takeOver();
    this.#term = stored.meta.term;
    expect(textsOf(stored)).toEqual(this.expected);
  }

  /** As the leader has them. */
  #shown() {
    const shown = this.#screen.filter((id) => id in this.expected);
    return shown.map((id) => document(id, this.expected[id] as string));
  }

  async take(step: Step): Promise<void> {
    switch (step.type) {
      case "commit": {
        const documents = Object.entries(step.changed).map(([id, text]) => document(id, text));
        const commit: Commit = { documents, removedDocuments: step.removed.map(place) };
        for (const id of step.removed) delete this.expected[id];
        Object.assign(this.expected, step.changed);
        return void (await this.#storage.commit(this.#term, commit));
      }
      case "fold":
        return void (await this.#storage.fold(this.#term));
      case "foldAll":
        return void (await foldAll(this.#storage, this.#term));
      case "reopen":
        await this.#storage.close();
        return this.begin();
      case "show":
        return void (this.#screen = step.ids);
      case "foldScreen":
        return void (await this.#storage.fold(this.#term, this.#shown()));
      case "killedFold":
        return this.#foldKilled(step.at);
      case "killedFoldOfScreen":
        return this.#foldKilled(step.at, this.#shown());
      case "openAcrossFold": {
        const tab = openTab();
        const found = await openAround(
          tab,
          async () => void (await foldAll(this.#storage, this.#term, this.#shown())),
        );
        await tab.close();
        return expect(textsOf(found)).toEqual(this.expected);
      }
    }
  }

  async #foldKilled(at: number, screen?: readonly StoredDocument[]): Promise<void> {
    const fate = dieAt(at);
    await this.#storage.fold(this.#term, screen).catch((error: unknown) => {
      if (!fate.died) throw error;
    });
    fate.stop();
    if (!fate.died) return;
    await this.#storage.close();
    return this.begin();
  }

  /** @returns how many documents are kept in the tail because they are on the screen */
  async end(): Promise<number> {
    const shown = this.#shown();
    await foldAll(this.#storage, this.#term, shown);
    expect(await firstIds()).toEqual(expect.arrayContaining(shown.map(({ id }) => id)));
    await this.#storage.close();
    return shown.length;
  }
}

describe("folding", () => {
  test("I-2: whatever is written, folded and killed in between, a tab that opens finds what was written", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        name = `folded ${++databases}`;
        const run = new Run();
        await run.begin();
        for (const each of steps) {
          await run.take(each);
          expect(await contents()).toEqual(run.expected);
        }
        const shown = await run.end();
        expect(await contents()).toEqual(run.expected);
        const { pages, tail } = await counts();
        expect(tail).toBeLessThan(limits.tailRecords + shown);
        // All but one at least half full, by documents or by bytes, and half of that alive.
        const bytes = Object.values(run.expected).reduce<number>(
          (sum, each) => sum + 3 * (each as string).length,
          0,
        );
        const most =
          Math.max(Object.keys(run.expected).length / (limits.pageDocuments / 4), 0) +
          bytes / (limits.pageBytes / 4);
        expect(pages).toBeLessThanOrEqual(most + tail + 2);
      }),
      { seed: 1, numRuns },
    );
  }, 120_000);

  test("killed at any of its operations it leaves what was there, and the next one ends it", async () => {
    const many = (text: string, count = 10) =>
      Array.from({ length: count }, (_, n) => document(`d${n}`, text));
    for (let at = 0, isDone = false; !isDone; at++) {
      name = `folded ${++databases}`;
      const storage = openTab();
      await storage.open(fresh);
      const { meta } = await storage.takeOver();
      for (const text of ["a", "b", "c"]) await storage.commit(meta.term, { documents: many(text) });
      for (const each of many("d", 5)) await storage.commit(meta.term, { documents: [each] });
      await storage.commit(meta.term, { removedDocuments: [place("d9"), place("d1")] });
      const before = await contents();
      const fate = dieAt(at);
      const folding = storage.fold(meta.term);
      if (at > 0) await folding.catch(() => {});
      else await expect(folding).rejects.toThrow("killed");
      fate.stop();
      isDone = !fate.died;
      expect(await contents()).toEqual(before);
      await foldAll(storage, meta.term);
      expect(await contents()).toEqual(before);
      expect(Object.keys(before)).toHaveLength(8);
      await storage.close();
    }
  });

  test("what is kept on the screen, however much it is, keeps nothing else from being folded", async () => {
    const storage = openTab();
    await storage.open(fresh);
    const { meta } = await storage.takeOver();
    const screen = Array.from({ length: 20 }, (_, n) => document(`a${n}`, "shown"));
    for (const each of screen) await storage.commit(meta.term, { documents: [each] });
    await foldAll(storage, meta.term, screen);
    expect(await counts()).toEqual({ pages: 0, tail: 20 });
    for (let n = 0; n < 30; n++) await storage.commit(meta.term, { documents: [document(`b${n}`, "other")] });
    await foldAll(storage, meta.term, screen);
    const { tail } = await counts();
    expect(tail).toBeLessThan(20 + limits.tailRecords);
    await foldAll(storage, meta.term, screen.slice(0, 3));
    expect((await counts()).tail).toBeLessThan(3 + limits.tailRecords);
    expect(Object.keys(await contents())).toHaveLength(50);
    await storage.close();
  });

  test("documents that were all removed leave no page, and no more of the tail than is kept unfolded", async () => {
    const storage = openTab();
    await storage.open(fresh);
    const { meta } = await storage.takeOver();
    const ids = Array.from({ length: 40 }, (_, n) => `d${n}`);
    await storage.commit(meta.term, { documents: ids.map((id) => document(id, id)) });
    await storage.commit(meta.term, { removedDocuments: ids.map(place) });
    await foldAll(storage, meta.term);
    expect(await contents()).toEqual({});
    expect(await counts()).toEqual({ pages: 0, tail: 0 });
    await storage.close();
  });

  test("under constant writing to the same documents neither pages nor tail grow", async () => {
    const storage = openTab();
    await storage.open(fresh);
    const { meta } = await storage.takeOver();
    for (let round = 0; round < 60; round++) {
      const from = (round * 5) % 20;
      const changed = Array.from({ length: 1 + (round % 7) }, (_, n) =>
        document(`d${(from + n) % 20}`, `${round}`),
      );
      await storage.commit(meta.term, { documents: changed });
      await foldAll(storage, meta.term);
      const { pages, tail } = await counts();
      expect(tail).toBeLessThan(limits.tailRecords);
      expect(pages).toBeLessThanOrEqual(20 / (limits.pageDocuments / 4) + 2);
    }
    await storage.close();
  });

  test("a leader that another has taken over from folds nothing", async () => {
    const storage = openTab();
    await storage.open(fresh);
    const { meta } = await storage.takeOver();
    for (let n = 0; n < 9; n++) await storage.commit(meta.term, { documents: [document(`d${n}`, "x")] });
    const other = openTab();
    await other.takeOver();
    const before = await counts();
    await expect(storage.fold(meta.term)).rejects.toThrow(FencedError);
    expect(await counts()).toEqual(before);
    await Promise.all([storage.close(), other.close()]);
  });
});
