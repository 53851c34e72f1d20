import { expect, test } from "vitest";
import { limits } from "../../shared/limits.js";
import { ManualClock } from "../../testing/manualClock.js";
import { seededRandomness } from "../../testing/testReplica.js";
import { Session } from "./session.js";

const turn = () => new Promise((resolve) => setImmediate(resolve));

function setUp() {
  const clock = new ManualClock(0);
  const log: string[] = [];
  const errors: unknown[] = [];
  const world = { isConnected: true, cursors: [{ collection: "sites", scope: "DE", ts: 5n }], isGone: false };
  let failure: Error | null = null;
  const call = async <T>(entry: string, result: T): Promise<T> => {
    log.push(`${clock.now()} ${entry}`);
    const error = failure;
    failure = null;
    if (error !== null) throw error;
    return result;
  };
  const session = new Session({
    calls: {
      join: ({ client, cursors = [] }) =>
        call(`join ${client} ${cursors.map(({ ts }) => ts).join()}`, {
          session: "s",
          peer: "p",
          heartbeatMs: limits.heartbeatMs,
        }),
      heartbeat: ({ session: id, cursors = [] }) =>
        call(`beat ${id} ${cursors.map(({ ts }) => ts).join()}`, { type: world.isGone ? "gone" : "alive" }),
      leave: ({ session: id }) => call(`leave ${id}`, null),
    },
    clock,
    randomness: { ...seededRandomness(1), fraction: () => 0.5 },
    client: () => "c",
    cursors: () => world.cursors,
    isConnected: () => world.isConnected,
    onError: (error) => errors.push(error),
  });
  return {
    session,
    clock,
    log,
    errors,
    world,
    fail: () => void (failure = new Error("no such function")),
    async next() {
      const isRun = clock.runNext();
      await turn();
      return isRun;
    },
  };
}

test("joins once there is something to tell, beats with what is stored then, and leaves", async () => {
  const { session, log, world, next, clock } = setUp();
  session.wake();
  await next();
  world.cursors = [{ collection: "sites", scope: "DE", ts: 9n }];
  session.wake(); // it is told at the next beat: nothing is to be called at each page
  await next();
  session.stop();
  await turn();
  expect(log).toEqual(["0 join c 5", "20000 beat s 9", "20000 leave s"]);
  expect(clock.runNext()).toBe(false);
});

test("a session that has ended is joined again at once", async () => {
  const { session, log, world, next } = setUp();
  session.wake();
  await next();
  world.isGone = true;
  await next();
  await next();
  expect(log).toEqual(["0 join c 5", "20000 beat s 5", "20000 join c 5"]);
});

test("nothing is called while there is nothing to tell, or no way to tell it", async () => {
  const { session, log, world, next } = setUp();
  world.isConnected = false;
  session.wake();
  expect([await next(), await next(), log]).toEqual([true, false, []]);
  world.isConnected = true;
  world.cursors = [];
  session.onConnected();
  expect([await next(), await next(), log]).toEqual([true, false, []]);
});

test("what fails is told, and tried again after longer and longer; who wakes it changes nothing", async () => {
  const { session, log, errors, next, fail } = setUp();
  fail();
  session.wake();
  await next();
  session.wake();
  fail();
  await next();
  await next();
  expect([log, errors.length]).toEqual([["0 join c 5", "500 join c 5", "1500 join c 5"], 2]);
});

test("who is never let in gives up, and asks again once the connection is new; who was let in once goes on", async () => {
  const { session, log, next, fail } = setUp();
  session.wake();
  for (let n = 0; n < 9; n++) {
    fail();
    await next();
  }
  expect(log).toHaveLength(5);
  session.onConnected();
  await next(); // the failure that is left
  await next();
  expect(log).toHaveLength(7);
  for (let n = 0; n < 9; n++) {
    fail();
    await next();
  }
  expect(log).toHaveLength(16);
});

test("the cursors that moved last are told, as many as a session may tell", async () => {
  const { session, log, world, next } = setUp();
  world.cursors = Array.from({ length: 40 }, (_, n) => ({
    collection: "sites",
    scope: `${n}`,
    ts: BigInt(n),
  }));
  session.wake();
  await next();
  const told = log[0]!.split(" ").at(-1)!.split(",");
  expect([told.length, told[0], told.at(-1)]).toEqual([limits.sessionCursors, "39", "8"]);
});
