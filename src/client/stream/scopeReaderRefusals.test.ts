// What a reader does when it is refused: errors, resets and denials.
import { describe, expect, test } from "vitest";
import { startCursor } from "../../shared/wire.js";
import {
  turn,
  stored,
  page,
  openScopeReader,
  arrivals,
  events,
} from "../../testing/setUp/openScopeReader.js";

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
    const { reader, clock, last, answer } = openScopeReader();
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
    const { reader, answer, last, clock, open } = openScopeReader();
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
    const { reader, answer, pages } = openScopeReader({ ...stored(0, true), unmet: ["x"] });
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

describe("after a denial", () => {
  test("everything is asked for from the start: what was forgotten comes back whole", async () => {
    const { reader, answer, last, open, calls, pages } = openScopeReader(stored(5, true));
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
    const { reader, answer, transport } = openScopeReader();
    reader.start();
    await answer({ type: "denied" });
    await answer({ type: "denied" });
    expect(transport.log).toEqual(["open 0"]);
  });
});

test("a question and a storage that fail together are tried again once, and not after stop", async () => {
  const { reader, answer, hold, last, storage, open, clock } = openScopeReader(stored(5, true));
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
