import { describe, expect, test } from "vitest";
import { ManualClock } from "../../testing/manualClock.js";
import { Loop } from "./loop.js";

const start = 1_000;
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A loop whose runs end when the test says so. */
function setUp() {
  const clock = new ManualClock(start);
  const runs: { at: number; end: (again: number | null) => Promise<void>; fail: () => Promise<void> }[] = [];
  const loop = new Loop(
    clock,
    () =>
      new Promise((resolve, reject) => {
        runs.push({
          at: clock.now() - start,
          end: (again) => (resolve(again), turn().then(() => {})),
          fail: () => (reject(new Error("the work failed")), turn().then(() => {})),
        });
      }),
  );
  return { clock, loop, runs, times: () => runs.map((run) => run.at) };
}

describe("a loop that does nothing", () => {
  test("does not run before it is woken", () => {
    const { clock, times } = setUp();
    expect(clock.runNext()).toBe(false);
    expect(times()).toEqual([]);
  });

  test("runs once for many wakes, not within the call that wakes it", () => {
    const { clock, loop, times } = setUp();
    loop.wake();
    loop.wake();
    expect(times()).toEqual([]);
    expect([clock.runNext(), clock.runNext()]).toEqual([true, false]);
    expect(times()).toEqual([0]);
  });

  test.each<[string, readonly number[], number]>([
    ["one delay", [50], 50],
    ["a later one after it", [50, 80], 50],
    ["a sooner one after it", [50, 20], 20],
    ["none after it", [50, 0], 0],
    ["equal ones", [50, 50], 50],
    ["many", [90, 40, 60, 30, 70], 30],
  ])("the earliest wake wins: %s", (_name, delays, at) => {
    const { clock, loop, times } = setUp();
    for (const delay of delays) loop.wake(delay);
    while (clock.runNext());
    expect(times()).toEqual([at]);
  });
});

describe("a loop whose work is done", () => {
  test("null: not again until woken", async () => {
    const { clock, loop, runs, times } = setUp();
    loop.wake();
    clock.runNext();
    await runs[0]!.end(null);
    expect(clock.runNext()).toBe(false);
    loop.wake(5);
    clock.runNext();
    expect(times()).toEqual([0, 5]);
  });

  test("a number: again after so many milliseconds, for as long as it says so", async () => {
    const { clock, loop, runs, times } = setUp();
    loop.wake();
    for (const [index, again] of [100, 0, 30, null].entries()) {
      expect(clock.runNext()).toBe(true);
      await runs[index]!.end(again);
    }
    expect(clock.runNext()).toBe(false);
    expect(times()).toEqual([0, 100, 100, 130]);
  });

  test.each([
    ["sooner than it wants", 20, 20],
    ["later than it wants", 200, 100],
  ])("a wake %s, before its time", async (_name, delay, at) => {
    const { clock, loop, runs, times } = setUp();
    loop.wake();
    clock.runNext();
    await runs[0]!.end(100);
    loop.wake(delay);
    clock.runNext();
    await runs[1]!.end(null);
    expect(clock.runNext()).toBe(false);
    expect(times()).toEqual([0, at]);
  });
});

describe("a wake during a run", () => {
  test.each<[string, number | null]>([
    ["nothing by itself", null],
    ["to run much later by itself", 10_000],
  ])("makes one other run follow at once, if the work wanted %s", async (_name, again) => {
    const { clock, loop, runs, times } = setUp();
    loop.wake();
    clock.runNext();
    loop.wake();
    loop.wake();
    expect(clock.runNext()).toBe(false); // one run at a time
    await runs[0]!.end(again);
    clock.runNext();
    await runs[1]!.end(null);
    expect(clock.runNext()).toBe(false);
    expect(times()).toEqual([0, 0]);
  });

  test("with a delay that ends after the run is kept, whatever the work answers", async () => {
    const { clock, loop, runs, times } = setUp();
    loop.wake();
    clock.runNext();
    loop.wake(40);
    await runs[0]!.end(null);
    clock.runNext();
    expect(times()).toEqual([0, 40]);
  });

  test("with a delay that ends during the run makes another one follow", async () => {
    const { clock, loop, runs, times } = setUp();
    loop.wake();
    clock.runNext();
    loop.wake(40);
    expect(clock.runNext()).toBe(true);
    expect(times()).toEqual([0]);
    await runs[0]!.end(null);
    clock.runNext();
    expect(times()).toEqual([0, 40]);
  });

  test("of what the work asks for and a wake with a delay, the earlier wins", async () => {
    const { clock, loop, runs, times } = setUp();
    loop.wake();
    clock.runNext();
    loop.wake(40);
    await runs[0]!.end(10);
    clock.runNext();
    await runs[1]!.end(null);
    expect(clock.runNext()).toBe(false);
    expect(times()).toEqual([0, 10]);
  });
});

describe("a stopped loop", () => {
  test.each<[string, (loop: Loop) => void]>([
    ["that was due", (loop) => (loop.wake(10), loop.stop())],
    ["that is woken after", (loop) => (loop.stop(), loop.wake())],
    ["that is stopped twice", (loop) => (loop.wake(), loop.stop(), loop.stop())],
  ])("%s does not run", (_name, act) => {
    const { clock, loop, times } = setUp();
    act(loop);
    expect(clock.runNext()).toBe(false);
    expect(times()).toEqual([]);
  });

  test.each<[string, boolean, number | null]>([
    ["woken during it", true, null],
    ["wanting to run again", false, 10],
  ])("lets the run that is under way end, and begins no other: %s", async (_name, isWoken, again) => {
    const { clock, loop, runs, times } = setUp();
    loop.wake();
    clock.runNext();
    if (isWoken) loop.wake();
    loop.stop();
    await runs[0]!.end(again);
    expect(clock.runNext()).toBe(false);
    expect(times()).toEqual([0]);
  });
});

test("work that throws is seen as an unhandled rejection, and the next wake runs it again", async () => {
  const others = process.listeners("unhandledRejection");
  const seen: unknown[] = [];
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", (error) => void seen.push(error));
  try {
    const { clock, loop, runs, times } = setUp();
    loop.wake();
    clock.runNext();
    await runs[0]!.fail();
    expect(seen).toEqual([new Error("the work failed")]);
    expect(clock.runNext()).toBe(false);
    loop.wake(7);
    clock.runNext();
    await runs[1]!.end(null);
    expect(times()).toEqual([0, 7]);
  } finally {
    process.removeAllListeners("unhandledRejection");
    for (const listener of others) process.on("unhandledRejection", listener);
  }
});
