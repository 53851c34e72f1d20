import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { compactionNeed, compactionTime } from "../shared/compaction.js";
import { limits } from "../shared/limits.js";
import { readMain } from "../shared/mainDocument.js";
import { startCursor } from "../shared/wire.js";
import { sites } from "../testing/fieldApp.js";
import { PushDevice } from "../testing/pushDevice.js";
import { createServerApp, type ServerApp } from "../testing/serverApp.js";
import { overdueOf } from "./states.js";

let app: ServerApp;
let device: PushDevice;
beforeEach(() => {
  vi.useFakeTimers();
  app = createServerApp();
  device = new PushDevice(app, 11);
});
afterEach(() => vi.useRealTimers());

async function edit(times: number, document = "x") {
  for (let n = 0; n < times; n++)
    await device.send(device.change(document, [{ type: "increment", field: "visits", by: 1 }]));
}
const counts = async () => {
  const { deltas, snapshots } = await app.tables();
  return { deltas: deltas!.length, snapshots: snapshots!.length };
};
const runScheduled = () => app.t.finishAllScheduledFunctions(vi.runAllTimers);

const withFollowers = () => {
  app = createServerApp(undefined, { hasFollowers: true });
  device = new PushDevice(app, 11);
};

test("the 32nd delta of a document makes the follower ask for its compaction, which the workpool does", async () => {
  withFollowers();
  await device.send(device.insert("x"));
  await edit(30);
  await runScheduled();
  expect(await counts()).toEqual({ deltas: 31, snapshots: 0 });
  await edit(1);
  expect(await counts()).toEqual({ deltas: 32, snapshots: 0 });
  await runScheduled();
  expect(await counts()).toEqual({ deltas: 0, snapshots: 1 });
  await edit(1);
  expect(await app.rows()).toMatchObject([{ visits: 32 }]);
});

test("a document that was compacted meanwhile is left as it is by the job that finds it done", async () => {
  withFollowers();
  await device.send(device.insert("x"));
  await edit(34);
  await app.t.mutation((ctx) =>
    ctx.runMutation(app.component.compact.compact, { collection: "sites", document: "x" }),
  );
  await edit(3);
  const { snapshots } = await app.tables();
  await runScheduled();
  expect(await counts()).toEqual({ deltas: 3, snapshots: 1 });
  expect((await app.tables())["snapshots"]).toEqual(snapshots);
});

test("I-10: with no background work at all, a document is compacted in place beyond 128 deltas, and nothing is lost", async () => {
  const observer = new PushDevice(app, 22);
  await device.send(device.insert("x"));
  await edit(128);
  await observer.pull();
  expect(await counts()).toEqual({ deltas: 129, snapshots: 0 });
  await edit(1);
  expect(await counts()).toEqual({ deltas: 1, snapshots: 1 });
  await edit(20);
  const late = new PushDevice(app, 33);
  for (const each of [observer, late]) {
    await each.pull();
    expect(readMain(each.doc("x"))).toEqual(readMain(device.doc("x")));
  }
  expect(await app.rows()).toMatchObject([{ visits: 149 }]);
});

/** Appends increments by the component's own function, which is quicker than pushing them one by one. */
async function fill(document: string, times: number) {
  const deltas = Array.from({ length: times }, () => ({
    ...device.change(document, [{ type: "increment", field: "visits", by: 1 }]),
    scope: "DE",
    client: device.client,
    transactions: [],
  }));
  for (const delta of deltas)
    await app.t.mutation((ctx) => ctx.runMutation(app.component.append.append, { deltas: [delta] }));
}

test("one push compacts eight documents in place, and leaves the others to the background and to later pushes", async () => {
  const ids = Array.from({ length: 10 }, (_, n) => `d${n}`);
  await device.push([device.transaction(ids.map((id) => device.insert(id)))]);
  for (const id of ids) await fill(id, 128);
  const all = () => ids.map((id) => device.change(id, [{ type: "increment", field: "visits", by: 1 }]));
  await device.push([device.transaction(all())]);
  expect(await counts()).toEqual({ deltas: 8 + 2 * 130, snapshots: limits.compactionsInPlace });
  await device.push([device.transaction(all())]);
  expect(await counts()).toEqual({ deltas: 8 * 2 + 2, snapshots: 10 });
  for (const row of await app.rows()) expect(row.visits).toBe(130);
});

test("the documents with most deltas are compacted in place first", () => {
  const appended = [130, 500, 40, 200, 3].map((deltaCount) => ({
    key: { collection: "sites", document: String(deltaCount) },
    state: { deltaCount, deltaBytes: deltaCount * 50, snapshotBytes: 0 },
  }));
  const overdue = overdueOf(appended);
  expect(overdue.map(({ document }) => document)).toEqual(["500", "200", "130"]);
});

test("a document with more deltas than are read is a gap until it is compacted, in place and in steps, and loses nothing", async () => {
  await device.send(device.insert("x"));
  await fill("x", limits.stateDeltas + 300);
  // By another author: its clocks would fit a state that lacks the newest deltas, and the row would be wrong.
  const other = new PushDevice(app, 22);
  const note = other.transaction([other.set("x", "note", "B")]);
  expect(await other.push([note])).toMatchObject([{ status: "gap" }]);
  expect(await counts()).toEqual({ deltas: 301, snapshots: 1 });
  expect(await other.push([note])).toMatchObject([{ status: "applied" }]);
  expect(await counts()).toEqual({ deltas: 1, snapshots: 1 });
  expect(await app.rows()).toMatchObject([{ visits: limits.stateDeltas + 300, note: "B" }]);
});

test("the server's writer does not write such a document either: it would use a clock twice", async () => {
  await device.send(device.insert("x"));
  await fill("x", limits.stateDeltas);
  const write = app.writer((writer) => writer.update("x", (draft) => draft.visits.increment()));
  await expect(write).rejects.toMatchObject({ data: { code: "too_large" } });
});

test("the server's own writes are compacted in place too", async () => {
  await app.writer((writer) => writer.insert({ id: "x", name: "n", country: "DE" }));
  for (let n = 0; n < 130; n++)
    await app.writer((writer) => writer.update("x", (draft) => draft.visits.increment()));
  expect(await counts()).toEqual({ deltas: 2, snapshots: 1 });
  expect(await app.rows()).toMatchObject([{ visits: 130 }]);
});

const needs: [number, number, number, ReturnType<typeof compactionNeed>][] = [
  [0, 0, 0, "none"],
  [31, 3000, 0, "none"],
  [32, 3000, 0, "due"],
  [32, 3000, 200_000, "due"],
  [1, 200_000, 0, "none"],
  [2, 20_000, 0, "due"],
  [2, 20_000, 100_000, "none"],
  [2, 60_000, 100_000, "due"],
  [128, 12_000, 0, "due"],
  [129, 12_000, 0, "overdue"],
  [6, 1_100_000, 200_000, "overdue"],
];
test.each(needs)(
  "%i deltas of %i bytes on a snapshot of %i: compaction is %s",
  (deltaCount, deltaBytes, snapshotBytes, need) => {
    expect(compactionNeed({ deltaCount, deltaBytes, snapshotBytes })).toBe(need);
  },
);

const [now, minuteMs] = [1_000_000_000, 60_000];
const small = { deltaCount: 5, deltaBytes: 500, snapshotBytes: 0 };
const due = { ...small, deltaCount: 40 };
const overdue = { ...small, deltaCount: 129 };
const ago = (minutes: number) => now - minutes * minuteMs;
const times: [
  string,
  Parameters<typeof compactionTime>[0],
  Parameters<typeof compactionTime>[1],
  object | null,
][] = [
  ["nothing is due", small, { now, changedAt: now }, null],
  ["first due: a minute after the change", due, { now, changedAt: ago(0.5) }, { since: now, at: ago(-0.5) }],
  ["quiet for a minute: now", due, { now, changedAt: ago(1), dueSince: ago(2) }, { since: ago(2), at: now }],
  ["worked on again: later", due, { now, changedAt: now, dueSince: ago(5) }, { since: ago(5), at: ago(-1) }],
  [
    "worked on for ten minutes: now",
    due,
    { now, changedAt: now, dueSince: ago(10) },
    { since: ago(10), at: now },
  ],
  [
    "somebody has not passed it: looked at again in a while",
    due,
    { now, changedAt: ago(1), dueSince: ago(2), isPassed: false },
    { since: ago(2), at: now + 20_000 },
  ],
  [
    "somebody has not passed it, and it is not quiet: when it is",
    due,
    { now, changedAt: ago(0.5), dueSince: ago(2), isPassed: false },
    { since: ago(2), at: ago(-0.5) },
  ],
  [
    "somebody has not passed it for ten minutes: now",
    due,
    { now, changedAt: ago(9), dueSince: ago(10), isPassed: false },
    { since: ago(10), at: now },
  ],
  [
    "somebody has not passed it, beyond 128 deltas: at once",
    overdue,
    { now, changedAt: now, isPassed: false },
    { since: now, at: now },
  ],
  ["a quiet time of its own", due, { now, changedAt: ago(1), quietMs: 0 }, { since: now, at: ago(1) }],
  ["beyond 128 deltas: at once", overdue, { now, changedAt: now }, { since: now, at: now }],
  [
    "failed: an hour later",
    overdue,
    { now, changedAt: ago(5), failure: { at: now, attempts: 1 } },
    { since: now, at: ago(-60) },
  ],
  [
    "failed three times: after four hours",
    due,
    { now, changedAt: ago(5), failure: { at: now, attempts: 3 } },
    { since: now, at: ago(-240) },
  ],
  [
    "failed very often: once a day",
    due,
    { now, changedAt: ago(5), failure: { at: now, attempts: 50 } },
    { since: now, at: ago(-24 * 60) },
  ],
  [
    "could not be read, and was never tried: as if nothing were wrong",
    due,
    { now, changedAt: ago(5), failure: { at: now, attempts: 0 } },
    { since: now, at: ago(4) },
  ],
];
test.each(times)("when a document is compacted: %s", (_, size, at, expected) => {
  expect(compactionTime(size, at)).toEqual(expected);
});

/** What a call reads and writes, as Convex counts it. */
async function measure(
  run: (ctx: { runMutation: (reference: never, args: never) => Promise<unknown> }) => Promise<unknown>,
) {
  return await app.t.mutation(async (ctx) => {
    await run(ctx as never);
    const { documentsRead, databaseQueries, documentsWritten } = await ctx.meta.getTransactionMetrics();
    return { reads: documentsRead.used, queries: databaseQueries.used, writes: documentsWritten.used };
  });
}

test("I-14: what a push reads and writes depends on the push, not on how many documents and receipts there are", async () => {
  await device.push([device.transaction([device.insert("x")])]);
  const push = async () => {
    const operation = device.change("x", [{ type: "increment", field: "visits", by: 1 }]);
    return measure((ctx) =>
      ctx.runMutation(app.api.push as never, device.toArgs([device.transaction([operation])]) as never),
    );
  };
  const few = await push();
  const rows = Array.from({ length: 300 }, (_, n) => ({ id: `s${n}`, name: "n", country: "DE" }));
  await app.writer((writer) => writer.insertMany(rows));
  const many = await push();
  expect(many.reads).toBeLessThanOrEqual(few.reads + 1); // one more delta of "x"
  expect(many.queries).toBe(few.queries);
  expect(many).toMatchObject({ writes: few.writes });
  expect(few.queries).toBeLessThan(12);
  expect(few.reads).toBeLessThan(10);
  expect(few.writes).toBeLessThan(6);
});

test("I-14: the largest push that is allowed stays within Convex's limits", async () => {
  const operations = Array.from({ length: limits.pushOperations }, (_, n) => device.insert(`d${n}`));
  const transactions = Array.from({ length: limits.pushTransactions }, (_, n) =>
    device.transaction(
      operations.slice(n * 5, n * 5 + 5),
      Array.from({ length: 10 }, (_, index) => `t${n}-${index}`),
    ),
  );
  const results = await device.push(transactions);
  expect(results.every(({ status }) => status === "applied")).toBe(true);
  expect(await device.push(transactions)).toHaveLength(100);
  const edits = operations.map(({ document }) => device.set(document, "name", "B"));
  const metrics = await measure((ctx) =>
    ctx.runMutation(
      app.api.push as never,
      device.toArgs(transactions.map((_, n) => device.transaction(edits.slice(n * 5, n * 5 + 5)))) as never,
    ),
  );
  expect(metrics.queries).toBeLessThan(3000);
});

test("documents too large to be read together are refused as a push, and pass one by one", async () => {
  const big = Array.from({ length: 50 }, (_, n) => ({
    id: `b${n}`,
    name: "n".repeat(200_000),
    country: "DE",
  }));
  for (let n = 0; n < 50; n += 10) await app.writer((writer) => writer.insertMany(big.slice(n, n + 10)));
  const makeAll = () =>
    big.map(({ id }) =>
      device.transaction([device.change(id, [{ type: "increment", field: "visits", by: 1 }])]),
    );
  await device.pull();
  const transactions = makeAll();
  await expect(device.push(transactions)).rejects.toMatchObject({ data: { code: "too_large" } });
  expect(await device.push(transactions.slice(0, 25))).toHaveLength(25);
  const together = transactions.slice(25).flatMap(({ operations }) => operations);
  const all = [
    ...together,
    ...makeAll()
      .slice(0, 25)
      .flatMap(({ operations }) => operations),
  ];
  expect(await device.push([device.transaction(all)])).toMatchObject([
    { status: "rejected", code: "too_large", message: expect.stringContaining("8388608") },
  ]);
}, 30_000);

test("I-11: ids that UTF-8 and UTF-16 order differently are delivered once each, pages and compaction regardless", async () => {
  // In UTF-16 the emoji comes before U+FFFD; the sixth entry is the last of a page.
  const ids = ["a", "b", "c", "d", "\uff21", "\u{1f600}", "\ufffd", "\u{10000}"];
  const rows = ids.map((id) => ({ id, name: "n".repeat(200_000), country: "DE" }));
  await app.t.mutation((ctx) => app.replicate.writer(ctx, sites).insertMany(rows));
  for (const document of ["\uff21", "\u{1f600}"])
    await app.t.mutation((ctx) =>
      ctx.runMutation(app.component.compact.compact, { collection: "sites", document }),
    );
  const seen: string[] = [];
  let cursor = startCursor;
  for (let done = false; !done;) {
    const page = await app.pull({ collection: "sites", scope: "DE", cursor });
    if (page.type !== "page") throw new Error(page.type);
    seen.push(...page.entries.map(({ document }) => document));
    ({ cursor, done } = page);
  }
  expect(seen.sort()).toEqual([...ids].sort());
});
