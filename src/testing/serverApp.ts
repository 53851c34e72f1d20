/// <reference types="vite/client" />
// The real server functions over the real component in convex-test, with hooks that a test chooses, with Convex's
// own limits on, and with a look into the component's tables.
import { convexTest } from "convex-test";
import {
  anyApi,
  internalMutationGeneric,
  queryGeneric,
  type FunctionArgs,
  type FunctionReference,
} from "convex/server";
import { v } from "convex/values";
import type { MutationCtx as ComponentCtx } from "../component/_generated/server.js";
import componentSchema from "../component/schema.js";
import type { Replicate } from "../server/index.js";
import type { ReplicaApi } from "../shared/replicaApi.js";
import { componentModules, registerComponentChildren } from "./componentModules.js";
import { sites } from "./fieldApp.js";
import {
  createServerFunctions,
  replicateComponent,
  serverSchema,
  type ServerDataModel,
  type SiteHooks,
} from "./serverFunctions.js";

export type ServerApp = ReturnType<typeof createServerApp>;

const component = replicateComponent as typeof replicateComponent & {
  tables: {
    scheduled: FunctionReference<"query", "internal", Record<string, never>, number>;
    all: FunctionReference<"query", "internal", Record<string, never>, Record<string, object[]>>;
    perform: FunctionReference<"mutation", "internal", Record<string, never>, null>;
  };
};

/** How many functions the component has scheduled. */
const countScheduled = queryGeneric({
  args: {},
  handler: async (ctx) => (await ctx.db.system.query("_scheduled_functions").take(1000)).length,
});

/** Every row of the component's tables, as tests look at them. */
const allTables = queryGeneric({
  args: {},
  handler: async (ctx) => {
    const tables: Record<string, object[]> = {};
    for (const name of Object.keys(componentSchema.tables)) {
      const rows = await ctx.db.query(name).take(5000);
      tables[name] = rows.map(({ _creationTime, ...row }) => row);
    }
    return tables;
  },
});

type ComponentWork = (ctx: ComponentCtx) => Promise<void>;
/** What `perform` does next: a test's own work in the component's tables, which nothing else can spoil. */
const planned: ComponentWork[] = [];
const perform = internalMutationGeneric({
  args: {},
  returns: v.null(),
  handler: async (ctx) => {
    await planned.shift()?.(ctx as unknown as ComponentCtx);
    return null;
  },
});

/**
 * @param hooks - in place of the default ones; they get the app, to write with it
 * @param hasFollowers - pushes wake the followers; the test drives what is scheduled
 */
export function createServerApp(
  hooks: (replicate: Replicate<ServerDataModel>) => Partial<SiteHooks> = () => ({}),
  { hasFollowers = false } = {},
) {
  const replicate = createServerFunctions(hooks);
  let functions = replicate.api();
  const t = convexTest({
    schema: serverSchema,
    modules: { "./_generated/api.js": async () => ({}), "./replicate.ts": async () => functions },
    transactionLimits: true,
  });
  t.registerComponent("replicate", componentSchema, {
    ...componentModules({ hasFollowers }),
    "../component/tables.ts": async () => ({ all: allTables, scheduled: countScheduled, perform }),
  });
  registerComponentChildren(t as unknown as Parameters<typeof registerComponentChildren>[0]);
  const api = anyApi["replicate"] as unknown as ReplicaApi;
  const rows = () =>
    t.query(async (ctx) => {
      const all = await ctx.db.query("sites").withIndex("by_replica_id").take(1000);
      return all.map(({ _creationTime, ...row }) => row);
    });
  const tables = () => t.query((ctx) => ctx.runQuery(component.tables.all, {}));
  return {
    t,
    api,
    replicate,
    component,
    rows,
    tables,
    /** Another release of the app's functions. */
    deploy: (release: Replicate<ServerDataModel>) => void (functions = release.api()),
    scheduled: () => t.query((ctx) => ctx.runQuery(component.tables.scheduled, {})),
    /**
     * Lets fake time pass, second by second, with what is scheduled in it.
     *
     * @param advance - `vi.advanceTimersByTimeAsync`
     * @param after - is called after each second, with the milliseconds that had passed before it
     */
    pass: async (
      ms: number,
      advance: (ms: number) => Promise<unknown>,
      after: (passedMs: number) => unknown = () => {},
    ) => {
      for (let passed = 0; passed < ms; passed += 1000) {
        await advance(1000);
        await t.finishInProgressScheduledFunctions();
        await after(passed);
      }
    },
    /** Works on the component's own tables, as nothing but a damaged backup would. */
    inComponent: async (work: ComponentWork) => {
      planned.push(work);
      await t.mutation((ctx) => ctx.runMutation(component.tables.perform, {}));
    },
    pull: (args: FunctionArgs<ReplicaApi["pull"]>) => t.query(api.pull, args),
    /** The app's rows and all of the component's, to compare before and after. */
    everything: async (): Promise<Record<string, object[]>> => ({ rows: await rows(), ...(await tables()) }),
    writer: <T>(work: (writer: ReturnType<typeof replicate.writer<typeof sites>>) => Promise<T>) =>
      t.mutation((ctx) => work(replicate.writer(ctx, sites))),
  };
}
