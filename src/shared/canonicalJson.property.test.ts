import fc from "fast-check";
import { expect, test } from "vitest";
import type { Value } from "convex/values";
import { canonicalJson, isSameValue } from "./canonicalJson.js";

const { value } = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    fc.constantFrom<Value[]>(null, true, false, 0, -0, NaN, 1, 1n, 0n, "", "1", "a", new ArrayBuffer(1)),
    fc.array(tie("value"), { maxLength: 2 }),
    fc.dictionary(fc.constantFrom("a", "b"), tie("value"), { maxKeys: 2 }),
  ),
}));

test("values are the same if their canonical JSON is", () => {
  fc.assert(
    fc.property(value, value, (a, b) => {
      expect(isSameValue(a, b)).toBe(canonicalJson(a) === canonicalJson(b));
      expect(isSameValue(a, a)).toBe(true);
      expect([isSameValue(a, undefined), isSameValue(undefined, undefined)]).toEqual([false, true]);
    }),
    { seed: 1, numRuns: 2000 },
  );
});
