// Whether anything costs more the more documents there are: 1,000, 10,000 and 100,000 in one scope, in our design and in
// the obvious one. What is read and written is counted; times are compared with those at 1,000, the sizes taking turns.
// Floor: a query that finds nothing.
import type { JSONValue } from "convex/values";
import type { FunctionCall } from "../local/engine/engine.js";
import { HeldClock } from "../local/heldClock.js";
import { Author } from "./author.js";
import { idOf, scope, succeed, valueOf, type Design, type Edit, type StartDesign } from "./design.js";
import { startObvious } from "./obvious/design.js";
import { startOurs } from "./ours.js";
import { median, type Row } from "./row.js";

const sizes = [1_000, 10_000, 100_000];
const seedAtOnce = 1_000;
const rounds = 60;
const caughtUp = 100;
const compacted = 32;

const operations = [
  "push",
  "live pull",
  `catch-up of ${caughtUp} deltas`,
  "compaction of one document",
  "stats",
  "floor",
] as const;
type Operation = (typeof operations)[number];

interface Sample {
  readonly ms: number[];
  /** Rows read and written, of all rounds. */
  readonly counts: Set<string>;
  cost: { readonly rowsRead: number; readonly bytesRead: number; readonly rowsWritten: number };
}

export async function scale(): Promise<Row[]> {
  const measured = new Map<string, Map<number, Map<Operation, Sample>>>();
  for (const start of [startOurs, startObvious]) {
    const samples = new Map<number, Map<Operation, Sample>>();
    const filled = [];
    for (const size of sizes) {
      samples.set(size, new Map(operations.map((name) => [name, newSample()])));
      filled.push(await fill(start, size));
    }
    for (let round = 0; round < rounds; round++)
      for (const each of filled) await measureRound(each, round, samples.get(each.size)!);
    for (const { design } of filled) await design.engine.close();
    measured.set(filled[0]!.design.name, samples);
  }
  return operations.flatMap((name) => rowsOf(name, measured.get("ours")!, measured.get("obvious")!));
}

function newSample(): Sample {
  return { ms: [], counts: new Set(), cost: { rowsRead: 0, bytesRead: 0, rowsWritten: 0 } };
}

interface Filled {
  readonly design: Design;
  readonly author: Author;
  readonly size: number;
  /** Where 100 deltas follow. */
  readonly before: JSONValue;
  cursor: JSONValue;
}

async function fill(start: StartDesign, size: number): Promise<Filled> {
  const clock = new HeldClock();
  const limits = { userTime: false as const, enforce: false };
  const design = await start({ clock, seed: 9, limits });
  const author = new Author(0);
  // The client is known, and what its first push sets off is done, before there is much to be done.
  await push(design, author, author.insert(idOf(0)));
  await clock.pass(10_000, () => design.engine.settled());
  for (let from = 0; from < size; from += seedAtOnce) {
    // Authors of their own, so that their documents are not kept in this process.
    const other = from === 0 ? author : new Author(1 + from / seedAtOnce);
    const ids = Array.from({ length: seedAtOnce }, (_, n) => idOf(from + n)).slice(from === 0 ? 1 : 0);
    await design.seedDeltas(ids.map((id) => other.insert(id)));
  }
  // Documents to be compacted, one in each round.
  const edits: Edit[] = [];
  for (let round = 0; round < rounds; round++)
    for (let n = 1; n < compacted; n++) edits.push(author.set(idOf(round), "name", `seeded ${n}`));
  await design.seedDeltas(edits);
  await design.noteCounted(size);
  console.error(`${design.name}: ${size} documents`);
  const stats = valueOf<{ documents: number }>((await succeed(design.engine, design.stats())).value);
  if (stats.documents !== size)
    throw new Error(`${design.name} counts ${stats.documents} documents of ${size}.`);
  const before = await endOf(design, null);
  for (let n = 0; n < caughtUp; n++)
    await push(design, author, author.set(idOf(500 + n), "note", "caught up"));
  return { design, author, size, before, cursor: await endOf(design, before) };
}

async function push(design: Design, author: Author, edit: Edit) {
  const result = await succeed(design.engine, design.push(author, [edit]));
  design.checkPushed(result.value);
  return result;
}

async function endOf(design: Design, from: JSONValue): Promise<JSONValue> {
  for (let cursor = from; ;) {
    const { value } = await succeed(design.engine, design.pull(scope, cursor));
    if (design.entriesIn(value) === 0) return cursor;
    cursor = design.cursorAfter(value);
  }
}

async function measureRound(filled: Filled, round: number, samples: Map<Operation, Sample>): Promise<void> {
  const { design, author } = filled;
  const note = async (name: Operation, call: FunctionCall) => {
    const result = await succeed(design.engine, call);
    const { ms, read, written, value } = result;
    const sample = samples.get(name)!;
    if (round > 0) sample.ms.push(ms);
    sample.counts.add(`${read.rows} ${written.rows}`);
    sample.cost = { rowsRead: read.rows, bytesRead: read.bytes, rowsWritten: written.rows };
    return value;
  };
  const edit = author.set(idOf(200 + round), "name", `round ${round}`);
  design.checkPushed(await note("push", design.push(author, [edit])));
  const live = await note("live pull", design.pull(scope, filled.cursor));
  if (design.entriesIn(live) !== 1) throw new Error(`A live pull brought ${design.entriesIn(live)} entries.`);
  const late = await note(`catch-up of ${caughtUp} deltas`, design.pull(scope, filled.before));
  if (design.entriesIn(late) < caughtUp) throw new Error("A catch-up brought too little.");
  const replaced = await note("compaction of one document", design.compact(idOf(round)));
  if (replaced !== compacted) throw new Error(`${String(replaced)} deltas were compacted.`);
  await note("stats", design.stats());
  await note("floor", design.pull("nowhere", null));
  filled.cursor = await endOf(design, filled.cursor);
}

function rowsOf(name: Operation, ours: Map<number, Map<Operation, Sample>>, obvious: typeof ours): Row[] {
  const of = (all: typeof ours, size: number, operation = name) => all.get(size)!.get(operation)!;
  const ms = (all: typeof ours, size: number, operation = name) => median(of(all, size, operation).ms);
  const [smallest = 0] = sizes;
  const countsOf = (all: typeof ours, size: number) => [...of(all, size).counts].join(", ");
  for (const all of [ours, obvious])
    for (const size of sizes)
      // A tree that is `stats` is deeper or shallower.
      if (name !== "stats" && countsOf(all, size) !== countsOf(all, smallest))
        throw new Error(`${name} reads or writes other rows at ${size} documents than at ${smallest}.`);
  return sizes.flatMap((size) => {
    const count = (metric: keyof Sample["cost"], label: string, unit = ""): Row => ({
      ...{ case: name, metric: `${label}, ${size} documents`, unit },
      value: of(ours, size).cost[metric],
      peer: of(obvious, size).cost[metric],
    });
    return [
      count("rowsRead", "rows read"),
      count("bytesRead", "bytes read", "B"),
      count("rowsWritten", "rows written"),
      {
        ...{ case: name, metric: `time, ${size} documents`, unit: "ms" },
        value: ms(ours, size),
        peer: ms(obvious, size),
        floor: ms(ours, size, "floor"),
        ratio: ms(ours, size) / ms(ours, size, "floor"),
      },
      {
        ...{ case: name, metric: `time, ${size} / ${smallest} documents`, unit: "×" },
        value: ms(ours, size) / ms(ours, smallest),
        peer: ms(obvious, size) / ms(obvious, smallest),
      },
    ];
  });
}
