// The real server functions over the real component in convex-test. No time passes while a function runs, and none runs
// beside another: what is late is the way there and back.
import type { FunctionReference } from "convex/server";
import { ConvexError } from "convex/values";
import type { PlainRow } from "../../../collections/index.js";
import type { PushResult } from "../../../shared/wire.js";
import { restoreBackup, takeBackup } from "../../backup.js";
import { loadComponentModules } from "../../componentModules.js";
import { createServerApp } from "../../serverApp.js";
import { createServerFunctions } from "../../serverFunctions.js";
import { writeOperation } from "../../writeOperation.js";
import { sites } from "../../fieldApp.js";
import {
  endOfStream,
  leftOf,
  type BackendDriver,
  type SiteBackend,
  type SiteSurroundings,
} from "./backend.js";
import { isPush } from "../observations.js";
import { inVersion, newest, sitesOf } from "./releases.js";
import { siteHooks } from "./siteHooks.js";

type Jobs = Record<"leaves" | "retire", Record<string, FunctionReference<"mutation", "internal">>>;

export const convexTestDriver: BackendDriver = {
  engine: "convex-test",
  hasOwnGlobals: () => false,
  beginsAt: () => Date.UTC(2026, 0, 1),
  prepare: loadComponentModules,
  start: startConvexTestBackend,
};

async function startConvexTestBackend(world: SiteSurroundings): Promise<SiteBackend> {
  const app = createServerApp(() => siteHooks(world));
  const { t, api, component, replicate } = app;
  const releases = Array.from({ length: newest }, (_, n) =>
    createServerFunctions(() => siteHooks(world), sitesOf(n + 1)),
  );
  let version = 1;
  const jobs = component as unknown as Jobs;
  const as = (user: string | null) =>
    user === null ? t : t.withIdentity({ subject: user, tokenIdentifier: user });
  const keys = world.documents.map((document) => ({ collection: "sites", document, part: "" }));
  const tell = async (mayChange: boolean) => {
    const { states } = await t.query((ctx) => ctx.runQuery(component.states.load, { documents: keys }));
    const { epoch } = await t.query((ctx) => ctx.runQuery(component.stream.page, endOfStream));
    const rows = (await app.rows()).map(({ _id, ...row }) => row as PlainRow);
    world.onCommit(leftOf({ epoch, states, rows }, world.documents, { mayChange, version }));
    world.onChange();
  };
  /** @param mayChange whether it may change anything that anybody could see */
  const change = <T>(work: () => Promise<T>, mayChange: (result: T) => boolean): Promise<T> =>
    world.timeline.during(async () => {
      try {
        const result = await work();
        await tell(mayChange(result));
        return result;
      } catch (error) {
        await tell(false);
        throw error;
      }
    });
  const nothing = () => false;
  const anything = () => true;
  return {
    api,
    query: (query, args, user) => world.timeline.during(() => as(user).query(query, args)),
    mutation: (mutation, args, user) =>
      change(
        () => as(user).mutation(mutation, args),
        (result) => isPush(args) && hasApplied(result as PushResult),
      ),
    write: async (changes) => {
      const write = () =>
        t.mutation(async (ctx) => {
          const writer = releases[version - 1]!.writer(ctx, sitesOf(version));
          for (const { document, operations } of changes)
            for (const operation of operations)
              await writeOperation(writer, document, inVersion(version, operation));
        });
      try {
        await change(write, anything);
        return true;
      } catch (error) {
        if (error instanceof ConvexError && (error.data as { code?: string }).code === "schema_too_new")
          return false;
        throw error;
      }
    },
    deploy: (next) => {
      version = next;
      app.deploy(releases[next - 1]!);
      world.onChange();
    },
    compact: (ids) =>
      change(
        () =>
          t.mutation(async (ctx) => {
            for (const document of ids)
              await ctx.runMutation(component.compact.compact, { collection: "sites", document });
          }),
        nothing,
      ),
    purge: async (document) => {
      await change(() => t.mutation((ctx) => replicate.admin(ctx).purge(sites, document)), anything);
    },
    tidy: () =>
      change(async () => {
        await t.mutation((ctx) => ctx.runMutation(jobs.leaves["prune"]!, {}));
        await t.mutation((ctx) => ctx.runMutation(jobs.retire["receipts"]!, { after: "" }));
      }, nothing),
    newEpoch: async () => {
      await change(() => t.mutation((ctx) => replicate.admin(ctx).newEpoch(sites)), nothing);
    },
    backUp: async () => {
      const backup = await world.timeline.during(() => takeBackup(app));
      return (onRestored) =>
        change(async () => {
          await restoreBackup(app, backup);
          onRestored();
        }, nothing);
    },
  };
}

function hasApplied(result: PushResult): boolean {
  return result.type === "results" && result.results.some(({ status }) => status === "applied");
}
