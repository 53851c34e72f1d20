import { describe, expect, test } from "vitest";
import { limits } from "../../shared/limits.js";
import { startCursor } from "../../shared/wire.js";
import {
  turn,
  at,
  stored,
  page,
  openScopeReader,
  arrivals,
  type Watch,
} from "../../testing/setUp/openScopeReader.js";
import type { ScopeState } from "../base/types.js";
import type { StoredScope } from "../ports/storage.js";

describe("a reader that is idle", () => {
  test.each<[string, StoredScope | undefined]>([
    ["never read", undefined],
    ["read before", stored(5, true)],
  ])("asks nothing before it is started: %s", (_name, position) => {
    const { reader, transport, clock } = openScopeReader(position);
    expect([reader.state, reader.isSettled, reader.isComplete]).toEqual([
      "idle",
      false,
      position !== undefined,
    ]);
    reader.onDisconnected();
    reader.stop();
    expect([reader.state, transport.log, clock.runNext()]).toEqual(["idle", [], false]);
  });

  test.each<[string, StoredScope | undefined, object, ScopeState]>([
    ["never read", undefined, { collection: "sites", scope: "DE", cursor: startCursor }, "bootstrapping"],
    [
      "half read",
      stored(5, false),
      { collection: "sites", scope: "DE", cursor: at(5), epoch: "0" },
      "bootstrapping",
    ],
    ["read", stored(5, true), { collection: "sites", scope: "DE", cursor: at(5), epoch: "0" }, "catchingUp"],
  ])("begins where the device is: %s", (_name, position, args, state) => {
    const { reader, last } = openScopeReader(position);
    reader.start();
    expect(last().args).toStrictEqual(args);
    expect([reader.state, reader.epoch]).toEqual([state, position?.epoch]);
  });
});

describe("questions", () => {
  test("a first load asks page by page; each question is open before the one before is closed", async () => {
    const { reader, transport, answer, pages, states, calls } = openScopeReader();
    reader.start();
    await answer(page(3, 2, false));
    await answer(page(6, 2, false));
    await answer(page(8, 1, true));
    expect(transport.log).toEqual(["open 0", "open 3", "close 0", "open 6", "close 3", "open 8", "close 6"]);
    expect(pages).toEqual([
      { ts: 3, entries: 2, isComplete: false, isFirstLoad: true },
      { ts: 6, entries: 2, isComplete: false, isFirstLoad: true },
      { ts: 8, entries: 1, isComplete: true, isFirstLoad: true },
    ]);
    expect(states).toEqual(["bootstrapping", "bootstrapping", "bootstrapping", "live"]);
    expect(calls.read).toBe(3);
    await answer(page(9, 1, true));
    expect(pages.at(-1)).toEqual({ ts: 9, entries: 1, isComplete: true, isFirstLoad: false });
  });

  test("a reopened scope of which nothing changed costs one question and no write", async () => {
    const { reader, transport, answer, pages, calls } = openScopeReader(stored(5, true));
    reader.start();
    await answer(page(5, 0, true));
    expect([reader.state, transport.log, pages, calls.read]).toEqual(["live", ["open 5"], [], 1]);
  });

  test("the epoch that was answered is sent with the next question", async () => {
    const { reader, answer, last } = openScopeReader();
    reader.start();
    await answer(page(5, 1, true, "7"));
    expect([reader.epoch, last().args.epoch]).toEqual(["7", "7"]);
  });

  test("a cursor inside the same commit is another place", async () => {
    const { reader, answer, last } = openScopeReader(stored(5, true));
    reader.start();
    await answer({ ...page(5, 1, false), cursor: { ts: 5n, document: "d0" } });
    expect(last().args.cursor).toEqual({ ts: 5n, document: "d0" });
  });

  test("I-2: the reader moves on only after the page is stored", async () => {
    const { reader, transport, answer, hold, calls } = openScopeReader(stored(5, true));
    reader.start();
    const release = hold();
    await answer(page(9, 1, true));
    expect([reader.state, transport.log, calls.read]).toEqual(["catchingUp", ["open 5"], 0]);
    await release();
    expect([reader.state, transport.log, calls.read]).toEqual(["live", ["open 5", "open 9", "close 5"], 1]);
  });

  test.each<[string, (first: Watch) => void]>([
    ["a result", (first) => first.answer(page(7, 1, false))],
    ["a denial", (first) => first.answer({ type: "denied" })],
    ["an error", (first) => first.fail(new Error("late"))],
  ])("%s of a closed question is ignored", async (_name, late) => {
    const { reader, transport, answer, pages, errors, open } = openScopeReader();
    reader.start();
    await answer(page(9, 1, true));
    late(transport.watches[0]!);
    await turn();
    expect([reader.state, open(), pages.length, errors]).toEqual(["live", [9], 1, []]);
  });

  test.each<[string, (watch: Watch) => void]>([
    ["a result", (watch) => watch.answer(page(9, 1, true))],
    ["an error", (watch) => watch.fail(new Error("late"))],
  ])("%s after stop is ignored", async (_name, late) => {
    const { reader, clock, last, pages, errors, open, states } = openScopeReader();
    reader.start();
    reader.stop();
    late(last());
    await turn();
    expect([reader.state, open(), pages, errors, states]).toEqual([
      "bootstrapping",
      [],
      [],
      [],
      ["bootstrapping"],
    ]);
    expect(clock.runNext()).toBe(false);
  });

  test("stop while a page is stored: nothing is told and nothing asked any more", async () => {
    const { reader, answer, hold, open, states, calls } = openScopeReader();
    reader.start();
    const release = hold();
    await answer(page(9, 1, true));
    reader.stop();
    await release();
    expect([open(), states, calls.read]).toEqual([[], ["bootstrapping"], 0]);
  });
});

describe("I-6: a catch-up in several pages", () => {
  const begin = async () => {
    const world = openScopeReader(stored(5, true));
    world.reader.start();
    await world.answer(page(7, 2, false));
    return world;
  };

  test("is stored as one, with the position behind it", async () => {
    const { reader, answer, pages, calls } = await begin();
    await answer(page(8, 3, false));
    expect([pages, calls.read, reader.isBehind]).toEqual([[], 0, true]);
    await answer(page(9, 0, true));
    expect(pages).toEqual([{ ts: 9, entries: 5, isComplete: true, isFirstLoad: false }]);
    expect([reader.state, calls.read]).toEqual(["live", 1]);
    await answer(page(10, 1, true));
    expect(pages.at(-1)).toMatchObject({ ts: 10, entries: 1 });
  });

  test("I-2: goes on where it was if a question or the storage fails", async () => {
    const { answer, last, clock, open, pages, storage } = await begin();
    last().fail(new Error("the query failed"));
    clock.runNext();
    expect(open()).toEqual([7]);
    storage.nextError = new Error("the disk is full");
    await answer(page(9, 1, true));
    expect(pages).toEqual([]);
    clock.runNext();
    expect(open()).toEqual([7]);
    await answer(page(9, 1, true));
    expect(pages).toMatchObject([{ ts: 9, entries: 3 }]);
  });

  test.each([
    ["a reset", { type: "reset", epoch: "1" }, false],
    ["a denial", { type: "denied" }, true],
  ] as const)("is not gone on with after %s", async (_name, result, isFirstLoad) => {
    const { answer, pages } = await begin();
    await answer(result);
    await answer(page(9, 1, true));
    expect(pages).toEqual([{ ts: 9, entries: 1, isComplete: true, isFirstLoad }]);
  });

  test("that is large is stored in parts: each is a way that need not be gone again", async () => {
    const { answer, pages } = await begin();
    await answer(page(8, limits.catchUpEntries - 2, false));
    expect(pages).toMatchObject([{ ts: 8, entries: limits.catchUpEntries }]);
    const large = page(9, 1, false);
    await answer({
      ...large,
      entries: large.entries.map((each) => ({ ...each, bytes: new ArrayBuffer(limits.catchUpBytes) })),
    });
    expect(pages[1]).toMatchObject({ ts: 9, entries: 1 });
  });
});

describe("a result during work", () => {
  test("is handled after it, if the place is the same", async () => {
    const { reader, answer, hold, transport } = openScopeReader();
    reader.start();
    await answer({ type: "denied" });
    const release = hold();
    await answer({ type: "denied" });
    await answer(page(9, 1, true));
    expect(reader.state).toBe("denied");
    await release();
    expect([reader.state, transport.log]).toEqual(["live", ["open 0", "open 9", "close 0"]]);
  });

  test("is dropped if the reader moved on: the next question is answered with all of it", async () => {
    const { reader, answer, hold, pages, open } = openScopeReader();
    reader.start();
    const release = hold();
    await answer(page(5, 1, true));
    await answer(page(9, 2, true));
    await release();
    expect([pages.map(({ ts }) => ts), open()]).toEqual([[5], [5]]);
    await answer(page(9, 1, true));
    expect([pages.map(({ ts }) => ts), open()]).toEqual([[5, 9], [9]]);
  });

  test("I-2: is dropped if the scope was denied meanwhile: it goes on from where nothing is held any more", async () => {
    const { reader, answer, hold, pages, open } = openScopeReader(stored(5, true));
    reader.start();
    const release = hold();
    await answer({ type: "denied" });
    await answer(page(9, 1, true));
    await release();
    expect([reader.state, pages, open()]).toEqual(["denied", [], [0]]);
    await answer(page(9, 2, true));
    expect([reader.state, pages.map(({ ts }) => ts), open()]).toEqual(["live", [9], [9]]);
  });

  test("of several only the newest is looked at", async () => {
    const { reader, answer, hold, pages } = openScopeReader();
    reader.start();
    await answer({ type: "denied" });
    const release = hold();
    await answer({ type: "denied" });
    await answer(page(7, 1, false));
    await answer(page(9, 2, true));
    await release();
    expect(pages.map(({ ts }) => ts)).toEqual([9]);
  });
});

describe("progress and isComplete", () => {
  test("progress counts the entries of the first load, and no later ones", async () => {
    const { reader, answer } = openScopeReader();
    reader.start();
    const seen = [[reader.progress, reader.isComplete]];
    for (const each of [page(3, 2, false), page(4, 3, false), page(8, 1, true), page(9, 4, true)]) {
      await answer(each);
      seen.push([reader.progress, reader.isComplete]);
    }
    expect(seen).toEqual([
      [0, false],
      [2, false],
      [5, false],
      [6, true],
      [6, true],
    ]);
  });

  test("a complete scope stays complete while it catches up, from an earlier session as well", async () => {
    const { reader, answer } = openScopeReader(stored(5, true));
    reader.start();
    await answer(page(9, 2, false));
    expect([reader.state, reader.isComplete, reader.progress]).toEqual(["catchingUp", true, 0]);
  });

  test.each<[ScopeState, string, boolean]>([
    ["bootstrapping", "bootstrapping", false],
    ["catchingUp", "catchingUp", false],
    ["live", "live", true],
    ["denied", "denied at once", true],
    ["error", "error", true],
  ])("%s: whether a push need not wait for it", async (state, arrival, isSettled) => {
    const { reader } = await arrivals[arrival]!();
    expect([reader.state, reader.isSettled]).toEqual([state, isSettled]);
  });
});
