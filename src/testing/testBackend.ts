// What apps test with: their own functions over the real component in convex-test, which replicas of a test reach through
// a simulated network, in time that passes only when they all wait for it.
import { convexTest, type TestConvex } from "convex-test";
import type { GenericSchema, SchemaDefinition } from "convex/server";
import componentSchema from "../component/schema.js";
import { registerChildren } from "../test.js";
import { componentModules } from "./componentModules.js";
import { ManualClock } from "./manualClock.js";
import { SimulatedNetwork } from "./simulatedNetwork.js";

/** Real ones, whatever a test puts in their place later: they let promises go on. */
const { setTimeout } = globalThis;
/** So long everybody is at rest before {@link TestBackend.settle} believes it, beside what messages take. */
const restMs = 2000;
/** Turns of the event loop without a call, after which everybody waits for time to pass. */
const quietTurns = 4;
/** Of the replicas' time: as long as the longest wait between two attempts, twice. */
const mostMs = 10 * 60_000;
/** Of the machine's: a function that hangs is not waited for. */
const mostRealMs = 20_000;

type AnySchema = SchemaDefinition<GenericSchema, boolean>;

export interface TestBackendOptions<Schema extends AnySchema> {
  /** The app's: the default export of `convex/schema.ts`. */
  readonly schema: Schema;
  /** The app's functions: `import.meta.glob("../convex/*.ts")`. */
  readonly modules: Record<string, () => Promise<unknown>>;
  /** The component's name in the app's `convex.config.ts`; default: `replicate`. */
  readonly name?: string;
}

/** Something that `settle` waits for. */
export interface Restless {
  /** What it has still to do, in words. */
  restless(): readonly string[];
  /** What a message to or from it takes, in milliseconds. */
  readonly delayMs: number;
}

/**
 * The app's backend as a test has it. It does what clients ask for; what the component does behind the writers (sizes,
 * previews, compaction) is not run.
 */
export class TestBackend<Schema extends AnySchema = AnySchema> {
  /** convex-test's own: calls the app's functions beside all replicas. */
  readonly t: TestConvex<Schema>;
  readonly clock = new ManualClock();
  readonly network = new SimulatedNetwork();
  readonly #participants = new Set<Restless>();
  #seeds = 0;

  constructor(t: TestConvex<Schema>) {
    this.t = t;
  }

  /** Of each replica's own random numbers: a test has the same each time. */
  nextSeed(): number {
    return ++this.#seeds;
  }

  join(participant: Restless): void {
    this.#participants.add(participant);
  }

  leave(participant: Restless): void {
    this.#participants.delete(participant);
  }

  /**
   * Lets time pass until no replica that is online has anything to do: what was written is applied or has failed, what
   * is subscribed to is there.
   *
   * @throws Error that says what is still to be done, if that does not come to be within ten minutes of their time
   */
  async settle(): Promise<void> {
    const { clock, network } = this;
    const [end, realEnd] = [clock.now() + mostMs, performance.now() + mostRealMs];
    await network.refresh(); // functions may have been called beside the replicas
    let restSince: number | null = null;
    let quiet = 0;
    while (clock.now() < end && performance.now() < realEnd) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      quiet = network.inFlight > 0 ? 0 : quiet + 1;
      if (quiet < quietTurns) continue;
      restSince = this.#restless().length > 0 ? null : (restSince ?? clock.now());
      if (restSince !== null && clock.now() - restSince >= this.#graceMs()) return;
      if (clock.runNext()) quiet = 0;
      else if (restSince !== null) return;
    }
    throw new Error(`This does not come to rest: ${this.#restless().join("; ") || "calls are under way"}.`);
  }

  #restless(): string[] {
    return [...this.#participants].flatMap((each) => each.restless());
  }

  #graceMs(): number {
    return restMs + 4 * Math.max(0, ...[...this.#participants].map(({ delayMs }) => delayMs));
  }
}

/**
 * Starts a backend for a test: the app's own functions over the real component, in convex-test.
 *
 * @example
 * ```ts
 * const backend = createTestBackend({ schema, modules: import.meta.glob("../convex/*.ts") });
 * ```
 */
export function createTestBackend<Schema extends AnySchema>({
  schema,
  modules,
  name = "replicate",
}: TestBackendOptions<Schema>): TestBackend<Schema> {
  const t = convexTest({ schema, modules, transactionLimits: true });
  t.registerComponent(name, componentSchema, componentModules({ hasFollowers: false }));
  registerChildren(t as unknown as Parameters<typeof registerChildren>[0], name);
  return new TestBackend(t as unknown as TestConvex<Schema>);
}
