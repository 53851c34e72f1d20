// How often pushes conflict, with each other and with what runs beside them, in our design and in the obvious one. In
// virtual time, in which nothing takes time but reads: the same seed gives the same figures on every machine.
import type { FunctionCall } from "../local/engine/engine.js";
import { JumpClock } from "../local/jumpClock.js";
import { Author } from "./author.js";
import { succeed, type Design, type Edit, type StartDesign } from "./design.js";
import { startObvious } from "./obvious/design.js";
import { startOurs } from "./ours.js";
import { quantile, type Row } from "./row.js";

const clients = 50;
const pushesOfEach = 20;
/** What a read takes, from and up to: another machine's index, over a network. */
const readLatencyMs: [number, number] = [1, 5];
/** Rows that one read brings: `DEFAULT_QUERY_PREFETCH` of the backend. */
const readAheadRows = 100;

interface Scenario {
  readonly name: string;
  /** All write the same one. */
  readonly isOneDocument?: boolean;
  /** They type into its text instead of setting a field. */
  readonly isText?: boolean;
  /** Default: {@link pushesOfEach}. */
  readonly pushesEach?: number;
  /** From one push of a client to its next; absent: as soon as that is answered. */
  readonly everyMs?: number;
  /** Compaction of the documents, presence and heartbeats run beside. */
  readonly isBusy?: boolean;
}

const scenarios: readonly Scenario[] = [
  { name: "a document each, a push a second", everyMs: 1_000 },
  { name: "a document each, as soon as answered" },
  { name: "a document each, a push a second, and the background", everyMs: 1_000, isBusy: true },
  { name: "a document each, as soon as answered, and the background", isBusy: true },
  {
    name: "typing in the text of one document, a push a second",
    isOneDocument: true,
    isText: true,
    everyMs: 1_000,
  },
  { name: "typing in the text of one document, as soon as answered", isOneDocument: true, isText: true },
  { name: "a field of one document, a push a second", isOneDocument: true, everyMs: 1_000, pushesEach: 8 },
  { name: "a field of one document, as soon as answered", isOneDocument: true, pushesEach: 8 },
];

interface Counted {
  pushes: number;
  conflicts: number;
  /** Pushes that conflicted at least once. */
  retried: number;
  /** Calls given up after four retries: the client sends them again. */
  failed: number;
  /** Of anything but pushes. */
  otherConflicts: number;
  otherCalls: number;
  readonly times: number[];
}

export async function conflicts(): Promise<Row[]> {
  const rows: Row[] = [];
  for (const scenario of scenarios) {
    const [ours, obvious] = [await run(startOurs, scenario), await run(startObvious, scenario)];
    const per = (count: (counted: Counted) => number, metric: string): Row => {
      const each = (counted: Counted) => (count(counted) * 1_000) / counted.pushes;
      return {
        case: scenario.name,
        metric,
        value: each(ours),
        peer: each(obvious),
        unit: "per 1,000 pushes",
      };
    };
    rows.push(
      per(({ conflicts: all }) => all, "conflicts of pushes"),
      per(({ retried }) => retried, "pushes retried"),
      per(({ failed }) => failed, "given up after 4 retries"),
      ...(scenario.isBusy === true
        ? [
            per(({ otherConflicts }) => otherConflicts, "conflicts of the rest"),
            per(({ otherCalls }) => otherCalls, "calls beside"),
          ]
        : []),
      ...[0.5, 0.95].map((part) => ({
        case: scenario.name,
        metric: `virtual time of a push, p${part * 100}`,
        value: quantile(ours.times, part),
        peer: quantile(obvious.times, part),
        unit: "ms",
      })),
    );
  }
  return rows;
}

async function run(start: StartDesign, scenario: Scenario): Promise<Counted> {
  const { pushesEach = pushesOfEach } = scenario;
  const clock = new JumpClock();
  const design = await start({ clock, seed: 7, readLatencyMs, readAheadRows, limits: { userTime: false } });
  const counted: Counted = {
    ...{ pushes: 0, conflicts: 0, retried: 0, failed: 0, otherConflicts: 0, otherCalls: 0 },
    times: [],
  };
  const authors = Array.from({ length: clients }, (_, n) => new Author(n));
  const documents = authors.map((_, n) => (scenario.isOneDocument === true ? "one" : `site ${n}`));
  const tabs = await prepare(design, authors, documents, scenario);
  design.engine.onBackgroundCall((call) => {
    counted.otherCalls += 1;
    counted.otherConflicts += call.conflicts;
  });
  const beside = async (call: FunctionCall) => {
    const result = await design.engine.run(call);
    counted.otherCalls += 1;
    counted.otherConflicts += result.conflicts;
  };
  const sleep = (ms: number) => new Promise<void>((resolve) => void clock.at(clock.now() + ms, resolve));
  const begun = clock.now();
  await Promise.all(
    authors.map(async (author, n) => {
      const tab = tabs[n];
      const phase = ((n * 37) % clients) / clients;
      if (scenario.everyMs !== undefined) await sleep(scenario.everyMs * phase);
      for (let round = 0; round < pushesEach; round++) {
        const start = clock.now();
        const words = `name ${n} ${round}`;
        const edit =
          scenario.isText === true
            ? author.type(documents[n]!, words)
            : author.set(documents[n]!, "name", words);
        const ends: Promise<unknown>[] = [pushUntilDone(design, author, edit, counted, clock)];
        if (tab !== undefined) {
          // Each document is compacted every fifth push, at the same time as it; presence moves with each.
          if (round % 5 === n % 5) ends.push(beside(design.compact(documents[n]!)));
          ends.push(beside(tab.show({ cursor: round })));
          const isDue = scenario.everyMs === undefined ? round % 10 === n % 10 : round === n % pushesEach;
          if (isDue) ends.push(beside(tab.beat()));
        }
        await Promise.all(ends);
        if (scenario.everyMs !== undefined) await sleep(Math.max(0, start + scenario.everyMs - clock.now()));
      }
    }),
  );
  console.error(
    `${design.name}, ${scenario.name}: ${counted.conflicts} conflicts in ${clock.now() - begun} ms`,
  );
  if (clock.now() === begun) throw new Error("Nothing took any time: nobody met anybody.");
  if (counted.pushes !== clients * pushesEach) throw new Error(`${counted.pushes} pushes were made.`);
  await design.engine.close();
  return counted;
}

/** The documents are there, each client is known, and in a busy room each has a tab whose heartbeat is due. */
async function prepare(
  design: Design,
  authors: readonly Author[],
  documents: readonly string[],
  { isOneDocument = false, isBusy = false }: Scenario,
) {
  const [first] = authors;
  const push = async (author: Author, edit: Edit) => {
    design.checkPushed((await succeed(design.engine, design.push(author, [edit]))).value);
    return edit;
  };
  if (isOneDocument) {
    const edit = await push(first!, first!.insert(documents[0]!));
    for (const author of authors.slice(1)) author.learn(edit);
    // So that no push is its client's first, which is registered.
    for (const [n, author] of authors.entries())
      await push(author, author.set(documents[0]!, "note", `${n}`));
  } else for (const [n, author] of authors.entries()) await push(author, author.insert(documents[n]!));
  if (!isBusy) return [];
  const tabs = [];
  for (const n of authors.keys()) tabs.push(await design.enter("room", n));
  return tabs;
}

/** As a client does: what was given up is sent again. */
async function pushUntilDone(
  design: Design,
  author: Author,
  edit: Edit,
  counted: Counted,
  clock: JumpClock,
): Promise<void> {
  const call = design.push(author, [edit]);
  const start = clock.now();
  let conflicted = 0;
  for (;;) {
    const result = await design.engine.run(call);
    conflicted += result.conflicts;
    if (result.ok) {
      design.checkPushed(result.value);
      break;
    }
    if (!result.isConflict) throw new Error(`A push failed: ${result.message}`);
    counted.failed += 1;
  }
  counted.pushes += 1;
  counted.conflicts += conflicted;
  if (conflicted > 0) counted.retried += 1;
  counted.times.push(clock.now() - start);
}
