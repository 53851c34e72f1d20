import { expect, test } from "vitest";
import { createRandomness } from "./randomness.js";

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test("ids are UUIDs of version 4, and no two are the same, of one source or of two", () => {
  const sources = [createRandomness(), createRandomness()];
  const ids = Array.from({ length: 1000 }, (_, n) => sources[n % 2]!.id());
  for (const id of ids) expect(id).toMatch(uuid);
  expect(new Set(ids).size).toBe(1000);
});

test("every other bit of an id is random", () => {
  const { id } = createRandomness();
  const seen = Array.from({ length: 500 }, () => BigInt(`0x${id().replaceAll("-", "")}`));
  const ever = seen.reduce((all, bits) => all | bits);
  const always = seen.reduce((all, bits) => all & bits);
  const fixed = ((1n << 128n) - 1n) ^ (ever & ~always);
  expect(fixed.toString(16)).toBe("f000c000000000000000");
});
