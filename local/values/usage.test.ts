// Messages: get-convex/convex-backend, crates/database/src/{reads,writes}.rs, crates/model/src/scheduled_jobs/mod.rs,
// crates/isolate/src/termination.rs, crates/isolate/src/environment/udf/async_syscall.rs. Figures:
// docs.convex.dev/production/state/limits.
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
    message:
      /^Too many bytes read in a single function execution \(limit: 16777216 bytes\)\. Consider using smaller limits/,
  },
  bytesWritten: {
    use: (usage, bytes) => usage.write(bytes),
    most: 16 * MiB,
    step: MiB,
    message: /^Too many bytes written in a single function execution \(limit: 16777216 bytes\)$/,
  },
  databaseQueries: {
    use: (usage) => usage.indexRange(),
    most: 4_096,
    step: 1,
    message:
      /^Too many reads in a single function execution \(limit: 4096\)\. Consider using smaller limits in your queries, paginating your queries, or using indexed queries with a selective index range expressions\.$/,
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
    message: /^Too many writes in a single function execution \(limit: 16000\)$/,
  },
  functionsScheduled: {
    use: (usage) => usage.schedule(0),
    most: 1_000,
    step: 1,
    message: /^Too many functions scheduled by this mutation \(limit: 1000\)$/,
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
    // crates/database/src/transaction.rs, rollback_subtransaction: writes alone are given back
    if (!["bytesWritten", "documentsWritten"].includes(name)) expect(() => use(usage, 1)).toThrow(message);
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

describe("what is refused", () => {
  const caught = (refused: () => void) => expect(refused).toThrow();

  test("is counted if it is read or written: crates/database/src/{reads,writes}.rs", () => {
    const usage = new Usage({ limits: { documentsRead: 0, documentsWritten: 0 } });
    caught(() => usage.read(7));
    caught(() => usage.write(8));
    expect(usage.totals).toMatchObject({
      bytesRead: 7,
      documentsRead: 1,
      bytesWritten: 8,
      documentsWritten: 1,
    });
  });

  test("is not counted if it is scheduled, so that less may be: crates/model/src/scheduled_jobs/mod.rs", () => {
    const usage = new Usage({ limits: { scheduledFunctionArgsBytes: 10, functionsScheduled: 2 } });
    caught(() => usage.schedule(11));
    usage.schedule(10);
    caught(() => usage.schedule(0));
    expect(usage.totals).toMatchObject({ scheduledFunctionArgsBytes: 10, functionsScheduled: 2 });
  });

  test("is nothing where limits are not enforced, but for a call's own", () => {
    const usage = new Usage({ enforce: false, limits: { documentsRead: 1 } });
    for (let reads = 0; reads < 3; reads++) usage.read(1);
    expect(usage.metrics().documentsRead).toEqual({ used: 3, remaining: -2 });
    usage.begin();
    usage.write(17 * MiB);
    usage.commit();
    usage.begin({ documentsWritten: 1 });
    caught(() => usage.write(1));
  });

  test("does not change by a limit that is none", () => {
    const odd = { bytesRead: undefined, documentsRead: "many", unknown: 1, databaseQueries: NaN };
    const usage = new Usage({ limits: odd as never });
    usage.begin(odd as never);
    const { bytesRead, documentsRead, databaseQueries } = usage.metrics();
    expect([bytesRead, documentsRead, databaseQueries].map(({ remaining }) => remaining)).toEqual([
      16 * MiB,
      32_000,
      4_096,
    ]);
    caught(() => usage.read(16 * MiB + 1));
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
    expect(() => short.spend(0.1)).toThrow("Function execution timed out (maximum duration: 10ms)");
    expect(() => new Usage({ userTime: false }).spend(1e9)).not.toThrow();
  });
});
