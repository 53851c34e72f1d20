import fc from "fast-check";
import { expect, test } from "vitest";
import { createId, tableNumberOf } from "./ids.js";
import { seededRandom } from "./random.js";

const number = fc.integer({ min: 0, max: 2 ** 31 - 1 });

test("an id tells its table, and is of the alphabet that Convex uses", () => {
  fc.assert(
    fc.property(number, fc.nat(), (table, seed) => {
      const id = createId(table, seededRandom(seed));
      expect(id).toMatch(/^[0-9a-hjkmnp-tv-z]{31,37}$/);
      expect(tableNumberOf(id)).toBe(table);
    }),
    { seed: 1, numRuns: 500 },
  );
});

test("what is no id is none: a letter another, more or less, or anything at all", () => {
  const letter = fc.constantFrom(..."0123456789abcdefghjkmnpqrstvwxyz");
  fc.assert(
    fc.property(number, fc.nat(), letter, fc.string(), (table, place, other, any) => {
      const id = createId(table, seededRandom(place));
      const at = place % id.length;
      const changed = `${id.slice(0, at)}${other}${id.slice(at + 1)}`;
      for (const wrong of [
        id.slice(1),
        id.slice(0, -1),
        `${id}0`,
        `${id}00000000`,
        id.toUpperCase(),
        any,
        "",
      ])
        expect(tableNumberOf(wrong)).toBeNull();
      if (changed !== id) expect(tableNumberOf(changed)).toBeNull();
    }),
    { seed: 2, numRuns: 300 },
  );
});
