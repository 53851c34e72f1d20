import { beforeEach, describe, expect, test } from "vitest";
import { rename, storedGroup, storedScope, storedSite, write } from "../../testing/setUp/storedRecords.js";
import { emptyPublication, type Publication } from "../base/publication.js";
import { FencedError, type Commit, type Storage } from "../ports/storage.js";
import { Journal, type Decision } from "./journal.js";
import { MemoryDatabase, MemoryStorage } from "./memoryStorage.js";

/** Each renames `x`. */
const transaction = (id: string) => write(id, { x: [rename(id)] });
const document = (id: string, name: string, scope = "DE") => storedSite(id, { name }, { scope });
const telling = (name: string): Publication => ({
  ...emptyPublication,
  rows: [{ collection: "sites", id: "x", row: { id: "x", name } }],
});
const decision = (commit: Commit, name = "told"): Decision => ({ commit, publication: telling(name) });

let database: MemoryDatabase;
let storage: MemoryStorage;
/** Another tab on the same database. */
let other: Storage;
let told: { publication: Publication; commit: number | null }[];
beforeEach(async () => {
  database = new MemoryDatabase();
  storage = new MemoryStorage(database);
  other = new MemoryStorage(database);
  told = [];
  await storage.open({ client: "client-1", author: 42 });
});

/** A leader that begins. */
const lead = async (on: Storage = storage) =>
  new Journal(on, await on.takeOver(), (publication, commit) => told.push({ publication, commit }));
const reopened = () => new MemoryStorage(database).open({ client: "another", author: 1 });
const nameOf = (journal: Journal) => journal.document("sites", "x")?.row?.["name"];

/** The storage, with commits that end when the test says so. */
function withSlowCommits() {
  const waiting: (() => void)[] = [];
  const slow = Object.create(storage) as Storage;
  slow.takeOver = () => storage.takeOver();
  slow.outboxAfter = (sequence) => storage.outboxAfter(sequence);
  slow.commit = async (term, changes) => {
    await new Promise<void>((resolve) => waiting.push(resolve));
    return storage.commit(term, changes);
  };
  return { slow, waiting };
}
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe("what a journal holds at first", () => {
  test("is what is stored", async () => {
    const [a = 0, b = 0] = await other.append([transaction("a"), transaction("b")]);
    const { meta } = await storage.takeOver();
    await storage.commit(meta.term, {
      documents: [document("x", "one"), document("y", "two", "FR")],
      scopes: [storedScope("DE")],
      groups: [storedGroup(a, "a")],
    });
    const journal = await lead();
    expect([journal.client, journal.author]).toEqual(["client-1", 42]);
    expect(journal.document("sites", "y")).toEqual(document("y", "two", "FR"));
    expect(journal.document("sites", "z")).toBeUndefined();
    expect(journal.documentsIn("sites", "DE").map(({ id }) => id)).toEqual(["x"]);
    expect(journal.documentsIn("notes", "DE")).toEqual([]);
    expect([journal.scope("sites", "DE"), journal.scope("sites", "FR")]).toEqual([
      storedScope("DE"),
      undefined,
    ]);
    expect(journal.scopes()).toEqual([storedScope("DE")]);
    expect(journal.groups()).toEqual([storedGroup(a, "a")]);
    expect(journal.outbox().map(({ sequence }) => sequence)).toEqual([a, b]);
    expect(journal.waiting().map(({ sequence }) => sequence)).toEqual([b]);
    expect(told).toEqual([]);
  });
});

describe("change", () => {
  test("stores first, then shows and tells, with the commit's number", async () => {
    const { slow, waiting } = withSlowCommits();
    const journal = await lead(slow);
    const done = journal.change(() => decision({ documents: [document("x", "one")] }));
    await turn();
    expect([nameOf(journal), told]).toEqual([undefined, []]);
    waiting[0]!();
    await done;
    expect(nameOf(journal)).toBe("one");
    expect((await reopened()).documents).toEqual([document("x", "one")]);
    expect(told).toEqual([{ publication: telling("told"), commit: 1 }]);
  });

  test("whoever is told finds it in the database and in the journal", async () => {
    const seen: unknown[] = [];
    const journal: Journal = new Journal(storage, await storage.takeOver(), (_publication, commit) => {
      seen.push(nameOf(journal), commit, database.data?.contents.documents.size);
    });
    await journal.change(() => decision({ documents: [document("x", "one")] }));
    expect(seen).toEqual(["one", 1, 1]);
  });

  test("decisions are made one after the other, each on what the one before has stored", async () => {
    const { slow, waiting } = withSlowCommits();
    const journal = await lead(slow);
    const seen: unknown[] = [];
    const change = (name: string) =>
      journal.change(() => {
        seen.push(nameOf(journal));
        return decision({ documents: [document("x", name)] }, name);
      });
    const all = Promise.all([change("a"), change("b"), change("c")]);
    const counts: number[][] = [];
    for (let index = 0; index < 3; index++) {
      await turn();
      counts.push([seen.length, waiting.length, told.length]);
      waiting[index]!();
    }
    await all;
    expect(counts).toEqual([
      [1, 1, 0],
      [2, 2, 1],
      [3, 3, 2],
    ]);
    expect(seen).toEqual([undefined, "a", "b"]);
    expect(told.map(({ commit }) => commit)).toEqual([1, 2, 3]);
    expect(told.map(({ publication }) => publication)).toEqual([telling("a"), telling("b"), telling("c")]);
  });

  test("null stores and tells nothing", async () => {
    const journal = await lead();
    await journal.change(() => null);
    expect([(await reopened()).meta.commit, told]).toEqual([0, []]);
  });

  test.each<[string, (journal: Journal) => Promise<void>, string]>([
    [
      "a commit that the storage refuses",
      async (journal) => {
        const { commit } = storage;
        storage.commit = () => Promise.reject(new Error("the disk is full"));
        const failing = journal.change(() => decision({ documents: [document("x", "lost")] }, "lost"));
        await failing.finally(() => void (storage.commit = commit));
      },
      "the disk is full",
    ],
    [
      "a decision that throws",
      (journal) =>
        journal.change(() => {
          throw new Error("a poisonous update");
        }),
      "a poisonous update",
    ],
  ])("%s changes and tells nothing, and the next goes on", async (_name, fail, message) => {
    const journal = await lead();
    await journal.change(() => decision({ documents: [document("x", "before")] }, "before"));
    await expect(fail(journal)).rejects.toThrow(message);
    expect(nameOf(journal)).toBe("before");
    expect((await reopened()).documents).toEqual([document("x", "before")]);
    await journal.change(() => decision({ documents: [document("x", "after")] }, "after"));
    expect(nameOf(journal)).toBe("after");
    expect(told).toEqual([
      { publication: telling("before"), commit: 1 },
      { publication: telling("after"), commit: 2 },
    ]);
  });

  test("one that was asked for before an earlier one failed goes on too", async () => {
    const journal = await lead();
    const failing = journal.change(() => {
      throw new Error("poison");
    });
    const next = journal.change(() => decision({ documents: [document("x", "next")] }));
    await expect(failing).rejects.toThrow("poison");
    await next;
    expect(nameOf(journal)).toBe("next");
  });

  test("after another leader has taken over: FencedError, nothing written, changed or told", async () => {
    const journal = await lead();
    const successor = await lead(other);
    const late = journal.change(() => decision({ documents: [document("x", "late")], author: 9 }));
    await expect(late).rejects.toThrow(FencedError);
    expect([nameOf(journal), journal.author, told]).toEqual([undefined, 42, []]);
    expect((await reopened()).documents).toEqual([]);
    await successor.change(() => decision({ documents: [document("x", "mine")] }));
    expect(nameOf(successor)).toBe("mine");
  });

  test("a new author id is the one to author with from then on", async () => {
    const journal = await lead();
    await journal.change(() => decision({ author: 9 }));
    expect([journal.author, (await reopened()).meta.author]).toEqual([9, 9]);
  });

  test("removed documents, scopes, groups and outbox entries are gone", async () => {
    const [a = 0] = await other.append([transaction("a")]);
    const journal = await lead();
    await journal.change(() =>
      decision({
        documents: [document("x", "one")],
        scopes: [storedScope("DE")],
        groups: [storedGroup(a, "a")],
      }),
    );
    await journal.change(() =>
      decision({
        removedDocuments: [{ collection: "sites", id: "x" }],
        removedScopes: [{ collection: "sites", scope: "DE" }],
        removedGroups: [a],
        removedOutbox: [a],
      }),
    );
    expect([nameOf(journal), journal.scopes(), journal.groups(), journal.outbox()]).toEqual([
      undefined,
      [],
      [],
      [],
    ]);
    const { documents, scopes, groups, outbox } = await reopened();
    expect([documents, scopes, groups, outbox]).toEqual([[], [], [], []]);
  });
});

describe("refresh", () => {
  const ids = (journal: Journal) => journal.outbox().map((entry) => entry.transaction.id);

  test("I-19: sees what any tab appended, though no message told of it, in outbox order", async () => {
    const journal = await lead();
    await storage.append([transaction("a")]);
    await other.append([transaction("b"), transaction("c")]);
    expect(ids(journal)).toEqual([]);
    await journal.refresh();
    expect(ids(journal)).toEqual(["a", "b", "c"]);
    await other.append([transaction("d")]);
    await journal.refresh();
    await journal.refresh();
    expect(ids(journal)).toEqual(["a", "b", "c", "d"]);
  });

  test("does not bring back what was done with before", async () => {
    const [a = 0] = await other.append([transaction("a")]);
    const journal = await lead();
    await journal.change(() => decision({ removedOutbox: [a] }));
    await other.append([transaction("b")]);
    await journal.refresh();
    expect(ids(journal)).toEqual(["b"]);
  });

  test("that fails changes nothing, and the next sees it all", async () => {
    const journal = await lead();
    await other.append([transaction("a")]);
    const { outboxAfter } = storage;
    storage.outboxAfter = () => Promise.reject(new Error("the disk is gone"));
    await expect(journal.refresh()).rejects.toThrow("the disk is gone");
    storage.outboxAfter = outboxAfter;
    expect(ids(journal)).toEqual([]);
    await journal.refresh();
    expect(ids(journal)).toEqual(["a"]);
  });
});

describe("waiting", () => {
  test("is what is neither authored nor failed, in outbox order; groups are in authoring order", async () => {
    const names = ["a", "b", "c", "d", "e"];
    const sequences = await other.append(names.map(transaction));
    const journal = await lead();
    const [a = 0, b = 0, , d = 0] = sequences;
    const failure = { code: "denied", message: "no" } as const;
    await journal.change(() =>
      decision({
        groups: [storedGroup(d, "d"), storedGroup(a, "a")],
        outbox: [{ sequence: b, transaction: { ...transaction("b"), failure } }],
      }),
    );
    expect(journal.waiting().map((entry) => entry.transaction.id)).toEqual(["c", "e"]);
    expect(journal.groups().map((each) => each.sequence)).toEqual([a, d]);
    expect(journal.outbox().map((entry) => entry.transaction.id)).toEqual(names);
    await journal.change(() => decision({ removedGroups: [a] }));
    expect(journal.waiting().map((entry) => entry.transaction.id)).toEqual(["a", "c", "e"]);
  });

  test("does not hold what a tab has taken out", async () => {
    const [a = 0] = await other.append([transaction("a"), transaction("b")]);
    const journal = await lead();
    await other.removeFailed([a]);
    journal.removeOutbox([a]);
    expect(journal.outbox().map((entry) => entry.transaction.id)).toEqual(["b"]);
  });
});

test("what is announced is told at once, as something that is not stored", async () => {
  const journal = await lead();
  const transactions = [{ id: "a", phase: { type: "persisting" as const } }];
  journal.announce({ transactions });
  expect(told).toEqual([{ publication: { rows: [], covered: [], transactions }, commit: null }]);
  expect((await reopened()).meta.commit).toBe(0);
});

describe("a fold", () => {
  const named = (...ids: string[]) => ids.map((id) => ({ collection: "sites", id }));

  test("asked for while something is being stored is told the screen as that has left it", async () => {
    const { slow, waiting } = withSlowCommits();
    const told: unknown[] = [];
    slow.fold = async (term, screen) => {
      told.push(screen?.map(({ id, row }) => [id, row?.["name"]]));
      return storage.fold(term, screen);
    };
    const journal = await lead(slow);
    const changes = [
      journal.change(() => decision({ documents: [document("x", "old"), document("y", "old")] })),
      journal.change(() => decision({ documents: [document("x", "new")], removedDocuments: named("y") })),
    ];
    const folded = journal.fold(named("x", "y", "never"));
    for (const change of changes) {
      await turn();
      waiting.shift()!();
      await change;
    }
    await folded;
    expect(told).toEqual([[["x", "new"]]]);
    expect((await reopened()).documents).toEqual([document("x", "new")]);
  });
});
