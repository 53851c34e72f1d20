import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { dealOut, isSameScreen, joinScreens, keptOf } from "./screen.js";

const names = (...ids: string[]) => ids.map((id) => ({ collection: "sites", id }));
const list = fc.uniqueArray(fc.integer({ min: 0, max: 12 }).map(String), { maxLength: 8 });
const lists = fc.array(list, { maxLength: 4 }).map((all) => all.map((ids) => names(...ids)));
const most = fc.integer({ min: 0, max: 10 });

describe("one screen of several lists", () => {
  test("takes from each by turns, a document once", () => {
    const dealt = dealOut([names("a", "b", "c"), names("b", "d"), names("e")], 5);
    expect(dealt).toEqual(names("a", "b", "e", "d", "c"));
    expect(dealOut([names("a"), [{ collection: "notes", id: "a" }]])).toHaveLength(2);
  });

  test("holds as many as there are, up to the limit, and the first of each list before the second of any", () => {
    fc.assert(
      fc.property(lists, most, (all, most) => {
        const dealt = dealOut(all, most).map(({ id }) => id);
        const every = new Set(all.flat().map(({ id }) => id));
        expect(dealt).toHaveLength(Math.min(most, every.size));
        expect(new Set(dealt).size).toBe(dealt.length);
        const rank = (id: string) =>
          Math.min(...all.map((list) => list.findIndex((name) => name.id === id)).filter((at) => at >= 0));
        const left = [...every].filter((id) => !dealt.includes(id));
        for (const id of left) expect(rank(id)).toBeGreaterThanOrEqual(Math.max(-1, ...dealt.map(rank)));
      }),
      { seed: 1 },
    );
  });
});

describe("screens joined", () => {
  test("are what was there most recently: what is new pushes out what is oldest, and nothing else does", () => {
    expect(joinScreens([names("c", "a"), names("a", "b"), names("d")], 3)).toEqual(names("c", "a", "b"));
    expect(joinScreens([[], names("a", "b")], 3)).toEqual(names("a", "b"));
  });

  test("hold every screen that there is room for, however often they are joined with what was before", () => {
    fc.assert(
      fc.property(fc.array(lists, { maxLength: 5 }), most, (history, most) => {
        let screen: ReturnType<typeof names> = [];
        for (const told of history) {
          screen = joinScreens([...told, screen], most);
          expect(screen.length).toBeLessThanOrEqual(most);
          const isRoom = new Set(told.flat().map(({ id }) => id)).size <= most;
          if (isRoom) for (const name of told.flat()) expect(screen).toContainEqual(name);
        }
      }),
      { seed: 1 },
    );
  });
});

test("screens are the same if they are of the same documents", () => {
  expect(isSameScreen(names("a", "b"), names("b", "a"))).toBe(true);
  expect(isSameScreen(names("a", "b"), names("a"))).toBe(false);
  expect(isSameScreen(names("a"), names("a", "b"))).toBe(false);
  expect(isSameScreen(names("a"), [{ collection: "notes", id: "a" }])).toBe(false);
});

test("what is kept of a screen is there, is not deleted, and has room", () => {
  const held = new Map(
    Object.entries({ a: 30, b: 80, c: 50, gone: 0, d: 21, e: 20 }).map(([id, length]) => [
      id,
      { row: id === "gone" ? null : { id }, base: new Uint8Array(length) },
    ]),
  );
  const kept = keptOf(names("x", "a", "b", "gone", "c", "d", "e"), ({ id }) => held.get(id), 100);
  expect(kept.map(({ row }) => row?.id)).toEqual(["a", "c", "e"]);
});
