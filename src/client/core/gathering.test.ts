import { expect, test } from "vitest";
import { gather, gatheringMs, type Gathering } from "./gathering.js";

const day = 24 * 3_600_000;
const cases: [string, Gathering | null, number, number][] = [
  ["nothing was written", null, 1000, 0],
  ["one write, at once", { first: 1000, last: 1000 }, 1000, 50],
  ["one write, a moment later", { first: 1000, last: 1000 }, 1030, 20],
  ["one write, when its time has come", { first: 1000, last: 1000 }, 1050, 0],
  ["one write, long after", { first: 1000, last: 1000 }, day, 0],
  ["another one follows: from the last one on", { first: 1000, last: 1040 }, 1050, 40],
  ["writing that never stops: from the first one on", { first: 1000, last: 1490 }, 1490, 10],
  ["writing that never stops, when its time has come", { first: 1000, last: 1500 }, 1500, 0],
  ["a clock that was put back", { first: day, last: day }, 1000, 0],
  ["a clock that was put back between two writes", { first: day, last: 1000 }, 1000, 0],
];
test.each(cases)("waits for others: %s", (_name, gathering, now, ms) => {
  expect(gatheringMs(gathering, now)).toBe(ms);
});

test("the first write and the last are what is remembered", () => {
  const times = [1000, 1010, 1020];
  expect(times.reduce<Gathering | null>(gather, null)).toEqual({ first: 1000, last: 1020 });
});
