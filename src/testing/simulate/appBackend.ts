// An app's own functions over the real component in convex-test. No time passes while a function runs, and none runs
// beside another: what is late is the way there and back.
import { convexTest, type TestConvex } from "convex-test";
import {
  componentsGeneric,
  type FunctionReference,
  type GenericDataModel,
  type GenericMutationCtx,
  type UserIdentity,
} from "convex/server";
import type { PlainRow } from "../../collections/index.js";
import type { ComponentApi } from "../../component/_generated/component.js";
import componentSchema from "../../component/schema.js";
import type { ReplicaApi } from "../../shared/replicaApi.js";
import type { PushResult } from "../../shared/wire.js";
import { componentModules, registerComponentChildren } from "../componentModules.js";
import type { Backend, Surroundings } from "../simulation/backend.js";
import { isPush } from "../simulation/observations.js";
import { withoutSessions } from "../testReplica.js";
import { look, type LookReference } from "./componentState.js";
import type { AnySchema } from "./options.js";

/** What is simulated, of which nothing changes between two runs. */
export interface AppSetup {
  readonly schema: AnySchema;
  readonly modules: Record<string, () => Promise<unknown>>;
  /** The component's in the app. */
  readonly name: string;
  readonly api: ReplicaApi;
  /** By the names under which they are signed in on their devices. */
  readonly identities: ReadonlyMap<string, Partial<UserIdentity>>;
  /** Of collections that have one. */
  readonly tables: ReadonlyMap<string, string>;
}

type AppTest = TestConvex<AnySchema>;
type Jobs = Record<"leaves" | "retire", Record<string, FunctionReference<"mutation", "internal">>>;
type Component = ComponentApi & { readonly simulation: { readonly look: LookReference } };

/** Reads more than any script writes. */
const mostRows = 8000;
/** What writes, or may have written, when it has ended; what makes another of the same; all else only reads. */
const writing: readonly PropertyKey[] = ["mutation", "action", "run", "fetch"];
const narrowing: readonly PropertyKey[] = ["withIdentity", "withRequestMetadata"];

/** The app's server in one world. */
export class AppBackend implements Backend {
  readonly api: ReplicaApi;
  /** As an app's own test has it: what is written through it is noticed. */
  readonly t: AppTest;
  readonly #t: AppTest;
  readonly #setup: AppSetup;
  readonly #world: Surroundings;
  readonly #component: Component;
  readonly #signedIn: ReadonlyMap<string, Pick<AppTest, "query" | "mutation">>;
  #timersSeen = 0;

  constructor(setup: AppSetup, world: Surroundings) {
    const { schema, modules, name, identities } = setup;
    const t = convexTest({ schema, modules, transactionLimits: true });
    t.registerComponent(name, componentSchema, {
      ...componentModules({ hasFollowers: false }),
      "../component/simulation.ts": async () => ({ look }),
    });
    registerComponentChildren(t as unknown as Parameters<typeof registerComponentChildren>[0], name);
    this.#t = t as unknown as AppTest;
    this.#setup = setup;
    this.#world = world;
    this.#component = componentsGeneric()[name] as unknown as Component;
    this.#signedIn = new Map([...identities].map(([user, identity]) => [user, t.withIdentity(identity)]));
    this.api = withoutSessions(setup.api);
    this.t = this.#watched(this.#t);
    world.timeline.onEvent(() => this.#lookAtBackground());
  }

  query(query: FunctionReference<"query">, args: object, user: string | null): Promise<unknown> {
    return this.#world.timeline.during(() => this.#as(user).query(query, args));
  }

  mutation(mutation: FunctionReference<"mutation">, args: object, user: string | null): Promise<unknown> {
    return this.#change(
      () => this.#as(user).mutation(mutation, args),
      (result) => isPush(args) && hasApplied(result as PushResult),
    );
  }

  compact(documents: readonly { readonly collection: string; readonly id: string }[]): Promise<void> {
    const { compact } = this.#component;
    return this.#operate(async (ctx) => {
      for (const { collection, id } of documents)
        await ctx.runMutation(compact.compact, { collection, document: id });
    });
  }

  tidy(): Promise<void> {
    const jobs = this.#component as unknown as Jobs;
    return this.#operate(async (ctx) => {
      await ctx.runMutation(jobs.leaves["prune"]!, {});
      await ctx.runMutation(jobs.retire["receipts"]!, { after: "" });
    });
  }

  newEpoch(collection: string): Promise<void> {
    const { epochs } = this.#component;
    return this.#operate(async (ctx) => void (await ctx.runMutation(epochs.newEpoch, { collection })));
  }

  #as(user: string | null): Pick<AppTest, "query" | "mutation"> {
    return (user === null ? undefined : this.#signedIn.get(user)) ?? this.#t;
  }

  /** What the component does by itself: it changes nothing that anybody could see. */
  #operate(
    work: (ctx: Pick<GenericMutationCtx<GenericDataModel>, "runMutation">) => Promise<void>,
  ): Promise<void> {
    return this.#change(
      () => this.#t.mutation(work),
      () => false,
    );
  }

  #change<T>(work: () => Promise<T>, mayChange: (result: T) => boolean): Promise<T> {
    return this.#world.timeline.during(async () => {
      try {
        const result = await work();
        await this.#tell(mayChange(result));
        return result;
      } catch (error) {
        await this.#tell(false);
        throw error;
      }
    });
  }

  /** What functions have scheduled runs when its time has come. */
  async #lookAtBackground(): Promise<void> {
    const { timersGoneOff } = this.#world.timeline;
    if (this.#timersSeen === timersGoneOff) return;
    this.#timersSeen = timersGoneOff;
    await this.#tell(true);
  }

  async #tell(mayChange: boolean): Promise<void> {
    const { epochs, states } = await this.#t.query((ctx) =>
      ctx.runQuery(this.#component.simulation.look, {}),
    );
    const rows = new Map<string, PlainRow[]>();
    for (const [collection, table] of this.#setup.tables) rows.set(collection, await this.#rowsOf(table));
    this.#world.onCommit({
      mayChange,
      epochs: new Map(epochs.map(({ collection, epoch }) => [collection, epoch])),
      states,
      version: 1,
      rows,
    });
    this.#world.onChange();
  }

  async #rowsOf(table: string): Promise<PlainRow[]> {
    const rows = await this.#t.run((ctx) => ctx.db.query(table).take(mostRows));
    return rows.map(({ _id, _creationTime, ...row }) => row as unknown as PlainRow);
  }

  #watched(t: AppTest): AppTest {
    return new Proxy(t, {
      get: (target, name) => {
        const own = Reflect.get(target, name) as (...args: unknown[]) => unknown;
        if (narrowing.includes(name)) return (...args: unknown[]) => this.#watched(own(...args) as AppTest);
        if (!writing.includes(name)) return own;
        return async (...args: unknown[]) => {
          try {
            return await own(...args);
          } finally {
            await this.#tell(true);
          }
        };
      },
    });
  }
}

function hasApplied(result: PushResult): boolean {
  return result.type === "results" && result.results.some(({ status }) => status === "applied");
}
