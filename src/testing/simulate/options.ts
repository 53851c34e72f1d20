// What an app's own tests say to simulate it.
import type { TestConvex } from "convex-test";
import type { GenericSchema, SchemaDefinition, UserIdentity } from "convex/server";
import type { Replica } from "../../client/base/types.js";
import type { AnyCollection, ScopedOf } from "../../collections/index.js";
import type { ReplicaApi } from "../../shared/replicaApi.js";
import type { Choices } from "./choices.js";
import type { SimulationScript } from "./steps.js";

export type AnySchema = SchemaDefinition<GenericSchema, boolean>;

/** By a collection's name: the scopes that devices read; of one without scopes: `true`. */
export type SubscriptionsOf<C extends AnyCollection> = {
  readonly [D in C as D["name"]]?: ScopedOf<D> extends true ? readonly string[] : true;
};

/** What a write on a device is called with. */
export interface WriteContext<C extends AnyCollection = AnyCollection> {
  /** One tab's, with what the device holds. */
  readonly replica: Replica<C>;
  /** All that is left to chance is to be drawn from here: then the same seed writes the same. */
  readonly random: Choices;
}

export interface ServerWriteContext<Schema extends AnySchema = AnySchema> {
  /** convex-test's own: calls the app's functions, as anybody. */
  readonly t: TestConvex<Schema>;
  readonly random: Choices;
}

export interface CheckContext<C extends AnyCollection, Schema extends AnySchema> {
  readonly t: TestConvex<Schema>;
  /** Of every tab that is open on any device. */
  readonly replicas: readonly Replica<C>[];
}

export interface SimulateOptions<Cs extends readonly AnyCollection[], Schema extends AnySchema> {
  /** The app's: the default export of `convex/schema.ts`. */
  readonly schema: Schema;
  /** The app's functions: `import.meta.glob("../convex/**\/*.*s")`. */
  readonly modules: Record<string, () => Promise<unknown>>;
  /** The component's name in the app's `convex.config.ts`; default: `replicate`. */
  readonly name?: string;
  /** The module with the functions of `replicate.api()`: `api.replicate`. */
  readonly api: ReplicaApi;
  readonly collections: Cs;
  /** Tables of collections that have another name than their collection; null: it has none. */
  readonly tables?: { readonly [N in Cs[number]["name"]]?: string | null };
  /** Who uses the devices, as the functions see them: each device is one user's. Default: nobody is ever signed in. */
  readonly users?: readonly Partial<UserIdentity>[];
  /** All that devices read. Some read less, some begin or end while it goes on. */
  readonly subscriptions: SubscriptionsOf<Cs[number]>;
  /** What is there before any device is. */
  readonly setUp?: (context: { readonly t: TestConvex<Schema> }) => Promise<unknown>;
  /** What people do, by name, in an app's code on a device. It runs at once: none may be async. */
  readonly writes: Readonly<Record<string, (context: WriteContext<Cs[number]>) => void>>;
  /** What the server does besides, by name: the app's own mutations. A ConvexError that they throw is a refusal, and no fault. */
  readonly serverWrites?: Readonly<Record<string, (context: ServerWriteContext<Schema>) => Promise<unknown>>>;
  /** What must hold of the app once everybody is at rest, beside all that is checked of any: throws if it does not. */
  readonly check?: (context: CheckContext<Cs[number], Schema>) => Promise<unknown> | void;
  /** How many are run; default: 20. */
  readonly seeds?: number;
  /** The first of them, a whole number; default: 1, so that a test does the same each time. `Date.now()`: fresh ones. */
  readonly from?: number;
  /** Steps of each; default: 25 to 70, as the seed has it. */
  readonly steps?: number;
  /** Runs this one instead: a failure prints it. */
  readonly script?: SimulationScript;
}

/** What was run. */
export interface Simulated {
  readonly seeds: number;
  readonly steps: number;
}
