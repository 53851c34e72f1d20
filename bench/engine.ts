// Whether the local backend's engine stays as fast when a table grows, and who conflicts with whom on it. The floor of
// a query is what it returns, looked up in a Map and encoded and decoded as its result is.
import {
  defineSchema,
  defineTable,
  mutationGeneric,
  queryGeneric,
  type GenericDataModel,
  type GenericMutationCtx,
  type GenericQueryCtx,
} from "convex/server";
import { convexToJson, jsonToConvex, v, type JSONValue, type Value } from "convex/values";
import type { CallResult, Document, FunctionKind } from "../local/engine/engine.js";
import { LocalEngine } from "../local/engine/localEngine.js";
import { defineIndex, keyOf, type Interval } from "../local/mvcc/indexKey.js";
import { Transaction } from "../local/mvcc/transaction.js";
import { VersionedStore } from "../local/mvcc/versionedStore.js";
import { median, timed, type Row } from "./row.js";

const sizes = [1_000, 10_000, 100_000];
const taken = 10;
const warmUps = 300;
const runs = 2_000;
const callers = [1, 10, 50];
const calls = 1_000;

type QueryCtx = GenericQueryCtx<GenericDataModel>;
type MutationCtx = GenericMutationCtx<GenericDataModel>;

const schema = defineSchema({
  sites: defineTable({ rank: v.number(), name: v.string(), country: v.string() }).index("by_rank", ["rank"]),
  numbers: defineTable({ n: v.number() }).index("by_n", ["n"]),
});

const functions = {
  middle: queryGeneric({
    args: { from: v.number() },
    handler: (ctx: QueryCtx, { from }: { from: number }) =>
      ctx.db
        .query("sites")
        .withIndex("by_rank", (q) => q.gte("rank" as never, from as never))
        .take(taken),
  }),
  newest: queryGeneric({
    args: {},
    handler: (ctx: QueryCtx) => ctx.db.query("sites").order("desc").take(taken),
  }),
  /** One more than the largest: it reads what every other call writes. */
  next: mutationGeneric({
    args: {},
    handler: async (ctx: MutationCtx) => {
      const largest = await ctx.db.query("numbers").withIndex("by_n").order("desc").first();
      await ctx.db.insert("numbers", { n: ((largest?.["n"] as number | undefined) ?? 0) + 1 });
    },
  }),
  blind: mutationGeneric({
    args: {},
    handler: async (ctx: MutationCtx) => void (await ctx.db.insert("numbers", { n: 0 })),
  }),
};

export async function engine(): Promise<Row[]> {
  const alive = setInterval(() => {}, 1_000); // an engine that waits to try again keeps no process alive
  const rows = [...(await measureReads()), ...(await measureConflicts())];
  clearInterval(alive);
  return rows;
}

async function startEngine(): Promise<LocalEngine> {
  const started = new LocalEngine();
  await started.activate({ root: { schema, modules: { bench: functions } }, components: [] });
  return started;
}

function site(rank: number) {
  return { rank, name: `Site ${rank}`, country: "DE" };
}

/** The sizes take turns, so that what else the machine does falls on all of them alike. */
async function measureReads(): Promise<Row[]> {
  const filled = await Promise.all(sizes.map(fill));
  const queries = [
    { name: "take(10) from the middle of an index", path: "bench:middle" },
    { name: "take(10), newest first", path: "bench:newest" },
  ];
  const floors: number[] = [];
  const queryTimes = queries.map(() => sizes.map((): number[] => []));
  const scanTimes = sizes.map((): number[] => []);
  for (let n = -warmUps; n < runs; n++)
    for (const [at, { started, scan, floor, size }] of filled.entries()) {
      const note = (times: number[], ms: number) => n >= 0 && times.push(ms * 1000);
      for (const [which, { path }] of queries.entries()) {
        const args = path === "bench:middle" ? { from: size / 2 } : {};
        const start = performance.now();
        const result = await run(started, "query", path, args);
        note(queryTimes[which]![at]!, performance.now() - start);
        if (!result.ok || result.read.rows !== taken)
          throw new Error(`${path} read ${result.read.rows} rows of ${size}, not ${taken}.`);
      }
      for (const [times, work] of [
        [scanTimes[at]!, scan],
        [floors, floor],
      ] as const) {
        const start = performance.now();
        work();
        note(times, performance.now() - start);
      }
    }
  const floor = median(floors);
  const measured = [
    ...queries.map(({ name }, which) => ({ name, times: queryTimes[which]! })),
    { name: "the store alone: 10 from the middle of an index", times: scanTimes },
  ];
  return measured.flatMap(({ name, times }) => {
    const medians = times.map(median);
    return [
      ...sizes.map((size, at) => timed(name, `${size} documents`, medians[at]!, "µs", floor)),
      { case: name, metric: "rows read at each size", value: taken, unit: "" },
      {
        case: name,
        metric: `${sizes.at(-1)} / ${sizes[0]} documents`,
        value: medians.at(-1)! / medians[0]!,
        unit: "×",
      },
    ];
  });
}

async function fill(size: number) {
  const started = await startEngine();
  const chunk = 1_000;
  for (let first = 0; first < size; first += chunk)
    await started.importDocuments(
      "sites",
      Array.from({ length: chunk }, (_, n) => site(first + n)),
    );
  return { started, size, scan: scanOf(size), floor: floorOf(size) };
}

/** The same documents in a store of their own: what a query costs without the function around it. */
function scanOf(size: number): () => void {
  const index = defineIndex("by_rank", ["rank"]);
  const store = new VersionedStore(() => BigInt(Date.now()) * 1_000_000n);
  store.defineIndexes("sites", [index]);
  const writer = new Transaction(store);
  for (let rank = 0; rank < size; rank++) writer.write("sites", `${rank}`, documentOf(rank));
  writer.commit();
  const [key] = keyOf(index, documentOf(size / 2));
  const interval: Interval = { from: { prefix: [key], isAfter: false }, to: { prefix: [], isAfter: true } };
  return () => {
    const reader = new Transaction(store);
    let left = taken;
    for (const _ of reader.scan("sites", index, interval, "asc")) if (--left === 0) break;
    reader.rollback();
  };
}

function documentOf(rank: number): Document {
  return { ...site(rank), _id: `${rank}`, _creationTime: rank };
}

function floorOf(size: number): () => void {
  const documents = new Map(Array.from({ length: size }, (_, rank) => [rank, documentOf(rank)]));
  return () => {
    const found = Array.from({ length: taken }, (_, n) => documents.get(size / 2 + n)!);
    jsonToConvex(JSON.parse(JSON.stringify(convexToJson(found as unknown as Value))) as JSONValue);
  };
}

async function measureConflicts(): Promise<Row[]> {
  const rows: Row[] = [];
  for (const path of ["bench:next", "bench:blind"])
    for (const count of callers) {
      const started = await startEngine();
      const start = performance.now();
      const results = await Promise.all(
        Array.from({ length: count }, () => callOften(started, path, calls / count)),
      );
      const ms = performance.now() - start;
      const all = results.flat();
      const name = `${path === "bench:next" ? "read the largest, insert the next" : "insert alone"}, ${count} callers`;
      const conflicts = all.reduce((sum, result) => sum + result.conflicts, 0);
      const given = all.filter(({ ok }) => !ok).length;
      rows.push(
        { case: name, metric: "conflicts per 1,000", value: (conflicts * 1_000) / all.length, unit: "" },
        {
          case: name,
          metric: "given up after 4 retries, per 1,000",
          value: (given * 1_000) / all.length,
          unit: "",
        },
        { case: name, metric: "mutations a second", value: ((all.length - given) * 1_000) / ms, unit: "/s" },
      );
      await started.close();
    }
  return rows;
}

async function callOften(started: LocalEngine, path: string, times: number): Promise<CallResult[]> {
  const results: CallResult[] = [];
  for (let n = 0; n < times; n++) results.push(await run(started, "mutation", path, {}));
  return results;
}

function run(started: LocalEngine, kind: FunctionKind, path: string, args: JSONValue): Promise<CallResult> {
  return started.run({ kind, path, args, identity: null });
}
