import type { Value } from "convex/values";
import fc from "fast-check";
import { expect, test } from "vitest";
import * as Y from "yjs";
import { blobFormat, packBlob } from "./blob.js";
import { authorUpdate, encodeSnapshot, hasPending, joinBlobs, openDocument } from "./document.js";
import { readMain, rootOf, type Migration } from "./mainDocument.js";
import { projectMain } from "./mainState.js";
import type { Operation } from "./operations.js";
import { readEntries } from "./rowReader.js";

const numRuns = Number(process.env["NUM_RUNS"] ?? 60);
const authors = [11, 22, 4_000_000_000];

const text = fc.oneof(
  fc.string(),
  fc.string({ unit: "grapheme" }),
  fc.constantFrom("", "\ufeff", "\ud800", "\udc00", "🜁é", "x".repeat(5_000), "ä".repeat(3_000)),
);
const bytes = fc.uint8Array({ maxLength: 300 }).map((view) => view.slice().buffer as ArrayBuffer);
const plain = fc.oneof(
  text,
  fc.integer(),
  fc.double(),
  fc.constantFrom(-0, NaN, Infinity, 2 ** 31, -(2 ** 53), 0.1),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.boolean(),
  fc.constant(null),
  bytes,
);
const { value } = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    plain,
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom("a", "b", "constructor", "1"), tie("value")),
  ),
}));
const field = fc.constantFrom("a", "b", "é", "__proto__", "constructor");
const member = fc.oneof(text, fc.integer(), fc.boolean(), fc.constantFrom(-0, NaN));
const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({ type: fc.constant("insert" as const), fields: fc.dictionary(field, value) }),
  fc.constant({ type: "delete" as const }),
  fc.record({ type: fc.constant("set" as const), field, value: fc.option(value, { nil: undefined }) }),
  fc.record({
    type: fc.constant("increment" as const),
    field: fc.constantFrom("count", "sum"),
    by: fc.oneof(fc.integer(), fc.constantFrom(0.1, 0.2, 1e300)),
  }),
  fc.record({ type: fc.constantFrom("add" as const, "remove" as const), field, member }),
);
const history = fc.array(
  fc.record({
    author: fc.constantFrom(...authors),
    isOnline: fc.boolean(),
    operations: fc.array(operation, { maxLength: 5 }),
    migration: fc.option(
      fc.record({
        version: fc.integer({ min: 2, max: 4 }),
        registers: fc.array(fc.tuple(field, fc.option(value, { nil: undefined })), { maxLength: 3 }),
      }),
      { nil: undefined, freq: 4 },
    ),
  }),
  { maxLength: 20 },
);
type History = typeof history extends fc.Arbitrary<infer T> ? T : never;

/** Devices that write, online or not: their updates in the order in which they were made, and what each device holds. */
function run(steps: History): { updates: Uint8Array[]; docs: Y.Doc[] } {
  const docs = new Map(authors.map((author) => [author, openDocument([])]));
  const updates: Uint8Array[] = [];
  for (const { author, isOnline, operations, migration } of steps) {
    const doc = docs.get(author)!;
    if (isOnline) for (const update of updates) Y.applyUpdate(doc, update.subarray(1));
    const migrate = migration && { ...migration, registers: new Map(migration.registers) };
    const made = migrate ? migrated(doc, author, operations, migrate) : authorUpdate(doc, author, operations);
    if (made) updates.push(made.bytes);
  }
  return { updates, docs: [...docs.values()] };
}

/** Where nothing but the migration changes anything the doc of a device is thrown away, and read again as it was. */
function migrated(doc: Y.Doc, author: number, operations: readonly Operation[], migration: Migration) {
  const copy = openDocument([encodeSnapshot(doc)]);
  const made = authorUpdate(copy, author, operations, migration);
  doc.clientID = 1; // whoever applies an update under the id that it holds gets another, with a warning
  if (made) Y.applyUpdate(doc, made.bytes.subarray(1));
  return made;
}

const wholeV1 = (doc: Y.Doc) => packBlob(blobFormat.v1, Y.encodeStateAsUpdate(doc));

/** Whether the reader could tell; what it tells is what Yjs says of the same bytes, to the last value and clock. */
function agrees(...blobs: readonly Uint8Array[]): boolean {
  const read = readEntries(...blobs);
  if (read === null) return false;
  const doc = openDocument(blobs);
  expect(hasPending(doc)).toBe(false);
  expect(show(read.entries)).toBe(show(new Map(rootOf(doc).entries())));
  expect(show(read.clocks)).toBe(show(Y.decodeStateVector(Y.encodeStateVector(doc))));
  expect(attempt(() => projectMain(read.entries))).toBe(attempt(() => readMain(doc)));
  return true;
}

function attempt(project: () => object): string {
  try {
    return show(project());
  } catch (error) {
    return String(error);
  }
}

/** Any value as text: equal exactly if the values are, but for the order of keys. */
function show(shown: unknown): string {
  if (shown instanceof Map) return `Map(${[...shown].map(show).sort().join()})`;
  if (shown instanceof ArrayBuffer) return show(new Uint8Array(shown));
  if (ArrayBuffer.isView(shown)) return `bytes(${(shown as Uint8Array).join()})`;
  if (Array.isArray(shown)) return `[${shown.map(show).join()}]`;
  if (typeof shown === "object" && shown !== null)
    return `{${Object.entries(shown).map(show).sort().join()}}`;
  if (typeof shown === "string") return JSON.stringify(shown);
  return Object.is(shown, -0) ? "-0" : `${typeof shown} ${String(shown)}`;
}

test("whole states of any history read as Yjs reads them, V1 and V2, and none is left to Yjs", () => {
  let left = 0;
  const check = (blob: Uint8Array) => (left += agrees(blob) ? 0 : 1);
  fc.assert(
    fc.property(history, (steps) => {
      const { updates, docs } = run(steps);
      const all = openDocument(updates);
      const half = encodeSnapshot(openDocument(updates.slice(0, updates.length / 2)));
      const compacted = openDocument([half, ...updates.slice(updates.length / 2)]);
      for (const doc of [all, compacted, ...docs]) {
        check(encodeSnapshot(doc));
        check(wholeV1(doc));
      }
    }),
    { seed: 1, numRuns },
  );
  expect(left).toBe(0);
});

test("joined updates that no document has applied read as Yjs reads them, and none is left to Yjs", () => {
  let left = 0;
  fc.assert(
    fc.property(history, (steps) => {
      const { updates } = run(steps);
      if (updates.length === 0) return;
      const joined = Y.mergeUpdates(updates.map((update) => update.subarray(1)));
      left += agrees(packBlob(blobFormat.v1, joined)) && agrees(joinBlobs(updates)) ? 0 : 1;
    }),
    { seed: 2, numRuns },
  );
  expect(left).toBe(0);
});

test("a state and what was written since read as Yjs reads them, and none is left to Yjs", () => {
  let left = 0;
  fc.assert(
    fc.property(history, fc.nat(), fc.boolean(), (steps, cut, isV1) => {
      const { updates } = run(steps);
      const since = updates.slice(cut % (updates.length + 1));
      const held = openDocument(updates.slice(0, updates.length - since.length));
      const state = isV1 ? wholeV1(held) : encodeSnapshot(held);
      left += agrees(state, ...since) && agrees(...updates) ? 0 : 1;
    }),
    { seed: 7, numRuns },
  );
  expect(left).toBe(0);
});

test("blobs that come twice, in another order or not at all read as Yjs reads them, or are left to Yjs", () => {
  let told = 0;
  fc.assert(
    fc.property(history, fc.infiniteStream(fc.nat()), fc.nat({ max: 12 }), (steps, choices, count) => {
      const { updates, docs } = run(steps);
      const all = [...updates, ...docs.map(encodeSnapshot)];
      const blobs = Array.from({ length: count }, () => all[choices.next().value! % all.length]!);
      if (blobs.length > 1 && agrees(...blobs)) told++;
    }),
    { seed: 8, numRuns: numRuns * 5 },
  );
  expect(told).toBeGreaterThan(0);
});

test("of deltas the first of a document is read, and one that stands on others is not", () => {
  fc.assert(
    fc.property(history, (steps) => {
      const { updates } = run(steps);
      for (const update of updates) {
        const { from, to } = Y.parseUpdateMeta(update.subarray(1));
        const isFirst = from.size === 1 && [...from.values()][0] === 0;
        const isWhole = isFirst && !hasPending(openDocument([update]));
        expect([agrees(update), [...to.keys()]]).toEqual([isWhole, [...from.keys()]]);
      }
    }),
    { seed: 3, numRuns },
  );
});

/** An update that no Yjs document ever made: items that stand on anything, deletions of anything. */
interface Forged {
  readonly clients: readonly {
    readonly client: number;
    readonly items: readonly { key: string; origin: Id | null; length: number; isDeleted: boolean }[];
  }[];
  readonly deletions: readonly Id[];
}
interface Id {
  readonly client: number;
  readonly clock: number;
}

const id = fc.record({ client: fc.constantFrom(0, 1, 2), clock: fc.nat({ max: 7 }) });
const forgedItem = fc.record({
  key: fc.constantFrom("a", "b"),
  origin: fc.option(id, { freq: 3 }),
  length: fc.integer({ min: 1, max: 3 }),
  isDeleted: fc.boolean(),
});
const raw: fc.Arbitrary<Forged> = fc.record({
  clients: fc.uniqueArray(
    fc.record({
      client: fc.constantFrom(0, 1, 2),
      items: fc.array(forgedItem, { minLength: 1, maxLength: 6 }),
    }),
    { selector: ({ client }) => client, minLength: 1, maxLength: 3 },
  ),
  deletions: fc.array(id, { maxLength: 2 }),
});

/** With every id made one that is there: what is left to go wrong is that items need each other. */
function mend({ clients, deletions }: Forged): Forged {
  const clocks = new Map<number, number>();
  for (const { client, items } of clients) clocks.set(client, sumOf(items));
  const within = (each: Id, end = clocks.get(each.client) ?? 0) =>
    end === 0 ? null : { client: each.client, clock: each.clock % end };
  const mended = clients.map(({ client, items }) => {
    let clock = 0;
    const found = items.map((item) => {
      const end = item.origin?.client === client ? clock : undefined;
      clock += lengthOf(item);
      return { ...item, origin: item.origin && within(item.origin, end) };
    });
    return { client, items: found };
  });
  return { clients: mended, deletions: deletions.flatMap((each) => within(each) ?? []) };
}

const sumOf = (items: Forged["clients"][number]["items"]) =>
  items.reduce((sum, each) => sum + lengthOf(each), 0);
const lengthOf = ({ isDeleted, length }: { isDeleted: boolean; length: number }) => (isDeleted ? length : 1);
const forged = fc.oneof(raw, { weight: 9, arbitrary: raw.map(mend) });

/** @param startOf - the clock of an author's first item */
function encodeForged({ clients, deletions }: Forged, startOf = (_client: number) => 0): Uint8Array {
  const out: number[] = [clients.length];
  const write = (string: string) => out.push(string.length, ...Buffer.from(string));
  for (const { client, items } of clients) {
    out.push(items.length, client, startOf(client));
    for (const [index, { key, origin, length, isDeleted }] of items.entries()) {
      out.push((isDeleted ? 1 : 8) | (origin === null ? 32 : 128));
      if (origin !== null) out.push(origin.client, origin.clock);
      if (origin === null) {
        out.push(1);
        write("r");
        write(key);
      }
      if (isDeleted) out.push(length);
      else {
        out.push(1, 119);
        write(`${client}/${index}`);
      }
    }
  }
  const from = [0, 1, 2].map((client) => ({
    client,
    clocks: [...new Set(deletions.filter((each) => each.client === client).map(({ clock }) => clock))].sort(),
  }));
  const present = from.filter(({ clocks }) => clocks.length > 0);
  out.push(present.length);
  for (const { client, clocks } of present)
    out.push(client, clocks.length, ...clocks.flatMap((clock) => [clock, 1]));
  return new Uint8Array(out);
}

test("I-16: items that nobody honest writes come in Yjs's order, or are left to Yjs", () => {
  let told = 0;
  fc.assert(
    fc.property(forged, (update) => {
      const v1 = encodeForged(update);
      if (!agrees(packBlob(blobFormat.v1, v1))) return;
      told++;
      expect(agrees(packBlob(blobFormat.v2, Y.convertUpdateFormatV1ToV2(v1)))).toBe(true);
    }),
    { seed: 4, numRuns: numRuns * 50 },
  );
  expect(told).toBeGreaterThan(numRuns * 5);
});

test("I-16: what nobody honest writes upon it comes in Yjs's order, or is left to Yjs", () => {
  let told = 0;
  fc.assert(
    fc.property(forged, forged, fc.nat({ max: 20 }), (first, second, shift) => {
      const clocks = new Map(first.clients.map(({ client, items }) => [client, sumOf(items)]));
      const startOf = (client: number) => (clocks.get(client) ?? 0) + (shift === client ? 1 : 0);
      const blobs = [encodeForged(first), encodeForged(second, startOf)];
      if (agrees(...blobs.map((bytes) => packBlob(blobFormat.v1, bytes)))) told++;
    }),
    { seed: 9, numRuns: numRuns * 50 },
  );
  expect(told).toBeGreaterThan(numRuns);
});

test("I-16: cut or flipped bytes are read as Yjs reads them, or left to Yjs", () => {
  let told = 0;
  fc.assert(
    fc.property(
      history,
      fc.nat(),
      fc.nat({ max: 7 }),
      fc.constantFrom("cut", "flip", "fill"),
      (steps, position, bit, how) => {
        const { updates } = run(steps);
        const doc = openDocument(updates);
        for (const whole of [encodeSnapshot(doc), wholeV1(doc), updates[0] ?? wholeV1(doc)]) {
          const at = position % whole.length;
          const blob = how === "cut" ? whole.slice(0, at) : whole.slice();
          if (how === "flip") blob[at]! ^= 1 << bit;
          if (how === "fill") blob.fill(255, at, at + 8);
          const isTold = agrees(blob);
          if (isTold) told++;
          if (how === "cut") expect(isTold).toBe(false);
        }
      },
    ),
    { seed: 5, numRuns: numRuns * 3 },
  );
  expect(told).toBeGreaterThan(0);
});

test("I-16: arbitrary bytes are read as Yjs reads them, or left to Yjs", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.constantFrom(0, 1, 2, 3), (update, format) => {
      agrees(new Uint8Array([format, ...update]));
      agrees(update);
    }),
    { seed: 6, numRuns: numRuns * 20 },
  );
});
