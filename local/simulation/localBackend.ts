// The real server functions over the real component on the local engine, with all that the component does in the
// background: followers, compactions, crons, each when its time has come. Reads take time: so functions run beside one
// another, and conflict; only what clients ask, and what the simulation looks at, is answered in an instant.
import { setImmediate } from "node:timers/promises";
import { anyApi, getFunctionName } from "convex/server";
import { convexToJson } from "convex/values";
import type { ReplicaApi } from "../../src/shared/replicaApi.js";
import { createServerFunctions } from "../../src/testing/serverFunctions.js";
import {
  leftOf,
  type BackendDriver,
  type Seen,
  type SiteBackend,
  type SiteSurroundings,
} from "../../src/testing/simulation/sites/backend.js";
import { newest, sitesOf } from "../../src/testing/simulation/sites/releases.js";
import { siteHooks } from "../../src/testing/simulation/sites/siteHooks.js";
import type { Timeline } from "../../src/testing/simulation/timeline.js";
import { Violation } from "../../src/testing/violation.js";
import { SeededRandom } from "../../src/testing/random.js";
import type { Clock } from "../clock.js";
import { readCronSpecs, type CronSpec } from "../crons/cronSpecs.js";
import { nextRunAfter } from "../crons/schedule.js";
import type { Runtime, Snapshot } from "../engine/engine.js";
import { currentEnvironment, installGlobals } from "../engine/environment.js";
import type { LocalEngine } from "../engine/localEngine.js";
import { operatorFunctions } from "../serverApp/operatorFunctions.js";
import { loadServerComponents, startServerEngine, valueOf } from "../serverApp/serverEngine.js";

/** What a read takes: enough for two pushes, or a push and a compaction, to meet. */
const readLatencyMs = [0, 3] as const;
/** No run is shorter. */
const mostBeforeCronMs = 120_000;
/** Pushes, and the app's own writers. */
const pushes: readonly string[] = ["replicate:push", "operator:write"];
/** Who commits what changes documents: nobody else may change anything that can be seen (I-10). */
const writers: readonly string[] = [...pushes, "operator:purge"];
/** Who may be in a push's way; nobody else may be (I-13). What an operator does is rare, and meant to be noticed. */
const inTheWay: readonly string[] = [...writers, "operator:newEpoch", "operator:tidy", "leaves:prune"];
/** Where what is stored of documents, the app's rows, and the epoch are. */
const lookedAt: readonly string[] = [
  ":sites",
  "replicate:deltas",
  "replicate:snapshots",
  "replicate:collections",
];

/** To be called before a simulation begins: the component is loaded once, in real time, and is the same for all runs. */
export async function loadLocalDriver(): Promise<BackendDriver> {
  installGlobals();
  const components = await loadServerComponents({ hasCrons: true });
  const specs = readCronSpecs({ root: { schema: null, modules: {} }, components });
  return {
    engine: "local",
    hasOwnGlobals: () => currentEnvironment()?.isTransaction === true,
    beginsAt: (seed) => beforeSomeCron(specs, seed),
    prepare: async () => {}, // all is loaded
    start: (world) => startLocalBackend(world, components),
  };
}

async function startLocalBackend(
  world: SiteSurroundings,
  components: Runtime["components"],
): Promise<SiteBackend> {
  const { engine, run: call } = await startServerEngine(
    {
      clock: clockOf(world.timeline),
      seed: world.seed,
      readLatencyMs,
      limits: { userTime: false }, // which is measured by a real clock
    },
    components,
    modulesOf(world),
  );
  world.timeline.standStillWhile(() => engine.isBusy);
  let version = 1;
  const changes = watchCommits(engine, world);
  watchBackground(engine, world);
  const run = (kind: "query" | "mutation", path: string, args: object, user: string | null = null) =>
    call(kind, inRelease(version, path), args, user);
  /** Tried again for as long as others are in the way. */
  const operate = async (name: string, args: object): Promise<void> => {
    const result = await run("mutation", `operator:${name}`, args);
    return !result.ok && result.isConflict ? operate(name, args) : void valueOf(result);
  };
  return {
    api: anyApi["replicate"] as unknown as ReplicaApi,
    query: (query, args, user) =>
      world.timeline.during(async () => {
        while (engine.isBusy) await setImmediate(); // nothing is committed while it is answered
        const result = await run("query", getFunctionName(query), args, user);
        changes.noteAnswer(result.snapshot);
        return valueOf(result);
      }),
    mutation: async (mutation, args, user) =>
      valueOf(await run("mutation", getFunctionName(mutation), args, user)),
    write: async (all) => {
      const result = await run("mutation", "operator:write", { changes: all });
      const isRefused = !result.ok && (result.data !== undefined || result.isConflict);
      if (!isRefused) valueOf(result);
      return !isRefused;
    },
    deploy: (next) => {
      version = next;
      world.onChange();
    },
    compact: (documents) => operate("compact", { documents, parts: [""] }),
    purge: (document) => operate("purge", { document }),
    tidy: () => operate("tidy", {}),
    newEpoch: () => operate("newEpoch", {}),
  };
}

/**
 * All releases stand beside one another, each in modules of its own, and who calls is sent to those of the one that is
 * deployed: so what has begun goes on in its own release, and nothing waits for it to end, in a world in which time may
 * stand still.
 */
function modulesOf(world: SiteSurroundings): Runtime["root"]["modules"] {
  const releases = Array.from({ length: newest }, (_, n) => {
    const replicate = createServerFunctions(() => siteHooks(world), sitesOf(n + 1));
    return [
      [inRelease(n + 1, "replicate"), { ...replicate.api() }],
      [inRelease(n + 1, "operator"), operatorFunctions(replicate, n + 1)],
    ] as const;
  });
  return Object.fromEntries(releases.flat());
}

/** @param path of a module, or of a function in it */
function inRelease(version: number, path: string): string {
  const [module, ...rest] = path.split(":");
  return [version === 1 ? module : `${module}V${version}`, ...rest].join(":");
}

/** Whose it is, and what it is called in all releases. */
function releaseOf(path: string): { readonly version: number; readonly name: string } {
  const [, module, version, rest] = /^(replicate|operator)V(\d+)(:.*)$/.exec(path) ?? [];
  return version === undefined
    ? { version: 1, name: path }
    : { version: Number(version), name: `${module}${rest}` };
}

/** Tells of commits, one after the other: of what each has left behind, and whether answers may be others after it. */
function watchCommits(engine: LocalEngine, world: SiteSurroundings) {
  const look = convexToJson({ documents: [...world.documents] });
  /** What answers stand on that were given since the last change was told. */
  let answered: Snapshot[] = [];
  let told: Promise<void> = Promise.resolve();
  engine.onCommit(({ source, writes }) => {
    if (writes.some(({ table }) => lookedAt.includes(table))) {
      // It begins now, before anything else is committed: it reads what this commit has left, however long it takes.
      const left = engine.run({
        kind: "query",
        path: "operator:look",
        args: look,
        identity: null,
        isInstant: true,
      });
      const { version, name } = releaseOf(source);
      const mayChange = writers.includes(name);
      told = told.then(async () => {
        const seen = valueOf(await left) as unknown as Seen;
        world.onCommit(leftOf(seen, world.documents, { mayChange, version }));
      });
    }
    if (!writes.some((write) => answered.some((snapshot) => snapshot.isTouchedBy(write)))) return;
    answered = [];
    world.onChange();
  });
  return { noteAnswer: (snapshot: Snapshot | null) => void (snapshot !== null && answered.push(snapshot)) };
}

/** So that something that is done every hour or every day comes in the middle of the run. */
function beforeSomeCron(specs: readonly CronSpec[], seed: number): number {
  const random = new SeededRandom(seed);
  const { schedule } = random.pick(specs);
  return nextRunAfter(schedule, Date.UTC(2026, 0, 1)) - random.below(mostBeforeCronMs);
}

function watchBackground(engine: LocalEngine, world: SiteSurroundings): void {
  engine.onCommit(({ ts, source }) => world.note(`commit ${ts} ${source}`));
  engine.onConflict(({ source, tables, write, writer }) => {
    const what = `conflict ${source} with ${writer} in ${write.table}`;
    world.note(what);
    // A push that replaces what is stored, because that is long or moves, meets whoever else replaces it.
    const isReplacing = tables.includes("replicate:snapshots");
    const isExpected = !pushes.includes(releaseOf(source).name) || inTheWay.includes(releaseOf(writer).name);
    if (!isReplacing && !isExpected) world.onViolation(new Violation("I-13", what));
  });
  engine.onBackgroundCall(({ path, cause, error }) => world.note(`${cause} ${path} ${error ?? ""}`));
}

function clockOf(timeline: Timeline): Clock {
  return {
    now: () => timeline.now(),
    at: (ms, wake) => timeline.after(ms - timeline.now(), wake),
  };
}
