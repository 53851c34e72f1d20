import { describe, expect, test } from "vitest";
import { defineCollection, migrationOf, type AnyCollection } from "../../collections/index.js";
import { authorUpdate, encodeSnapshot, openDocument } from "../../shared/document.js";
import { readMain } from "../../shared/mainDocument.js";
import type { Operation } from "../../shared/operations.js";
import { placesV1, placesV2, placesV3 } from "../../testing/versionedApp.js";
import type { AuthoredGroup, OutboxEntry, StoredChange, StoredTransaction } from "../ports/storage.js";
import { translateOutbox } from "./translate.js";

const insert: Operation = { type: "insert", fields: { name: "Bonn", people: 7, price: 2 } };
const set = (field: string, value: string | number): Operation => ({ type: "set", field, value });
const visit: Operation = { type: "increment", field: "visits", by: 1 };

/** The state of a document that was inserted under version 1, and written since under the versions of the definitions. */
function stateAfter(...writes: readonly (readonly [AnyCollection, Operation])[]): Uint8Array {
  const doc = openDocument([]);
  authorUpdate(doc, 10, [insert]);
  for (const [definition, operation] of writes)
    authorUpdate(doc, 10, [operation], migrationOf(definition, "x", readMain(doc), [operation]));
  return encodeSnapshot(doc);
}
const old = stateAfter();

let sequence = 0;
function entry(
  operations: readonly Operation[],
  rest: Partial<StoredChange & StoredTransaction> = {},
): OutboxEntry {
  const { before, schemaVersion, failure, id = `t${++sequence}` } = rest;
  const change: StoredChange = {
    ...{ collection: "places", id: "x", operations },
    ...(before && { before }),
    ...(schemaVersion === undefined ? {} : { schemaVersion }),
  };
  const transaction = { id, createdAt: 0, metadata: {}, isGroup: false, changes: [change] };
  return { sequence, transaction: { ...transaction, ...(failure && { failure }) } };
}

function translate(
  entries: readonly OutboxEntry[],
  {
    base,
    to = placesV2,
    groups = [],
  }: { base?: Uint8Array; to?: AnyCollection; groups?: AuthoredGroup[] } = { base: old },
) {
  return translateOutbox(entries, groups, new Map([[to.name, to]]), () => base);
}
const operationsOf = (entries: readonly OutboxEntry[]) =>
  entries.map(({ transaction }) => transaction.changes[0]!.operations);

describe("an older version's operations on what is of that version", () => {
  test("become what they change, one after the other", () => {
    const entries = [entry([set("people", 9)]), entry([set("price", 3), visit]), entry([set("people", 9)])];
    expect(operationsOf(translate(entries))).toEqual([
      [set("population", 9)],
      [set("price", 300), visit],
      [], // it was so already
    ]);
    expect(translate(entries)[0]!.transaction.changes[0]!.schemaVersion).toBe(2);
  });

  test("go through every step, and see what those before them wrote", () => {
    const entries = [entry([set("people", 9)]), entry([set("name", "Köln")])];
    expect(operationsOf(translate(entries, { base: old, to: placesV3 }))).toEqual([
      [set("title", "Bonn (9)"), set("population", 9)],
      [set("title", "Köln (9)")],
    ]);
  });

  test("insert, and write what they have inserted", () => {
    const entries = [entry([insert, visit]), entry([set("people", 8)]), entry([{ type: "delete" }])];
    expect(operationsOf(translate(entries, {}))).toEqual([
      [{ type: "insert", fields: { name: "Bonn", population: 7, price: 200 } }, visit],
      [set("population", 8)],
      [{ type: "delete" }],
    ]);
  });

  test("keep what the fields that they change held before, under their new names", () => {
    const [translated] = translate([entry([set("people", 9), visit], { before: { people: 7, visits: 0 } })]);
    expect(translated!.transaction.changes[0]!.before).toEqual({ population: 7, visits: 0 });
  });

  test("I-4: are kept though others have made it so meanwhile, or what they were made on has failed", () => {
    const failure = { code: "exists", message: "" } as const;
    const entries = [
      entry([set("price", 5)], { failure, before: { price: 2 } }),
      entry([set("price", 2)], { failure, before: { price: 5 } }),
      entry([set("people", 7)], { before: { people: 6 } }),
      entry([set("people", 7)], { before: { people: 7 } }),
    ];
    expect(operationsOf(translate(entries))).toEqual([
      [set("price", 500)],
      [set("price", 200)],
      [set("population", 7)],
      [], // it was so already
    ]);
  });

  test("are nothing where their field is gone, and no step carries it over", () => {
    const to = defineCollection("places", { fields: { name: placesV1.fields.name }, schemaVersion: 2 });
    const entries = [
      entry([set("people", 9), visit, set("name", "Köln")]),
      entry([{ type: "add", field: "tags", member: 1 }]),
    ];
    expect(operationsOf(translate(entries, { base: old, to }))).toEqual([[set("name", "Köln")], []]);
  });

  test("of a transaction that has failed change nothing for those behind it", () => {
    const failure = { code: "denied", message: "no" } as const;
    const entries = [entry([set("people", 9)], { failure }), entry([set("name", "Köln")])];
    expect(operationsOf(translate(entries, { base: old, to: placesV3 }))).toEqual([
      [set("title", "Bonn (9)"), set("population", 9)],
      [set("title", "Köln (7)")],
    ]);
  });
});

describe("an older version's operations on what was migrated meanwhile", () => {
  const migrated = stateAfter([placesV2, set("population", 50)], [placesV2, set("price", 5000)]);

  test("become what they changed then", () => {
    const entries = [
      entry([set("people", 9)], { before: { people: 7 } }),
      entry([set("price", 3)], { before: { price: 2 } }),
    ];
    expect(operationsOf(translate(entries, { base: migrated }))).toEqual([
      [set("population", 9)],
      [set("price", 300)],
    ]);
  });

  test("fail where nothing says what they come to, with what they hold", () => {
    const to = defineCollection("places", { fields: { name: placesV1.fields.name }, schemaVersion: 2 });
    const made = entry([set("people", 9)], { before: { people: 7 } });
    const [failed] = translate([made], { base: migrated, to });
    expect(failed!.transaction.changes).toEqual(made.transaction.changes);
    expect(failed!.transaction.failure).toMatchObject({ code: "invalid_row", message: /"people".*"x"/ });
  });
});

test("what was made with this version, or with a later one, stays as it is", () => {
  const entries = [
    entry([set("population", 9)], { schemaVersion: 2 }),
    entry([set("title", "t")], { schemaVersion: 3 }),
  ];
  expect(translate(entries)).toEqual(entries);
});

test("where a step fails the transaction fails, unless it has been sent", () => {
  const to = {
    ...placesV2,
    migrate: {
      2: () => {
        throw new Error("no");
      },
    },
  } as unknown as AnyCollection;
  const [waiting, sent] = [entry([set("people", 9)]), entry([set("people", 9)], { id: "sent" })];
  const groups = [{ sequence: 1, transactions: ["sent"], updates: [], isAnswered: false }];
  const translated = translate([waiting, sent], { base: old, to, groups });
  expect(translated[0]!.transaction.failure).toMatchObject({ code: "invalid_row", message: /threw: no/ });
  expect(translated[1]).toEqual(sent);
});
