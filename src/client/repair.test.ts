import { describe, expect, test } from "vitest";
import { startCursor } from "../shared/wire.js";
import type { Damage, Stored, StoredScope, StoredTransaction } from "./ports/storage.js";
import { damagedScopes, describeDamage, planRepair } from "./repair.js";

const scope = (collection: string, name: string, rest: Partial<StoredScope> = {}): StoredScope => ({
  collection,
  scope: name,
  cursor: { ts: 50n, document: "x" },
  epoch: "e",
  isComplete: true,
  ...rest,
});
const transaction = (id: string, document = id): StoredTransaction => ({
  id,
  createdAt: 1,
  metadata: {},
  isGroup: false,
  changes: [{ collection: "sites", id: document, operations: [{ type: "set", field: "name", value: id }] }],
});
const stored = (damage: readonly Damage[], rest: Partial<Stored> = {}): Stored => ({
  meta: { client: "c", author: 1, term: 1, commit: 9 },
  screen: [],
  documents: [],
  outbox: [],
  groups: [],
  scopes: [scope("sites", "DE"), scope("sites", "FR"), scope("notes", "")],
  damage,
  ...rest,
});
const restarted = (collection: string, name: string, rest: Partial<StoredScope> = {}) => ({
  ...scope(collection, name),
  cursor: { ...startCursor, ts: 1n },
  horizon: 49n,
  isComplete: false,
  isRepair: true,
  ...rest,
});
const freshAuthor = () => 77;
const DE = { collection: "sites", scope: "DE" };

describe("planRepair", () => {
  test("does nothing where nothing is damaged, or only what cannot be had again", () => {
    expect(planRepair(stored([]), freshAuthor)).toBeNull();
    expect(planRepair(stored([{ type: "transaction", sequence: 3 }]), freshAuthor)).toBeNull();
  });

  test.each<[string, Damage, [string, string][]]>([
    ["a page: those of its documents", { type: "page", page: 3, scopes: [DE] }, [["sites", "DE"]]],
    [
      "a page of which nothing is known: all",
      { type: "page", page: 3, scopes: null },
      [
        ["sites", "DE"],
        ["sites", "FR"],
        ["notes", ""],
      ],
    ],
    [
      "a document: all of its collection, it may have moved",
      { type: "document", collection: "sites", id: "x" },
      [
        ["sites", "DE"],
        ["sites", "FR"],
      ],
    ],
  ])("restarts the scopes of %s", (_name, damage, scopes) => {
    const decision = planRepair(stored([damage]), freshAuthor);
    expect(decision?.commit).toEqual({
      repair: { damage: [damage], scopes: scopes.map(([collection, name]) => restarted(collection, name)) },
      outbox: [],
      author: 77,
    });
  });

  test("keeps the end of a first load that had not come to it", () => {
    const scopes = [scope("sites", "DE", { horizon: 90n, isComplete: false })];
    const decision = planRepair(stored([{ type: "page", page: 1, scopes: [DE] }], { scopes }), freshAuthor);
    expect(decision?.commit.repair?.scopes).toEqual([restarted("sites", "DE", { horizon: 90n })]);
  });

  test("of a lost position it knows the newest document, and the epoch from another scope", () => {
    const document = { ...DE, id: "x", ts: 30n, row: null, base: new Uint8Array(1) };
    const rest = { scopes: [scope("sites", "FR")], documents: [document] };
    const decision = planRepair(stored([{ type: "scope", ...DE }], rest), freshAuthor);
    expect(decision?.commit.repair?.scopes).toEqual([restarted("sites", "DE", { horizon: 29n })]);
    const unknown = planRepair(stored([{ type: "scope", ...DE }], { scopes: [] }), freshAuthor);
    expect(unknown?.commit.repair?.scopes).toEqual([restarted("sites", "DE", { epoch: "", horizon: 0n })]);
  });

  test("I-4: what may have been sent in damaged groups fails, with what waits behind it; the rest waits on", () => {
    const outbox = ["a", "b", "c", "d"].map((id, n) => ({ sequence: n + 1, transaction: transaction(id) }));
    outbox.push({ sequence: 5, transaction: transaction("behind c", "c") });
    const groups = [{ sequence: 1, transactions: ["a"], updates: [], isAnswered: false }];
    const damage: Damage[] = [
      { type: "group", sequence: 2 },
      { type: "group", sequence: 3 },
    ];
    const decision = planRepair(stored(damage, { outbox, groups }), freshAuthor);
    const failed = decision?.commit.outbox?.map((entry) => [entry.sequence, entry.transaction.failure?.code]);
    expect(failed).toEqual([
      [2, "storage_corrupt"],
      [3, "storage_corrupt"],
      [5, "storage_corrupt"],
    ]);
    expect(decision?.publication.transactions.map(({ id }) => id)).toEqual(["b", "c", "behind c"]);
  });
});

test("what the user wrote is at risk, what the server has is not", () => {
  const damage: Damage[] = [
    { type: "page", page: 1, scopes: [DE] },
    { type: "transaction", sequence: 4 },
    { type: "group", sequence: 2 },
  ];
  const told = describeDamage(stored(damage));
  expect(told.map(({ error, dataAtRisk }) => [error.code, error.data, dataAtRisk])).toEqual([
    ["storage_corrupt", damage.slice(1), true],
    ["storage_corrupt", damage.slice(0, 1), false],
  ]);
  expect(told[1]?.error.message).toContain('"sites"/"DE"');
  expect(describeDamage(stored([]))).toEqual([]);
  expect(damagedScopes(stored(damage))).toEqual([DE]);
});
