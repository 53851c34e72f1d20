import { expect, test } from "vitest";
import type { PullPartArgs, PullPartResult } from "../../shared/wire.js";
import { ManualClock } from "../../testing/manualClock.js";
import { seededRandomness } from "../../testing/testReplica.js";
import { PartReader, type PartNews } from "./partReader.js";

interface Asked extends PullPartArgs {
  isOpen: boolean;
  answer(result: PullPartResult): Promise<void>;
  fail(): void;
}

const place = { collection: "sites", id: "x", part: "log" };
const turn = async () => {
  for (let n = 0; n < 8; n++) await Promise.resolve();
};
const page = (cursor: bigint, values: number[], done = true, epoch = "0"): PullPartResult => ({
  type: "page",
  epoch,
  entries: values.map((value) => ({ ts: cursor, type: "update", bytes: new Uint8Array([value]).buffer })),
  cursor,
  done,
});

/** A reader, its questions, and what it has stored: `isWhole cursor@epoch: blobs`. */
function setUp(stored?: { cursor: bigint; epoch: string }, store = async (_news: PartNews) => {}) {
  const clock = new ManualClock();
  const asked: Asked[] = [];
  const log: string[] = [];
  const reader = new PartReader({
    place,
    watchPart: (args, onResult, onError) => {
      const question: Asked = {
        ...args,
        isOpen: true,
        answer: async (result) => {
          onResult(result);
          await turn();
        },
        fail: () => onError(new Error("failed")),
      };
      asked.push(question);
      return () => void (question.isOpen = false);
    },
    clock,
    randomness: seededRandomness(1),
    stored: stored && { ...place, ...stored, bytes: 1 },
    store: async (news) => {
      await store(news);
      log.push(`${news.isWhole ? "whole" : "more"} ${news.cursor}@${news.epoch}: ${news.blobs.join(" ")}`);
    },
    onEnd: (reason) => log.push(reason),
    onChange: () => {},
    onError: () => log.push("error"),
  });
  reader.start();
  const open = () => {
    const questions = asked.filter(({ isOpen }) => isOpen);
    expect(questions).toHaveLength(1);
    return questions[0]!;
  };
  return { reader, clock, asked, log, open };
}

test("pages are stored as one, with the position behind them, and what comes then is more", async () => {
  const { reader, log, open } = setUp();
  expect(open()).toMatchObject({ document: "x", part: "log", cursor: 0n });
  await open().answer(page(2n, [1, 2], false));
  expect([open().cursor, reader.state, log]).toEqual([2n, "reading", []]);
  await open().answer(page(3n, [3]));
  expect([open().cursor, reader.state]).toEqual([3n, "live"]);
  await open().answer(page(3n, []));
  await open().answer(page(4n, [4]));
  expect(log).toEqual(["whole 3@0: 1 2 3", "more 4@0: 4"]);
});

test("an empty part is stored as that, once", async () => {
  const { log, open } = setUp();
  await open().answer(page(0n, []));
  await open().answer(page(0n, []));
  expect(log).toEqual(["whole 0@0: "]);
});

test("what is stored is gone on from, and an empty answer stores nothing", async () => {
  const { log, open, reader } = setUp({ cursor: 7n, epoch: "0" });
  expect(open()).toMatchObject({ cursor: 7n, epoch: "0" });
  await open().answer(page(7n, []));
  expect([log, reader.state]).toEqual([[], "live"]);
});

test("I-18: what is read after a reset is the whole", async () => {
  const { log, open } = setUp({ cursor: 7n, epoch: "0" });
  await open().answer({ type: "reset", epoch: "1" });
  expect(open()).toMatchObject({ cursor: 0n, epoch: "1" });
  await open().answer(page(9n, [1], true, "1"));
  expect(log).toEqual(["whole 9@1: 1"]);
});

test("I-2: after a question that failed it is asked from what is stored, and nothing is missing", async () => {
  const { log, open, asked, clock, reader } = setUp();
  await open().answer(page(2n, [1], false));
  open().fail();
  expect([reader.state, log, asked.filter(({ isOpen }) => isOpen)]).toEqual(["error", ["error"], []]);
  clock.runNext();
  expect(open().cursor).toBe(0n);
  await open().answer(page(3n, [1, 2]));
  open().fail();
  clock.runNext();
  expect(open().cursor).toBe(3n);
  expect(log).toEqual(["error", "whole 3@0: 1 2", "error"]);
});

test("I-2: after a reset of which half was read it is asked under the epoch that is stored, and reset again", async () => {
  const { log, open, clock } = setUp({ cursor: 7n, epoch: "0" });
  await open().answer({ type: "reset", epoch: "1" });
  await open().answer(page(2n, [1], false, "1"));
  open().fail();
  clock.runNext();
  expect(open()).toMatchObject({ cursor: 7n, epoch: "0" });
  await open().answer({ type: "reset", epoch: "1" });
  await open().answer(page(3n, [1, 2], true, "1"));
  expect(log).toEqual(["error", "whole 3@1: 1 2"]);
});

test("what could not be stored is asked for again", async () => {
  let isFull = true;
  const { log, open, clock } = setUp(undefined, () =>
    isFull ? Promise.reject(new Error("full")) : Promise.resolve(),
  );
  await open().answer(page(3n, [1]));
  isFull = false;
  clock.runNext();
  expect(open().cursor).toBe(0n);
  await open().answer(page(3n, [1]));
  expect(log).toEqual(["error", "whole 3@0: 1"]);
});

test.each(["denied", "gone"] as const)(
  "it says that a part is %s, and reads it should it be there again",
  async (type) => {
    const { log, open, reader } = setUp();
    await open().answer({ type });
    expect([reader.state, log]).toEqual(["ended", [type]]);
    await open().answer(page(3n, [1]));
    expect([reader.state, log]).toEqual(["live", [type, "whole 3@0: 1"]]);
  },
);

test("a reader that is stopped asks and stores no more", async () => {
  const { log, open, asked, reader } = setUp();
  const question = open();
  reader.stop();
  await question.answer(page(3n, [1]));
  reader.start();
  expect([log, asked.length, question.isOpen]).toEqual([[], 1, false]);
});
