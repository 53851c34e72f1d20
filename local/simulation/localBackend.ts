// The real server functions over the real component on the local engine, with all that the component does in the
// background: followers, compactions, crons, each when its time has come. Reads take time: so functions run beside one
// another, and conflict; only what clients ask, and what the simulation looks at, is answered in an instant.
import { setImmediate } from "node:timers/promises";
import { anyApi, getFunctionName } from "convex/server";
import { ConvexError, convexToJson, jsonToConvex, type Value } from "convex/values";
import type { ReplicaApi } from "../../src/shared/replicaApi.js";
import { createServerFunctions, serverSchema } from "../../src/testing/serverFunctions.js";
import {
  OverloadError,
  type Backend,
  type BackendDriver,
  type Left,
  type Surroundings,
} from "../../src/testing/simulation/backend.js";
import { newest, sitesOf } from "../../src/testing/simulation/releases.js";
import { siteHooks } from "../../src/testing/simulation/siteHooks.js";
import type { Timeline } from "../../src/testing/simulation/timeline.js";
import { Violation } from "../../src/testing/violation.js";
import { SeededRandom } from "../../src/testing/random.js";
import type { Clock } from "../clock.js";
import { readCronSpecs, type CronSpec } from "../crons/cronSpecs.js";
import { nextRunAfter } from "../crons/schedule.js";
import { loadComponents } from "../componentRuntime.js";
import type { CallResult, Runtime, Snapshot } from "../engine/engine.js";
import { currentEnvironment, installGlobals } from "../engine/environment.js";
import { LocalEngine } from "../engine/localEngine.js";
import { componentFunctions, operatorFunctions } from "./operatorFunctions.js";

/** What a read takes: enough for two pushes, or a push and a compaction, to meet. */
const readLatencyMs = [0, 3] as const;
/** No run is shorter. */
const mostBeforeCronMs = 120_000;
/** Who commits what changes documents: nobody else may change anything that can be seen (I-10). */
const writers: readonly string[] = ["replicate:push", "operator:write", "operator:purge"];
/** Whose way is to be free (I-13). A purge takes all that is stored of a document, and meets whoever replaces it. */
const unhindered: readonly string[] = ["replicate:push", "operator:write"];
/** Who may be in a writer's way; nobody else may be (I-13). What an operator does is rare, and meant to be noticed. */
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
  const components = (await loadComponents({ hasCrons: true })).map((each) =>
    each.path === "replicate"
      ? { ...each, modules: { ...each.modules, operator: componentFunctions } }
      : each,
  );
  const specs = readCronSpecs({ root: { schema: null, modules: {} }, components });
  return {
    engine: "local",
    hasOwnGlobals: () => currentEnvironment()?.isTransaction === true,
    beginsAt: (seed) => beforeSomeCron(specs, seed),
    start: (world) => startLocalBackend(world, components),
  };
}

async function startLocalBackend(world: Surroundings, components: Runtime["components"]): Promise<Backend> {
  const engine = new LocalEngine({
    clock: clockOf(world.timeline),
    seed: world.seed,
    readLatencyMs,
    limits: { userTime: false }, // which is measured by a real clock
  });
  world.timeline.standStillWhile(() => engine.isBusy);
  await engine.activate({ root: { schema: serverSchema, modules: modulesOf(world) }, components });
  let version = 1;
  const changes = watchCommits(engine, world);
  watchBackground(engine, world);
  const run = (kind: "query" | "mutation", path: string, args: object, user: string | null) =>
    engine.run({
      kind,
      path: inRelease(version, path),
      args: convexToJson(args as Value),
      identity: user === null ? null : { subject: user, issuer: "simulation", tokenIdentifier: user },
      isInstant: kind === "query",
    });
  /** Tried again for as long as others are in the way. */
  const operate = async (name: string, args: object): Promise<void> => {
    const result = await run("mutation", `operator:${name}`, args, null);
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
      const result = await run("mutation", "operator:write", { changes: all }, null);
      const isRefused = !result.ok && (result.data !== undefined || result.isConflict);
      if (!isRefused) valueOf(result);
      return !isRefused;
    },
    deploy: (next) => {
      version = next;
      world.onChange();
    },
    compact: (documents) => operate("compact", { documents }),
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
function modulesOf(world: Surroundings): Runtime["root"]["modules"] {
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
      const { version, name } = releaseOf(source);
      const visibleTs = writers.includes(name) ? ts : null;
      told = told.then(async () => {
        const seen = valueOf(await left) as unknown as Omit<Left, "ts" | "version">;
        world.onCommit({ ts: visibleTs, version, ...seen });
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
    const isExpected =
      !unhindered.includes(releaseOf(source).name) || inTheWay.includes(releaseOf(writer).name);
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

function valueOf(result: CallResult): Value {
  if (result.ok) return jsonToConvex(result.value);
  if (result.isConflict) throw new OverloadError(result.message);
  if (result.data !== undefined) throw new ConvexError(jsonToConvex(result.data));
  throw new Error(result.message);
}
