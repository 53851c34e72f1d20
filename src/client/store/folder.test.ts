import { expect, test } from "vitest";
import { ManualClock } from "../../testing/manualClock.js";
import { Folder } from "./folder.js";
import { storeLimits } from "./storeLimits.js";

const { foldIdleMs, foldLatestMs } = storeLimits;

function setUp(answers: (boolean | Error)[] = []) {
  const clock = new ManualClock(0);
  const folded: number[] = [];
  const errors: unknown[] = [];
  const folder = new Folder({
    clock,
    fold: async () => {
      folded.push(clock.now());
      const answer = answers.shift() ?? false;
      if (answer instanceof Error) throw answer;
      return answer;
    },
    onError: (error) => errors.push(error),
  });
  /** Time passes, up to `time`. */
  const advance = async (time: number) => {
    let isEarly = true;
    const stop = clock.setTimer(() => void (isEarly = false), time - clock.now());
    while (isEarly && clock.runNext()) await new Promise((resolve) => setImmediate(resolve));
    stop();
  };
  return { clock, folder, folded, errors, advance };
}

test("folds once after the last of several writes, as soon as nothing was written for a while", async () => {
  const { folder, folded, advance } = setUp();
  for (const time of [0, 500, 1500]) {
    await advance(time);
    folder.note();
  }
  await advance(100_000);
  expect(folded).toEqual([1500 + foldIdleMs]);
});

test("goes on step by step while there is more to do, and begins anew with the next write", async () => {
  const { folder, folded, advance } = setUp([true, true, false]);
  folder.note();
  await advance(50_000);
  expect(folded).toEqual([foldIdleMs, foldIdleMs, foldIdleMs]);
  folder.note();
  await advance(100_000);
  expect(folded.slice(3)).toEqual([50_000 + foldIdleMs]);
});

test("is put off by constant writing, but not for ever", async () => {
  const { folder, folded, advance } = setUp();
  for (let time = 0; time < foldLatestMs + 10_000; time += 1000) {
    await advance(time);
    folder.note();
  }
  expect(folded).toEqual([foldLatestMs]);
});

test("a fault is told, and the next write tries again; after stop nothing is done", async () => {
  const { folder, folded, errors, advance } = setUp([new Error("full")]);
  folder.note();
  await advance(10_000);
  expect(errors).toEqual([new Error("full")]);
  folder.note();
  await advance(20_000);
  expect(folded).toHaveLength(2);
  folder.note();
  folder.stop();
  await advance(30_000);
  expect(folded).toHaveLength(2);
});
