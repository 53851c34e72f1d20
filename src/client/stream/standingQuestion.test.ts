import { expect, test } from "vitest";
import { createDeferred } from "../base/deferred.js";
import { ManualClock } from "../../testing/manualClock.js";
import { seededRandomness } from "../../testing/testReplica.js";
import { StandingQuestion } from "./standingQuestion.js";

const turn = async () => {
  for (let n = 0; n < 8; n++) await Promise.resolve();
};

function setUp() {
  const clock = new ManualClock();
  const asked: { answer: (answer: string) => void; fail: (error: unknown) => void; isOpen: boolean }[] = [];
  const working: { answer: string; end: () => void; fail: (error: Error) => void }[] = [];
  const log: string[] = [];
  const question = new StandingQuestion<string>({
    clock,
    randomness: seededRandomness(1),
    ask: (answer, fail) => {
      const each = { answer, fail, isOpen: true };
      asked.push(each);
      return () => void (each.isOpen = false);
    },
    process: (answer) => {
      const work = createDeferred();
      working.push({ answer, end: work.resolve, fail: work.reject });
      return work.promise;
    },
    onIdle: () => log.push("idle"),
    onFailed: (error) => log.push(String(error)),
    begin: () => {
      log.push("begin");
      question.ask();
    },
  });
  question.ask();
  return { clock, asked, working, log, question };
}

test("of the answers that come while one is worked in the newest is next, and the others are passed over", async () => {
  const { asked, working, log } = setUp();
  for (const answer of ["1", "2", "3"]) asked[0]!.answer(answer);
  working[0]!.end();
  await turn();
  working[1]!.end();
  await turn();
  expect(working.map(({ answer }) => answer)).toEqual(["1", "3"]);
  expect(log).toEqual(["idle"]);
});

test("an answer to the question before is passed over, and that question let go of after the new one is asked", async () => {
  const { asked, working, question } = setUp();
  asked[0]!.answer("1");
  asked[0]!.answer("old");
  question.ask();
  asked[0]!.answer("older");
  expect(asked.map(({ isOpen }) => isOpen)).toEqual([false, true]);
  working[0]!.end();
  await turn();
  expect(working).toHaveLength(1);
});

test("I-19: a question that fails, and whose answer fails too, is begun again once", async () => {
  const { clock, asked, working, log } = setUp();
  asked[0]!.answer("1");
  asked[0]!.fail("no network");
  working[0]!.fail(new Error("no disk"));
  await turn();
  expect([clock.runNext(), clock.runNext()]).toEqual([true, false]);
  expect(log).toEqual(["no network", "Error: no disk", "idle", "begin"]);
  expect(asked.filter(({ isOpen }) => isOpen)).toHaveLength(1);
});

test("what is stopped is neither asked again nor worked in, also if it is stopped because it failed", async () => {
  const { clock, asked, working, log, question } = setUp();
  asked[0]!.answer("1");
  asked[0]!.fail("no network");
  question.stop();
  working[0]!.end();
  await turn();
  question.ask();
  expect(clock.runNext()).toBe(false);
  expect(log).toEqual(["no network"]);
  expect(asked).toHaveLength(1);
});
