import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import type { Value } from "convex/values";
import { describe, expect, test } from "vitest";
import { checksumOfBytes, checksumOfValue } from "./checksum.js";
import { DamagedPageError, decodePage, encodePage, type PageEntry } from "./pageFormat.js";
import { fromPlainJson, isPlainJson, toPlainJson } from "./plainJson.js";

const numRuns = Number(process.env["NUM_RUNS"] ?? 100);
const settings = { seed: 1, numRuns };

const name = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom("__proto__", "constructor", "$bigint", "$number", "$bytes", "$object", "$", "half \ud800"),
);
const bytes = fc.uint8Array({ maxLength: 20 });
const { value } = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom<Value>(null, NaN, -0, Infinity, -Infinity, 0, 2n ** 63n - 1n, -(2n ** 63n)),
    fc.string({ unit: "binary" }),
    fc.double(),
    fc.boolean(),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    bytes.map((each) => each.slice().buffer),
    fc.array(tie("value"), { maxLength: 4 }),
    fc
      .array(fc.tuple(name, tie("value")), { maxLength: 4 })
      .map((fields) => Object.fromEntries(fields) as Value),
  ),
}));
const row = fc
  .tuple(name, fc.array(fc.tuple(name, value), { maxLength: 4 }))
  .map(([id, fields]) => Object.fromEntries([...fields, ["id", id]]) as { id: string });
const plain = { noNullPrototype: true };
const place = { collection: fc.constantFrom("sites", "notes", "\0"), id: name };
const entry: fc.Arbitrary<PageEntry> = fc.oneof(
  { weight: 1, arbitrary: fc.record({ ...place, isGone: fc.constant(true as const) }, plain) },
  {
    weight: 5,
    arbitrary: fc.record(
      {
        ...place,
        scope: fc.constantFrom("DE", "FR", ""),
        ts: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
        row: fc.option(row),
        // A part of something larger, as slices of a stored page are.
        base: fc.tuple(bytes, bytes).map(([before, own]) => {
          const all = new Uint8Array([...before, ...own]);
          return all.subarray(before.length);
        }),
        rowVersion: fc.nat(3),
        incarnation: fc.nat(3),
        newest: fc.dictionary(fc.constantFrom("log", "report\u00001"), fc.bigInt(), plain),
        previews: fc.dictionary(
          fc.constantFrom("log", "report\u00001"),
          fc.string({ unit: "binary" }),
          plain,
        ),
      },
      { ...plain, requiredKeys: ["collection", "id", "scope", "ts", "row", "base"] },
    ),
  },
);
const entries = fc.array(entry, { maxLength: 30 });

/** `toStrictEqual` takes a field named "constructor" for the class. */
function expectSame(actual: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(actual, expected)) expect(actual).toBe(expected);
}

describe("values", () => {
  test("come back from JSON as they were, whatever they are", () => {
    fc.assert(
      fc.property(value, (before) => {
        expectSame(fromPlainJson(JSON.parse(JSON.stringify(toPlainJson(before))) as never), before);
      }),
      settings,
    );
  });

  test("that are called plain come back without any decoding", () => {
    fc.assert(
      fc.property(value, (before) => {
        if (isPlainJson(before)) expectSame(JSON.parse(JSON.stringify(before)), before);
        else expect(isDeepStrictEqual(toPlainJson(before), before)).toBe(false);
      }),
      settings,
    );
  });
});

describe("a page", () => {
  test("holds what was put in, in order", () => {
    fc.assert(
      fc.property(entries, (before) => {
        expectSame(decodePage(encodePage(before)), before);
      }),
      settings,
    );
  });

  test("with any byte changed is noticed", () => {
    fc.assert(
      fc.property(entries, fc.nat(), fc.integer({ min: 1, max: 255 }), (before, at, difference) => {
        const page = new Uint8Array(encodePage(before));
        page[at % page.length]! ^= difference;
        expect(() => decodePage(page.buffer)).toThrow(DamagedPageError);
      }),
      settings,
    );
  });

  test("that is cut short, or grown, at any length is noticed", () => {
    fc.assert(
      fc.property(entries, bytes, (before, more) => {
        const page = encodePage(before);
        for (let length = 0; length < page.byteLength; length += 1 + (length >> 4))
          expect(() => decodePage(page.slice(0, length))).toThrow(DamagedPageError);
        const grown = new Uint8Array([...new Uint8Array(page), 0, ...more]).buffer;
        expect(() => decodePage(grown)).toThrow(DamagedPageError);
      }),
      settings,
    );
  });

  test.each([undefined, null, "page", {}, new Uint8Array(100), new ArrayBuffer(0), new ArrayBuffer(100)])(
    "is not %o",
    (other) => {
      expect(() => decodePage(other)).toThrow(DamagedPageError);
    },
  );
});

describe("a checksum", () => {
  // Of whole words it is MurmurHash3, whose published vectors these are; the last one keeps what devices hold readable.
  test.each([
    [[0, 0, 0, 0], 0, 0x2362f9de],
    [[0xff, 0xff, 0xff, 0xff], 0, 0x76293b50],
    [[0x21, 0x43, 0x65, 0x87], 0, 0xf55b516b],
    [[0x21, 0x43, 0x65, 0x87], 0x5082edee, 0x2362f9de],
    [[1, 2, 3, 4, 5, 6, 7], 9, 0xc929b158],
  ])("of bytes %o with seed %d stays what it is", (bytes, seed, expected) => {
    expect(checksumOfBytes(new Uint8Array(bytes).buffer, 0, seed)).toBe(expected);
  });

  test("of bytes tells every change of one byte, and the seed", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.nat(), fc.nat(), (before, at, seed) => {
        const changed = before.slice();
        changed[at % changed.length]! ^= 1 + (seed % 255);
        const sum = checksumOfBytes(before.slice().buffer, 0, seed);
        expect(checksumOfBytes(changed.buffer, 0, seed)).not.toBe(sum);
        expect(checksumOfBytes(before.slice().buffer, 0, seed + 1)).not.toBe(sum);
      }),
      settings,
    );
  });

  test("of a value is that of its copy, and another than that of another value", () => {
    fc.assert(
      fc.property(value, value, (one, other) => {
        expect(checksumOfValue(structuredClone(one))).toBe(checksumOfValue(one));
        const isSame = JSON.stringify(toPlainJson(one)) === JSON.stringify(toPlainJson(other));
        expect(checksumOfValue(one) === checksumOfValue(other)).toBe(isSame);
      }),
      settings,
    );
  });

  test.each<[string, unknown, unknown]>([
    ["an absent field and one that is undefined", {}, { a: undefined }],
    ["a text and a number", "1", 1],
    ["an array and its only element", [1], 1],
    ["where one list ends", [[1], [2]], [[1, 2], []]],
    ["zero and minus zero", 0, -0],
    ["a date", new Date(1), new Date(2)],
    ["what is in a map", new Map([["a", 1]]), new Map([["a", 2]])],
    ["what is in a set", new Set(["a"]), new Set(["b"])],
    ["texts that differ in their last character", "abc", "abd"],
    ["a text and a longer one", "a", "a\0"],
    ["bytes and longer ones", new Uint8Array([1]), new Uint8Array([1, 0])],
    ["errors", new Error("a"), new Error("b")],
  ])("tells apart %s", (_name, one, other) => {
    expect(checksumOfValue(structuredClone(one))).toBe(checksumOfValue(one));
    expect(checksumOfValue(one)).not.toBe(checksumOfValue(other));
  });

  test("of a value that holds itself comes to an end", () => {
    const value: { self?: unknown; twice?: unknown } = {};
    value.self = value;
    value.twice = value;
    expect(checksumOfValue(structuredClone(value))).toBe(checksumOfValue(value));
  });
});
