import { describe, expect, test } from "vitest";
import { limits } from "../../shared/limits.js";
import { endOfCommit, startCursor, type Page, type PullArgs, type PullResult } from "../../shared/wire.js";
import { ManualClock } from "../../testing/manualClock.js";
import { seededRandomness } from "../../testing/testReplica.js";
import type { ScopeState } from "../base/types.js";
import type { StoredScope } from "../ports/storage.js";
import type { Transport } from "../ports/transport.js";
import { ScopeReader } from "./scopeReader.js";

interface Watch {
  readonly args: PullArgs;
  isOpen: boolean;
  /** Also when it is closed: an answer can be under way. */
  answer(result: PullResult): void;
  fail(error: Error): void;
}

/** The server's part is played by the test. */
class HandTransport implements Transport {
  readonly deployment = "test";
  readonly isConnected = true;
  readonly sessions = null;
  readonly watches: Watch[] = [];
  /** `open 5`, `close 0`: which question, by its cursor. */
  readonly log: string[] = [];

  onConnectionChange(): () => void {
    return () => {};
  }

  watchPull(args: PullArgs, onResult: (result: PullResult) => void, onError: (error: unknown) => void) {
    const watch: Watch = { args, isOpen: true, answer: onResult, fail: onError };
    this.watches.push(watch);
    this.log.push(`open ${args.cursor.ts}`);
    return () => {
      if (watch.isOpen) this.log.push(`close ${args.cursor.ts}`);
      watch.isOpen = false;
    };
  }

  push(): Promise<never> {
    return Promise.reject(new Error("A reader pushes nothing."));
  }

  status(): Promise<never> {
    return Promise.reject(new Error("A reader pushes nothing."));
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve));
const at = (ts: number) => ({ ts: BigInt(ts), document: endOfCommit });
const stored = (ts: number, isComplete: boolean): StoredScope => ({
  collection: "sites",
  scope: "DE",
  cursor: at(ts),
  epoch: "0",
  isComplete,
});

/** A page up to `ts` with so many entries. */
function page(ts: number, entries: number, done: boolean, epoch = "0"): Page {
  return {
    type: "page",
    epoch,
    cursor: at(ts),
    done,
    entries: Array.from({ length: entries }, (_, n) => ({
      document: `d${n}`,
      ts: BigInt(ts),
      type: "update" as const,
      bytes: new ArrayBuffer(0),
    })),
  };
}

function setUp(position?: StoredScope) {
  const transport = new HandTransport();
  const clock = new ManualClock(0);
  const pages: { ts: number; entries: number; isComplete: boolean; isFirstLoad: boolean }[] = [];
  const calls = { forget: 0, read: 0, beginAnew: [] as string[] };
  const errors: unknown[] = [];
  const states: ScopeState[] = [];
  const storage = { nextError: null as Error | null, gate: Promise.resolve() };
  const store = async (write: () => void) => {
    await storage.gate;
    const error = storage.nextError;
    storage.nextError = null;
    if (error) throw error;
    write();
  };
  const reader: ScopeReader = new ScopeReader({
    collection: "sites",
    scope: "DE",
    transport,
    clock,
    randomness: { ...seededRandomness(1), fraction: () => 0.5 },
    stored: position,
    storePage: ({ entries }, { cursor, isComplete }, isFirstLoad) =>
      store(() => pages.push({ ts: Number(cursor.ts), entries: entries.length, isComplete, isFirstLoad })),
    forget: () => store(() => calls.forget++),
    beginAnew: async (epoch) => {
      await store(() => calls.beginAnew.push(epoch));
      return position && { ...position, cursor: startCursor };
    },
    onRead: () => void calls.read++,
    onChange: () => void states.push(reader.state),
    onIdle: () => {},
    onError: (error) => void errors.push(error),
  });
  return {
    reader,
    transport,
    clock,
    pages,
    calls,
    errors,
    states,
    storage,
    last: () => transport.watches.at(-1)!,
    /** The questions that are open, by their cursors. */
    open: () => transport.watches.filter((watch) => watch.isOpen).map(({ args }) => Number(args.cursor.ts)),
    async answer(result: PullResult) {
      transport.watches.at(-1)!.answer(result);
      await turn();
    },
    /** Makes storing wait. @returns what lets it go on */
    hold(): () => Promise<void> {
      let open!: () => void;
      storage.gate = new Promise((resolve) => (open = resolve));
      return async () => (open(), void (await turn()));
    },
  };
}
type World = ReturnType<typeof setUp>;

/** How each state is come to; in all that have a position it is 5. */
const arrivals: Record<string, () => Promise<World>> = {
  bootstrapping: async () => {
    const world = setUp();
    world.reader.start();
    return world;
  },
  "bootstrapping, reopened": async () => {
    const world = setUp(stored(5, false));
    world.reader.start();
    return world;
  },
  catchingUp: async () => {
    const world = setUp(stored(5, true));
    world.reader.start();
    return world;
  },
  live: async () => {
    const world = setUp(stored(5, true));
    world.reader.start();
    await world.answer(page(5, 0, true));
    return world;
  },
  "denied at once": async () => {
    const world = setUp();
    world.reader.start();
    await world.answer({ type: "denied" });
    return world;
  },
  error: async () => {
    const world = setUp(stored(5, true));
    world.reader.start();
    world.last().fail(new Error("the query failed"));
    return world;
  },
};

const events: Record<string, (world: World) => Promise<void> | void> = {
  "last page": (world) => world.answer(page(9, 2, true)),
  "last page, empty": (world) => world.answer(page(9, 0, true)),
  "page with more behind": (world) => world.answer(page(9, 2, false)),
  "empty page with more behind": (world) => world.answer(page(9, 0, false)),
  denied: (world) => world.answer({ type: "denied" }),
  reset: (world) => world.answer({ type: "reset", epoch: "1" }),
  "query error": (world) => world.last().fail(new Error("the query failed")),
  "storage error": (world) => {
    world.storage.nextError = new Error("the disk is full");
    return world.answer(page(9, 2, true));
  },
  disconnect: ({ reader }) => reader.onDisconnected(),
  stop: ({ reader }) => reader.stop(),
};

type Expected = readonly [state: ScopeState, open: readonly number[], isComplete: boolean, stored: number];
/** [state, cursors of the open questions, isComplete, pages stored] after one event. */
const transitions: Record<string, Record<string, Expected>> = {
  bootstrapping: {
    "last page": ["live", [9], true, 1],
    "last page, empty": ["live", [9], true, 1],
    "page with more behind": ["bootstrapping", [9], false, 1],
    "empty page with more behind": ["bootstrapping", [9], false, 0],
    denied: ["denied", [0], false, 0],
    reset: ["bootstrapping", [0], false, 0],
    "query error": ["error", [], false, 0],
    "storage error": ["error", [], false, 0],
    disconnect: ["bootstrapping", [0], false, 0],
    stop: ["bootstrapping", [], false, 0],
  },
  "bootstrapping, reopened": {
    "last page": ["live", [9], true, 1],
    "last page, empty": ["live", [9], true, 1],
    "page with more behind": ["bootstrapping", [9], false, 1],
    "empty page with more behind": ["bootstrapping", [9], false, 0],
    reset: ["bootstrapping", [0], false, 0],
    "query error": ["error", [], false, 0],
    "storage error": ["error", [], false, 0],
    disconnect: ["bootstrapping", [5], false, 0],
    stop: ["bootstrapping", [], false, 0],
  },
  catchingUp: {
    "last page": ["live", [9], true, 1],
    "last page, empty": ["live", [9], true, 0],
    "page with more behind": ["catchingUp", [9], true, 0],
    "empty page with more behind": ["catchingUp", [9], true, 0],
    reset: ["catchingUp", [0], true, 0],
    "query error": ["error", [], true, 0],
    "storage error": ["error", [], true, 0],
    disconnect: ["catchingUp", [5], true, 0],
    stop: ["catchingUp", [], true, 0],
  },
  live: {
    "last page": ["live", [9], true, 1],
    "last page, empty": ["live", [9], true, 0],
    "page with more behind": ["catchingUp", [9], true, 0],
    "empty page with more behind": ["catchingUp", [9], true, 0],
    reset: ["catchingUp", [0], true, 0],
    "query error": ["error", [], true, 0],
    "storage error": ["error", [], true, 0],
    disconnect: ["catchingUp", [5], true, 0],
    stop: ["live", [], true, 0],
  },
  "denied at once": {
    "last page": ["live", [9], true, 1],
    "last page, empty": ["live", [9], true, 1],
    "page with more behind": ["bootstrapping", [9], false, 1],
    "empty page with more behind": ["bootstrapping", [9], false, 0],
    denied: ["denied", [0], false, 0],
    reset: ["bootstrapping", [0], false, 0],
    "query error": ["error", [], false, 0],
    "storage error": ["error", [], false, 0],
    disconnect: ["denied", [0], false, 0],
    stop: ["denied", [], false, 0],
  },
  // No question is open: what still comes is an answer to the one before.
  error: {
    "last page": ["error", [], true, 0],
    "last page, empty": ["error", [], true, 0],
    "page with more behind": ["error", [], true, 0],
    "empty page with more behind": ["error", [], true, 0],
    denied: ["error", [], true, 0],
    reset: ["error", [], true, 0],
    "query error": ["error", [], true, 0],
    disconnect: ["error", [], true, 0],
    stop: ["error", [], true, 0],
  },
};

describe.each(Object.keys(transitions))("a reader that is %s", (from) => {
  test.each(Object.entries(transitions[from]!))("%s → %j", async (event, expected) => {
    const world = await arrivals[from]!();
    await events[event]!(world);
    const { reader, pages, open } = world;
    expect([reader.state, open(), reader.isComplete, pages.length]).toEqual(expected);
  });
});

describe("a reader that is idle", () => {
  test.each<[string, StoredScope | undefined]>([
    ["never read", undefined],
    ["read before", stored(5, true)],
  ])("asks nothing before it is started: %s", (_name, position) => {
    const { reader, transport, clock } = setUp(position);
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
    const { reader, last } = setUp(position);
    reader.start();
    expect(last().args).toStrictEqual(args);
    expect([reader.state, reader.epoch]).toEqual([state, position?.epoch]);
  });
});

describe("questions", () => {
  test("a first load asks page by page; each question is open before the one before is closed", async () => {
    const { reader, transport, answer, pages, states, calls } = setUp();
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
    const { reader, transport, answer, pages, calls } = setUp(stored(5, true));
    reader.start();
    await answer(page(5, 0, true));
    expect([reader.state, transport.log, pages, calls.read]).toEqual(["live", ["open 5"], [], 1]);
  });

  test("the epoch that was answered is sent with the next question", async () => {
    const { reader, answer, last } = setUp();
    reader.start();
    await answer(page(5, 1, true, "7"));
    expect([reader.epoch, last().args.epoch]).toEqual(["7", "7"]);
  });

  test("a cursor inside the same commit is another place", async () => {
    const { reader, answer, last } = setUp(stored(5, true));
    reader.start();
    await answer({ ...page(5, 1, false), cursor: { ts: 5n, document: "d0" } });
    expect(last().args.cursor).toEqual({ ts: 5n, document: "d0" });
  });

  test("I-2: the reader moves on only after the page is stored", async () => {
    const { reader, transport, answer, hold, calls } = setUp(stored(5, true));
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
    const { reader, transport, answer, pages, errors, open } = setUp();
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
    const { reader, clock, last, pages, errors, open, states } = setUp();
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
    const { reader, answer, hold, open, states, calls } = setUp();
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
    const world = setUp(stored(5, true));
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
    const { reader, answer, hold, transport } = setUp();
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
    const { reader, answer, hold, pages, open } = setUp();
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
    const { reader, answer, hold, pages, open } = setUp(stored(5, true));
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
    const { reader, answer, hold, pages } = setUp();
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

describe("errors", () => {
  test.each<[string, keyof typeof events, object]>([
    ["the query fails", "query error", { message: "the query failed" }],
    ["the storage fails", "storage error", { message: "the disk is full" }],
  ])("%s: told, and after a while asked again from the same place", async (_name, event, told) => {
    const world = await arrivals["live"]!();
    const { reader, clock, errors, transport, answer } = world;
    await events[event]!(world);
    expect(errors).toEqual([expect.objectContaining(told)]);
    expect([reader.state, reader.isSettled, transport.log.at(-1)]).toEqual(["error", true, "close 5"]);
    expect(clock.runNext()).toBe(true);
    expect([reader.state, transport.log.at(-1), clock.now()]).toEqual(["catchingUp", "open 5", 500]);
    await answer(page(9, 1, true));
    expect([reader.state, transport.log.at(-1)]).toEqual(["live", "close 5"]);
  });

  test("the wait doubles with each failure, and begins anew after an answer", async () => {
    const { reader, clock, last, answer } = setUp();
    reader.start();
    const waits: number[] = [];
    const fail = () => {
      const from = clock.now();
      last().fail(new Error("the query failed"));
      clock.runNext();
      waits.push(clock.now() - from);
    };
    fail();
    fail();
    fail();
    await answer(page(5, 1, false));
    fail();
    expect(waits).toEqual([500, 1000, 2000, 500]);
    expect(reader.state).toBe("bootstrapping");
  });

  test("a first load that failed goes on at the page it had come to", async () => {
    const { reader, answer, last, clock, open } = setUp();
    reader.start();
    await answer(page(3, 2, false));
    last().fail(new Error("the query failed"));
    expect([reader.state, reader.progress]).toEqual(["error", 2]);
    clock.runNext();
    expect([reader.state, open(), reader.progress]).toEqual(["bootstrapping", [3], 2]);
  });

  test("stop takes the next attempt back", async () => {
    const { reader, clock } = await arrivals["error"]!();
    reader.stop();
    expect(clock.runNext()).toBe(false);
  });
});

describe("a reset", () => {
  test("I-18: begins anew where it is told to, once that is stored", async () => {
    const { reader, answer, hold, calls, open, last } = await arrivals["live"]!();
    const release = hold();
    await answer({ type: "reset", epoch: "0" });
    expect([reader.state, open(), calls.beginAnew]).toEqual(["live", [5], []]);
    await release();
    expect([reader.state, open(), calls.beginAnew]).toEqual(["catchingUp", [0], ["0"]]);
    expect(last().args.epoch).toBe("0");
  });

  test("of a reader that is replaced meanwhile asks nothing more", async () => {
    const { reader, answer, hold, open } = await arrivals["live"]!();
    const release = hold();
    await answer({ type: "reset", epoch: "1" });
    reader.stop();
    await release();
    expect(open()).toEqual([]);
  });

  test("a page that ends a new reading is stored though it brings nothing", async () => {
    const { reader, answer, pages } = setUp({ ...stored(0, true), unmet: ["x"] });
    reader.start();
    await answer(page(9, 0, false));
    expect(pages).toEqual([]);
    await answer(page(9, 0, true));
    expect(pages).toEqual([{ ts: 9, entries: 0, isComplete: true, isFirstLoad: false }]);
  });
});

describe("a denial", () => {
  test("I-12: makes the device forget the scope before it is told", async () => {
    const { reader, answer, hold, calls } = await arrivals["live"]!();
    const release = hold();
    await answer({ type: "denied" });
    expect([reader.state, calls.forget]).toEqual(["live", 0]);
    await release();
    expect([reader.state, calls.forget, reader.isSettled]).toEqual(["denied", 1, true]);
    expect([reader.isComplete, reader.epoch, reader.progress]).toEqual([false, undefined, 0]);
  });

  test("that could not be carried out is an error, and carried out when the server says it again", async () => {
    const { reader, answer, storage, clock, calls } = await arrivals["live"]!();
    storage.nextError = new Error("the disk is full");
    await answer({ type: "denied" });
    expect([reader.state, calls.forget]).toEqual(["error", 0]);
    clock.runNext();
    await answer({ type: "denied" });
    expect([reader.state, calls.forget]).toEqual(["denied", 1]);
  });
});

describe("progress and isComplete", () => {
  test("progress counts the entries of the first load, and no later ones", async () => {
    const { reader, answer } = setUp();
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
    const { reader, answer } = setUp(stored(5, true));
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

describe("after a denial", () => {
  test("everything is asked for from the start: what was forgotten comes back whole", async () => {
    const { reader, answer, last, open, calls, pages } = setUp(stored(5, true));
    reader.start();
    const question = last();
    await answer({ type: "denied" });
    expect([reader.state, calls.forget, open()]).toEqual(["denied", 1, [Number(startCursor.ts)]]);
    question.answer(page(9, 1, true)); // to the question that stood at 5
    await turn();
    expect([reader.state, pages]).toEqual(["denied", []]);
    await answer(page(9, 3, true));
    expect([reader.state, pages.map(({ entries }) => entries)]).toEqual(["live", [3]]);
  });

  test("a second one asks nothing new", async () => {
    const { reader, answer, transport } = setUp();
    reader.start();
    await answer({ type: "denied" });
    await answer({ type: "denied" });
    expect(transport.log).toEqual(["open 0"]);
  });
});

test("a question and a storage that fail together are tried again once, and not after stop", async () => {
  const { reader, answer, hold, last, storage, open, clock } = setUp(stored(5, true));
  reader.start();
  const release = hold();
  await answer(page(9, 1, true));
  last().fail(new Error("query"));
  storage.nextError = new Error("storage");
  await release();
  expect(reader.state).toBe("error");
  reader.stop();
  while (clock.runNext());
  expect(open()).toEqual([]);
});
