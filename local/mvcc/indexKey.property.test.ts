import { compareValues, type Value } from "convex/values";
import fc from "fast-check";
import { expect, test } from "vitest";
import { compareKeys, compareToEdge, intervalOf, isWithin, type IndexKey, type Range } from "./indexKey.js";

const text = fc.oneof(
  fc.string(),
  fc.string({ unit: "grapheme" }),
  fc
    .array(fc.constantFrom("a", "\u00e9", "\uffff", "\ue000", "\ud83d\ude00", "\u{10ffff}"), { maxLength: 4 })
    .map((all) => all.join("")),
);
const leaf: fc.Arbitrary<Value> = fc.oneof(
  fc.constantFrom<Value>(
    null,
    true,
    false,
    0,
    -0,
    NaN,
    Infinity,
    -Infinity,
    0n,
    2n ** 63n - 1n,
    -(2n ** 63n),
  ),
  fc.double(),
  fc.integer({ min: -3, max: 3 }),
  fc.bigInt({ min: -3n, max: 3n }),
  text,
  fc.uint8Array({ maxLength: 3 }).map((bytes) => bytes.slice().buffer),
);
const value: fc.Arbitrary<Value | undefined> = fc.oneof(
  { weight: 6, arbitrary: leaf },
  fc.array(leaf, { maxLength: 2 }),
  fc.dictionary(fc.constantFrom("a", "b"), leaf, { maxKeys: 2, noNullPrototype: true }),
  fc.constant(undefined),
);
const key = fc.array(value, { minLength: 3, maxLength: 3 });

test("keys stand in the order of Convex's values, field by field", () => {
  fc.assert(
    fc.property(key, key, (a, b) => {
      const fields = a.map((each, place) => Math.sign(compareValues(each, b[place])));
      expect(Math.sign(compareKeys(a, b))).toBe(fields.find((order) => order !== 0) ?? 0);
    }),
    { seed: 1, numRuns: 3_000 },
  );
});

const bound = fc.option(fc.record({ value, isInclusive: fc.boolean() }), { nil: undefined });
const range: fc.Arbitrary<Range> = fc
  .record({ equal: fc.array(value, { maxLength: 2 }), lower: bound, upper: bound })
  .map(({ equal, lower, upper }) => ({
    equal,
    ...(lower === undefined ? {} : { lower }),
    ...(upper === undefined ? {} : { upper }),
  }));

function isIn(whole: IndexKey, { equal, lower, upper }: Range): boolean {
  const field = (place: number) => whole[place] as Value | undefined;
  if (!equal.every((each, place) => compareValues(field(place), each as Value | undefined) === 0))
    return false;
  const next = field(equal.length);
  const above = lower && compareValues(next, lower.value);
  const below = upper && compareValues(upper.value, next);
  return [
    [above, lower],
    [below, upper],
  ].every(([order, side]) => {
    if (order === undefined) return true;
    return (order as number) > 0 || (order === 0 && (side as { isInclusive: boolean }).isInclusive);
  });
}

test("a range holds the keys that it says, and no others", () => {
  let inside = 0;
  const near = fc.tuple(range, key, fc.boolean()).map(([wanted, whole, isNear]) => {
    if (!isNear) return { wanted, whole };
    const bounds = [...wanted.equal, (wanted.lower ?? wanted.upper)?.value] as Value[];
    return { wanted, whole: whole.map((each, place) => (place < bounds.length ? bounds[place] : each)) };
  });
  fc.assert(
    fc.property(near, ({ wanted, whole }) => {
      const expected = isIn(whole, wanted);
      inside += Number(expected);
      expect(isWithin(whole, intervalOf(wanted))).toBe(expected);
    }),
    { seed: 2, numRuns: 3_000 },
  );
  expect(inside).toBeGreaterThan(300);
});

test("an edge is never at a key, and has it on one side", () => {
  fc.assert(
    fc.property(key, fc.nat({ max: 3 }), (whole, length) => {
      const prefix = whole.slice(0, length);
      expect(compareToEdge(whole, { prefix, isAfter: false })).toBeGreaterThan(0);
      expect(compareToEdge(whole, { prefix, isAfter: true })).toBeLessThan(0);
    }),
    { seed: 3, numRuns: 500 },
  );
});
