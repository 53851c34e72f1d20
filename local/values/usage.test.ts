import { describe, expect, test } from "vitest";
import { convexLimits, Usage, type Amounts } from "./usage.js";

const MiB = 1024 * 1024;

/** What uses one limit alone, up to it in `count` steps of `amount`. */
const limits: Record<
  keyof Amounts,
  { use: (usage: Usage, amount: number) => void; most: number; step: number; message: RegExp }
> = {
  bytesRead: {
    use: (usage, bytes) => usage.read(bytes),
    most: 16 * MiB,
    step: MiB,
    message: /^Too many bytes read in a single function execution \(limit: 16777216 bytes\)\./,
  },
  bytesWritten: {
    use: (usage, bytes) => usage.write(bytes),
    most: 16 * MiB,
    step: MiB,
    message: /^Too many bytes written in a single function execution \(limit: 16777216 bytes\)\./,
  },
  databaseQueries: {
    use: (usage) => usage.indexRange(),
    most: 4_096,
    step: 1,
    message: /^Too many reads in a single function execution \(limit: 4096\)/,
  },
  documentsRead: {
    use: (usage) => usage.read(0),
    most: 32_000,
    step: 1,
    message: /^Too many documents read in a single function execution \(limit: 32000\)\./,
  },
  documentsWritten: {
    use: (usage) => usage.write(0),
    most: 16_000,
    step: 1,
    message: /^Too many writes in a single function execution \(limit: 16000\)\./,
  },
  functionsScheduled: {
    use: (usage) => usage.schedule(0),
    most: 1_000,
    step: 1,
    message: /^Too many functions scheduled by this mutation \(limit: 1000\)\./,
  },
  scheduledFunctionArgsBytes: {
    use: (usage, bytes) => usage.schedule(bytes),
    most: 16 * MiB,
    step: MiB,
    message:
      /^Too large total size of the arguments of scheduled functions from this mutation \(limit: 16777216/,
  },
};
const names = Object.keys(limits) as (keyof Amounts)[];

describe.each(names)("%s", (name) => {
  const { use, most, step, message } = limits[name];
  const fill = (usage: Usage, amount: number) => {
    for (let used = 0; used < amount; used += step) use(usage, step);
  };
  const usedOf = (usage: Usage) => usage.metrics()[name];

  test("is used up to the limit, not beyond, and then no more", () => {
    const usage = new Usage();
    fill(usage, most);
    expect(usedOf(usage)).toEqual({ used: most, remaining: 0 });
    for (let tries = 0; tries < 2; tries++) expect(() => use(usage, 1)).toThrow(message);
    expect(convexLimits[name]).toBe(most);
  });

  test("counts in calls within, and is what is left there", () => {
    const usage = new Usage();
    fill(usage, most - step);
    usage.begin();
    fill(usage, step);
    expect(() => use(usage, 1)).toThrow(message);
    usage.rollback();
    usage.begin();
    const isRead = ["bytesRead", "databaseQueries", "documentsRead"].includes(name);
    if (isRead) expect(() => use(usage, 1)).toThrow(message);
    else expect(() => fill(usage, step)).not.toThrow();
    usage.commit();
    expect(() => use(usage, 1)).toThrow(message);
  });

  test("may be less for a call within, never more than is left", () => {
    const usage = new Usage();
    fill(usage, 2 * step);
    usage.begin({ [name]: 3 * step });
    fill(usage, 2 * step);
    usage.begin({ [name]: most });
    fill(usage, step);
    expect(usedOf(usage).remaining).toBe(0);
    expect(() => use(usage, 1)).toThrow(new RegExp(`\\(limit: ${5 * step}\\b`));
    usage.rollback();
    usage.commit();
    usage.begin({ [name]: 0 });
    expect(() => use(usage, 1)).toThrow();
    usage.rollback();
    expect(() => fill(usage, step)).not.toThrow();
  });

  test("can be set", () => {
    const usage = new Usage({ limits: { [name]: 2 * step } });
    fill(usage, 2 * step);
    expect(() => use(usage, 1)).toThrow(new RegExp(`\\(limit: ${2 * step}\\b`));
  });
});

test("calls nest eight deep", () => {
  const usage = new Usage();
  for (let level = 0; level < 8; level++) usage.begin();
  expect(() => usage.begin()).toThrow(/^Cross component call depth limit exceeded/);
  usage.commit();
  expect(() => usage.begin()).not.toThrow();
});

test("a call that was not begun does not end", () => {
  expect(() => new Usage().commit()).toThrow(/No call/);
});

describe("a function's own time", () => {
  const told = "Function execution timed out (maximum duration: 1s)";

  test("adds up over all calls within, and a rollback does not give it back", () => {
    const usage = new Usage();
    usage.spend(1_000);
    usage.begin();
    usage.spend(1_000);
    usage.rollback();
    expect(() => usage.spend(1)).toThrow(told);
    expect(() => usage.spend(0)).toThrow(told);
  });

  test("is what it is set to, or without end", () => {
    const short = new Usage({ userTime: { limitMs: 10, toleranceMs: 5 } });
    short.spend(15);
    expect(() => short.spend(0.1)).toThrow("maximum duration: 0.01s");
    expect(() => new Usage({ userTime: false }).spend(1e9)).not.toThrow();
  });
});
