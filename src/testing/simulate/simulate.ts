import type { AnyCollection } from "../../collections/index.js";
import { loadComponentModules, onceEach } from "../componentModules.js";
import { process } from "../host.js";
import { shrinkSteps } from "../shrink.js";
import type { SimulatedApp } from "../simulation/app.js";
import { Releases } from "../simulation/releases.js";
import { runScript, type Run } from "../simulation/run.js";
import type { DeviceSetup, Want } from "../simulation/script.js";
import { AnyAppInWorld, type AnyOptions } from "./appInWorld.js";
import { AppBackend, type AppSetup } from "./appBackend.js";
import { assertCounts, assertScript } from "./checkGiven.js";
import { generateScript, type Repertoire } from "./generate.js";
import type { AnySchema, SimulateOptions, Simulated } from "./options.js";
import type { AppStep, SimulationScript } from "./steps.js";

/** To shrink one failure: it is not to take much longer than it took to find it. */
const mostRuns = 150;

/** Something has not gone as it must. */
export class SimulationError extends Error {
  override readonly name = "SimulationError";
  readonly seed: number;
  /** Which promise is broken, as docs/testing.md numbers them; or whose code has thrown: `check`, `writes.rename`. */
  readonly invariant: string;
  /** All that it takes to see it again: `simulate({ …, script })`. */
  readonly script: SimulationScript;
  /** What happened when it was run, line by line. */
  readonly trace: readonly string[];

  constructor(message: string, invariant: string, script: SimulationScript, trace: readonly string[]) {
    super(message);
    this.seed = script.seed;
    this.invariant = invariant;
    this.script = script;
    this.trace = trace;
  }
}

/**
 * Runs an app as its users would who have bad luck: some devices with some tabs each, the real client over the app's own
 * functions and the real component, in virtual time. A seed decides what is written, what befalls tabs, disks, network
 * and server, and how long everything takes; at the end all of it is put right, and must come to rest and be equal.
 * One at a time in a process: the machine's clock, timers and randomness are the simulation's meanwhile.
 *
 * @returns what was run, of which nothing was wrong
 * @throws SimulationError with the seed, what is wrong, and a script as short as it could be made that shows it; Error if
 *   what the test says of the app is not so
 * @example
 * ```ts
 * await simulate({
 *   ...{ schema, modules, api: api.replicate, collections: [sites] },
 *   users: [{ subject: "anna" }, { subject: "ben" }],
 *   subscriptions: { sites: ["DE", "FR"] },
 *   writes: {
 *     add: ({ replica, random }) =>
 *       replica.collection(sites).insert({ id: replica.collection(sites).newId(), name: random.word(), country: "DE" }),
 *   },
 * });
 * ```
 */
export async function simulate<const Cs extends readonly AnyCollection[], Schema extends AnySchema>(
  options: SimulateOptions<Cs, Schema>,
): Promise<Simulated> {
  const app = new AppUnderTest(options as unknown as AnyOptions);
  const restore = quieten();
  try {
    return options.script === undefined ? await app.runSeeds() : await app.replay(options.script);
  } finally {
    restore();
  }
}

/** An app with what its test says of it. */
export class AppUnderTest {
  readonly simulated: SimulatedApp<AppStep>;
  readonly #options: AnyOptions;
  readonly #repertoire: Repertoire;

  constructor(options: AnyOptions) {
    this.#options = options;
    assertCounts(options);
    const setup = setupOf(options);
    this.#repertoire = repertoireOf(options, setup);
    const { users, wants } = this.#repertoire;
    const newcomers: DeviceSetup[] = users.map((user) => ({ user, wants, tabs: 1 }));
    this.simulated = {
      engine: "convex-test",
      hasOwnGlobals: () => false,
      beginsAt: () => Date.UTC(2026, 0, 1),
      releases: new Releases([options.collections]),
      prepare: async () => {
        await loadComponentModules();
        // What cannot be loaded here is told when it is called.
        await Promise.allSettled(Object.values(setup.modules).map((load) => load()));
      },
      start: async (world) => new AnyAppInWorld(new AppBackend(setup, world), options, newcomers),
    };
  }

  script(seed: number): SimulationScript {
    return generateScript(seed, this.#repertoire, this.#options.steps);
  }

  run(script: SimulationScript): Promise<Run> {
    return runScript(script, this.simulated);
  }

  async runSeeds(): Promise<Simulated> {
    const { from = 1, seeds = 20 } = this.#options;
    let steps = 0;
    for (let seed = from; seed < from + seeds; seed++) {
      const script = this.script(seed);
      const run = await this.run(script);
      if (run.violation !== null) throw await this.#failure(script, run);
      steps += run.steps;
    }
    return { seeds, steps };
  }

  /** One script, as it is. */
  async replay(script: SimulationScript): Promise<Simulated> {
    assertScript(script, this.#repertoire);
    const { violation, steps, trace } = await this.run(script);
    if (violation === null) return { seeds: 1, steps };
    throw new SimulationError(describe(script, violation.message), violation.invariant, script, trace);
  }

  async #failure(script: SimulationScript, { trace, violation }: Run): Promise<SimulationError> {
    const invariant = violation?.invariant ?? "";
    const second = await this.run(script);
    // The last line is of the fault, and says where in the code it was noticed.
    const isSame = second.trace.slice(0, -1).join("\n") === trace.slice(0, -1).join("\n");
    const run = (some: SimulationScript["steps"]) => this.run({ ...script, steps: some });
    const steps = await shrinkSteps(script.steps, invariant, run, mostRuns);
    const shortest = { ...script, steps };
    const again = await this.run(shortest);
    const message = [
      describe(script, violation?.message ?? ""),
      ...(isSame ? [] : [notTheSame]),
      `The same by ${steps.length} of its ${script.steps.length} steps: ${again.violation?.message ?? "not every time"}`,
      "To run these: simulate({ …, script }), where script is",
      textOf(shortest),
    ].join("\n");
    return new SimulationError(message, invariant, shortest, again.trace);
  }
}

const notTheSame =
  "Run again it goes another way: something in the app's code depends on what has run before, or on the machine.";

function describe({ seed }: SimulationScript, message: string): string {
  return `Seed ${seed} shows a fault: ${message}`;
}

/** JSON, a step a line. */
function textOf({ steps, ...rest }: SimulationScript): string {
  const lines = steps.map((step) => `  ${JSON.stringify(step)}`);
  return `${JSON.stringify(rest).slice(0, -1)},"steps":[\n${lines.join(",\n")}\n]}`;
}

function setupOf(options: AnyOptions): AppSetup {
  const { schema, modules, api, collections, name = "replicate", users = [] } = options;
  const known = schema.tables as Record<string, { " indexes"(): { indexDescriptor: string }[] }>;
  const hasRows = (table: string) =>
    known[table]?.[" indexes"]().some(({ indexDescriptor }) => indexDescriptor === "by_replica_id") ?? false;
  const tables = new Map<string, string>();
  for (const { name: collection } of collections) {
    const named = options.tables?.[collection];
    const table = named === undefined ? collection : named;
    if (table !== null && hasRows(table)) tables.set(collection, table);
    else if (typeof named === "string")
      throw new Error(
        `The schema has no replicaTable "${named}", which is to hold the rows of "${collection}".`,
      );
  }
  const identities = new Map(
    users.map((user) => [user.subject ?? user.tokenIdentifier ?? JSON.stringify(user), user] as const),
  );
  return { schema, modules: onceEach(modules), name, api, identities, tables };
}

function repertoireOf(options: AnyOptions, { identities }: AppSetup): Repertoire {
  const { collections, subscriptions, writes, serverWrites = {} } = options;
  const wants = (Object.entries(subscriptions) as [string, readonly string[] | true][]).flatMap(
    ([collection, scopes]): Want[] =>
      scopes === true ? [{ collection, scope: "" }] : scopes.map((scope) => ({ collection, scope })),
  );
  const names = collections.map(({ name }) => name);
  const stray = wants.find(({ collection }) => !names.includes(collection));
  if (stray !== undefined)
    throw new Error(`subscriptions: "${stray.collection}" is not one of the collections.`);
  if (wants.length === 0) throw new Error("subscriptions: devices have to read something.");
  if (Object.keys(writes).length === 0) throw new Error("writes: people have to do something.");
  return {
    users: identities.size === 0 ? [null] : [...identities.keys()],
    wants,
    collections: names,
    writes: Object.keys(writes),
    serverWrites: Object.keys(serverWrites),
  };
}

/** What the functions log of each push is of no use among thousands. @returns undoes it */
function quieten(): () => void {
  const variable = "REPLICATE_LOG_LEVEL";
  if (process.env[variable] !== undefined) return () => {};
  process.env[variable] = "ERROR";
  return () => void delete process.env[variable];
}
