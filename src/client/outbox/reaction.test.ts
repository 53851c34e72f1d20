import { describe, expect, test } from "vitest";
import { limits } from "../../shared/limits.js";
import type { CallFault } from "../base/errors.js";
import { policyOf, type RetryPolicy } from "../core/retry.js";
import type { AuthoredGroup, OutboxEntry, StoredAttempt } from "../ports/storage.js";
import { describeError, reactTo } from "./reaction.js";
import { scheduleOf } from "./schedule.js";

const group = (sequence: number, document = `d${sequence}`, bytes = 1): AuthoredGroup => ({
  sequence,
  transactions: [`t${sequence}`],
  updates: [
    {
      collection: "sites",
      document,
      schemaVersion: 1,
      bytes: new Uint8Array(bytes),
      author: 1,
      from: 0,
      to: 1,
      isCovered: false,
    },
  ],
  isAnswered: false,
});
const [one, two, three] = [group(1), group(2), group(3)] as const;
const unknown: CallFault = { type: "retry", cause: new Error("Server Error.") };
const refusal = { code: "too_large", message: "too large" } as const;
const refused = (transactions: string[] | null): CallFault => ({ type: "refused", refusal, transactions });
const rejecting = (...groups: AuthoredGroup[]) => ({ type: "reject", groups, failure: refusal });

describe("a push that failed as a whole", () => {
  type Case = [string, CallFault, AuthoredGroup[], boolean, number, RetryPolicy, object];
  test.each<Case>([
    ["refused, several, none named", refused(null), [one, two], true, 0, {}, { type: "halve" }],
    ["refused, several, one named", refused(["t2"]), [one, two], true, 0, {}, rejecting(two)],
    ["refused, several, a stranger named", refused(["x"]), [one, two], true, 0, {}, { type: "halve" }],
    ["refused, one", refused(null), [one], true, 0, {}, rejecting(one)],
    ["unknown, the server fails at all", unknown, [one], false, 4, {}, { type: "pause" }],
    ["unknown, several", unknown, [one, two, three], true, 0, {}, { type: "halve" }],
    ["unknown, one, first try", unknown, [one], true, 0, {}, { type: "again", delayMs: 500, faults: 1 }],
    ["unknown, one, fourth try", unknown, [one], true, 3, {}, { type: "again", delayMs: 4000, faults: 4 }],
    ["unknown, one, fifth try", unknown, [one], true, 4, {}, { type: "reject", groups: [one] }],
    [
      "its own delay",
      unknown,
      [one],
      true,
      1,
      { delay: (n) => n * 7 },
      { type: "again", delayMs: 14, faults: 2 },
    ],
    ["no delay that can be", unknown, [one], true, 0, { delay: () => NaN }, { type: "again", delayMs: 500 }],
    ["a negative delay", unknown, [one], true, 0, { delay: () => -5 }, { type: "again", delayMs: 0 }],
    ["its own number", unknown, [one], true, 4, { attempts: 9 }, { type: "again", faults: 5 }],
    ["it says fail", unknown, [one], true, 0, { classify: () => "fail" }, { type: "reject", groups: [one] }],
    ["it says retry", unknown, [one], true, 99, { classify: () => "retry" }, { type: "again", faults: 100 }],
  ])("%s", (_name, fault, batch, isServerWell, faults, policy, expected) => {
    const call = { fault, batch, isServerWell, faults, policy, fraction: 0.5 };
    expect(reactTo(call as Parameters<typeof reactTo>[0])).toMatchObject(expected);
  });

  test("the first collection that has a policy decides", () => {
    const policies = new Map([["b", { attempts: 2 }]]);
    expect([policyOf(policies, ["a", "b"]), policyOf(policies, ["a"])]).toEqual([{ attempts: 2 }, {}]);
  });

  test.each<[string, unknown, object]>([
    ["an error", new Error("no"), { message: "no" }],
    ["a coded one", Object.assign(new Error(), { data: refusal }), refusal],
    ["plain data", refusal, refusal],
    ["anything else", "no", { message: "no" }],
  ])("%s is kept in plain words", (_name, cause, expected) => {
    expect(describeError(cause)).toEqual(expected);
  });
});

describe("what is sent when", () => {
  const failed = (more: Partial<StoredAttempt>): StoredAttempt => ({
    startedAt: 0,
    endedAt: 10,
    error: { message: "no" },
    tries: 1,
    faults: 0,
    ...more,
  });
  const entry = (each: AuthoredGroup, attempts: StoredAttempt[] = []): OutboxEntry => ({
    sequence: each.sequence,
    transaction: {
      id: each.transactions[0]!,
      createdAt: 0,
      metadata: {},
      isGroup: true,
      changes: [],
      attempts,
    },
  });
  const schedule = (
    attempted: readonly (readonly [AuthoredGroup, StoredAttempt[]])[],
    { now = 100, reconnectedAt = -1, mostGroups = 100 } = {},
  ) =>
    scheduleOf(
      {
        groups: () => attempted.map(([each]) => each),
        outbox: () => attempted.map(([each, attempts]) => entry(each, attempts)),
        waiting: () => [],
      },
      { now, reconnectedAt, mostGroups },
    );
  const own = failed({ faults: 1, nextRetryAt: 200 });
  const ofServer = failed({ nextRetryAt: 200 });

  test("all of them, as many as may be, and within a push's bytes", () => {
    expect(
      schedule([
        [one, []],
        [two, []],
      ]).batch,
    ).toEqual([one, two]);
    expect(
      schedule(
        [
          [one, []],
          [two, []],
        ],
        { mostGroups: 1 },
      ).batch,
    ).toEqual([one]);
    const large = group(1, "x", limits.pushBytes);
    expect(
      schedule([
        [large, []],
        [two, []],
      ]).batch,
    ).toEqual([large]);
  });

  test("I-15: what has failed by its own fault waits by itself, and goes by itself", () => {
    expect(
      schedule([
        [one, [own]],
        [two, []],
      ]),
    ).toEqual({ pausedMs: 0, batch: [two], nextDueMs: 100 });
    expect(
      schedule(
        [
          [one, [own]],
          [two, []],
        ],
        { now: 200 },
      ).batch,
    ).toEqual([one]);
    expect(
      schedule(
        [
          [one, []],
          [two, [own]],
          [three, []],
        ],
        { now: 200 },
      ).batch,
    ).toEqual([one, three]);
    expect(schedule([[one, [own]]], { reconnectedAt: 50 }).batch).toEqual([]);
  });

  test("what waits for the server makes all wait, until a connection comes back", () => {
    expect(
      schedule([
        [one, [ofServer]],
        [two, []],
      ]),
    ).toMatchObject({ pausedMs: 100, nextDueMs: 100 });
    expect(schedule([[one, [ofServer]]], { reconnectedAt: 10 })).toEqual({
      pausedMs: 0,
      batch: [one],
      nextDueMs: null,
    });
    expect(schedule([[one, [ofServer]]], { reconnectedAt: 9 }).pausedMs).toBe(100);
  });

  test("I-19: a clock that was put back since the attempt makes nobody wait", () => {
    for (const attempt of [own, ofServer])
      expect(schedule([[one, [attempt]]], { now: attempt.endedAt - 1 })).toEqual({
        pausedMs: 0,
        batch: [one],
        nextDueMs: null,
      });
  });

  test("of two updates of one document the earlier goes first", () => {
    const beside = group(2, "d1");
    expect(
      schedule([
        [one, []],
        [beside, []],
        [three, []],
      ]).batch,
    ).toEqual([one, three]);
  });
});
