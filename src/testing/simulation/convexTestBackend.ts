// The real server functions over the real component in convex-test. No time passes while a function runs, and none runs
// beside another: what is late is the way there and back.
import type { FunctionReference } from "convex/server";
import { ConvexError } from "convex/values";
import type { PlainRow } from "../../collections/index.js";
import type { PushResult } from "../../shared/wire.js";
import { restoreBackup, takeBackup } from "../backup.js";
import { loadComponentModules } from "../componentModules.js";
import { createServerApp } from "../serverApp.js";
import { createServerFunctions } from "../serverFunctions.js";
import { writeOperation } from "../writeOperation.js";
import { sites } from "../fieldApp.js";
import { endOfStream, type Backend, type BackendDriver, type Surroundings } from "./backend.js";
import { isPush } from "./observations.js";
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

async function startConvexTestBackend(world: Surroundings): Promise<Backend> {
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
  const tell = async (ts: bigint | null) => {
    const { states } = await t.query((ctx) => ctx.runQuery(component.states.load, { documents: keys }));
    const { epoch } = await t.query((ctx) => ctx.runQuery(component.stream.page, endOfStream));
    const rows = (await app.rows()).map(({ _id, ...row }) => row as PlainRow);
    world.onCommit({ ts, epoch, version, states, rows });
    world.onChange();
  };
  /** @param committed when it was; null: it changes nothing that anybody could see */
  const change = <T>(work: () => Promise<T>, committed: (result: T) => bigint | null): Promise<T> =>
    world.timeline.during(async () => {
      try {
        const result = await work();
        await tell(committed(result));
        return result;
      } catch (error) {
        await tell(null);
        throw error;
      }
    });
  const nothingSeen = () => null;
  return {
    api,
    query: (query, args, user) => world.timeline.during(() => as(user).query(query, args)),
    mutation: (mutation, args, user) =>
      change(
        () => as(user).mutation(mutation, args),
        (result) => (isPush(args) ? whenApplied(result as PushResult) : null),
      ),
    write: async (changes) => {
      const write = () =>
        t.mutation(async (ctx) => {
          const writer = releases[version - 1]!.writer(ctx, sitesOf(version));
          for (const { document, operations } of changes)
            for (const operation of operations)
              await writeOperation(writer, document, inVersion(version, operation));
          return ctx.db.vars.commitTs as unknown as bigint;
        });
      try {
        await change(write, (ts) => ts);
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
        nothingSeen,
      ),
    purge: async (document) => {
      const purge = () =>
        t.mutation(async (ctx) => {
          await replicate.admin(ctx).purge(sites, document);
          return ctx.db.vars.commitTs as unknown as bigint;
        });
      await change(purge, (ts) => ts);
    },
    tidy: () =>
      change(async () => {
        await t.mutation((ctx) => ctx.runMutation(jobs.leaves["prune"]!, {}));
        await t.mutation((ctx) => ctx.runMutation(jobs.retire["receipts"]!, { after: "" }));
      }, nothingSeen),
    newEpoch: async () => {
      await change(() => t.mutation((ctx) => replicate.admin(ctx).newEpoch(sites)), nothingSeen);
    },
    backUp: async () => {
      const backup = await world.timeline.during(() => takeBackup(app));
      return (onRestored) =>
        change(async () => {
          await restoreBackup(app, backup);
          onRestored();
        }, nothingSeen);
    },
  };
}

function whenApplied(result: PushResult): bigint | null {
  if (result.type === "refused" || !result.results.some(({ status }) => status === "applied")) return null;
  return result.ts as unknown as bigint;
}
