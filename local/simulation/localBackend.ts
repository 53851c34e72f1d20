// The real server functions over the real component on the local engine, with all that the component does in the
// background: followers, compactions, crons, each when its time has come. Reads take time: so functions run beside one
// another, and conflict; only what clients ask, and what the simulation looks at, is answered in an instant.
import { setImmediate } from "node:timers/promises";
import { anyApi, getFunctionName } from "convex/server";
import { convexToJson } from "convex/values";
import type { ReplicaApi } from "../../src/shared/replicaApi.js";
import type { Backend, BackendDriver, Left, Surroundings } from "../../src/testing/simulation/backend.js";
import { siteHooks } from "../../src/testing/simulation/siteHooks.js";
import type { Timeline } from "../../src/testing/simulation/timeline.js";
import { Violation } from "../../src/testing/violation.js";
import { SeededRandom } from "../../src/testing/random.js";
import type { Clock } from "../clock.js";
import { readCronSpecs, type CronSpec } from "../crons/cronSpecs.js";
import { nextRunAfter } from "../crons/schedule.js";
import type { Runtime, Snapshot } from "../engine/engine.js";
import { currentEnvironment, installGlobals } from "../engine/environment.js";
import type { LocalEngine } from "../engine/localEngine.js";
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
    start: (world) => startLocalBackend(world, components),
  };
}

async function startLocalBackend(world: Surroundings, components: Runtime["components"]): Promise<Backend> {
  const { engine, run } = await startServerEngine(
    {
      clock: clockOf(world.timeline),
      seed: world.seed,
      readLatencyMs,
      limits: { userTime: false }, // which is measured by a real clock
    },
    components,
    () => siteHooks(world),
  );
  world.timeline.standStillWhile(() => engine.isBusy);
  const changes = watchCommits(engine, world);
  watchBackground(engine, world);
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
    compact: (documents) => operate("compact", { documents, parts: [""] }),
    purge: (document) => operate("purge", { document }),
    tidy: () => operate("tidy", {}),
    newEpoch: () => operate("newEpoch", {}),
  };
}

/** Tells of commits, one after the other: of what each has left behind, and whether answers may be others after it. */
function watchCommits(engine: LocalEngine, world: Surroundings) {
  const look = convexToJson({ documents: [...world.documents] });
  /** What answers stand on that were given since the last change was told. */
  let answered: Snapshot[] = [];
  let told: Promise<void> = Promise.resolve();
  engine.onCommit(({ ts, source, writes }) => {
    if (writes.some(({ table }) => lookedAt.includes(table))) {
      // It begins now, before anything else is committed: it reads what this commit has left, however long it takes.
      const left = engine.run({
        kind: "query",
        path: "operator:look",
        args: look,
        identity: null,
        isInstant: true,
      });
      const visibleTs = writers.includes(source) ? ts : null;
      told = told.then(async () => {
        world.onCommit({ ts: visibleTs, ...(valueOf(await left) as unknown as Omit<Left, "ts">) });
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

function watchBackground(engine: LocalEngine, world: Surroundings): void {
  engine.onCommit(({ ts, source }) => world.note(`commit ${ts} ${source}`));
  engine.onConflict(({ source, tables, write, writer }) => {
    const what = `conflict ${source} with ${writer} in ${write.table}`;
    world.note(what);
    // A push that replaces what is stored, because that is long or moves, meets whoever else replaces it.
    const isReplacing = tables.includes("replicate:snapshots");
    if (pushes.includes(source) && !isReplacing && !inTheWay.includes(writer))
      world.onViolation(new Violation("I-13", what));
  });
  engine.onBackgroundCall(({ path, cause, error }) => world.note(`${cause} ${path} ${error ?? ""}`));
}

function clockOf(timeline: Timeline): Clock {
  return {
    now: () => timeline.now(),
    at: (ms, wake) => timeline.after(ms - timeline.now(), wake),
  };
}
