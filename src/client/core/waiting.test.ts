import { expect, test } from "vitest";
import { remainingMs } from "./waiting.js";

test.each([
  [100, 50],
  [149, 1],
  [150, 0],
  [9_999, 0],
])("at %i it waits %i ms more", (now, expected) => {
  expect(remainingMs({ since: 100, until: 150 }, now)).toBe(expected);
});

test("I-19: a clock that is put back makes nobody wait", () => {
  expect(remainingMs({ since: 100, until: 150 }, 99)).toBe(0);
});
