// The real server functions over the real component in convex-test.
import type { FunctionReference } from "convex/server";
import type { PlainRow } from "../../collections/index.js";
import { restoreBackup, takeBackup } from "../backup.js";
import { loadComponentModules } from "../componentModules.js";
import { createServerApp } from "../serverApp.js";
import { writeOperation } from "../writeOperation.js";
import { sites } from "../fieldApp.js";
import { refuse } from "../../server/index.js";
import type { AccessRules, Backend } from "./backend.js";

type Jobs = Record<"leaves" | "retire", Record<string, FunctionReference<"mutation", "internal">>>;

export async function startConvexTestBackend(rules: AccessRules): Promise<Backend> {
  await loadComponentModules();
  const app = createServerApp(() => ({
    read: (_ctx, { user, scope }) => rules.mayRead(user, scope),
    onWrite: (_ctx, { after }) => {
      if (after?.name === "abort") throw refuse("No site may have this name.");
    },
  }));
  const { t, api, component, replicate } = app;
  const jobs = component as unknown as Jobs;
  const as = (user: string | null) =>
    user === null ? t : t.withIdentity({ subject: user, tokenIdentifier: user });
  return {
    api,
    query: (query, args, user) => as(user).query(query, args),
    mutation: (mutation, args, user) => as(user).mutation(mutation, args),
    rows: async () => (await app.rows()).map(({ _id, ...row }) => row as PlainRow),
    states: async (ids) => {
      const keys = ids.map((document) => ({ collection: "sites", document, part: "" }));
      const { states } = await t.query((ctx) => ctx.runQuery(component.states.load, { documents: keys }));
      return states;
    },
    write: (changes) =>
      t.mutation(async (ctx) => {
        const writer = replicate.writer(ctx, sites);
        for (const { document, operations } of changes)
          for (const operation of operations) await writeOperation(writer, document, operation);
        return ctx.db.vars.commitTs as unknown as bigint;
      }),
    compact: (ids) =>
      t.mutation(async (ctx) => {
        for (const document of ids)
          await ctx.runMutation(component.compact.compact, { collection: "sites", document });
      }),
    purge: (document) =>
      t.mutation(async (ctx) => {
        await replicate.admin(ctx).purge(sites, document);
        return ctx.db.vars.commitTs as unknown as bigint;
      }),
    tidy: async () => {
      await t.mutation((ctx) => ctx.runMutation(jobs.leaves["prune"]!, {}));
      await t.mutation((ctx) => ctx.runMutation(jobs.retire["receipts"]!, { after: "" }));
    },
    newEpoch: () => t.mutation((ctx) => replicate.admin(ctx).newEpoch(sites)),
    backUp: async () => {
      const backup = await takeBackup(app);
      return () => restoreBackup(app, backup);
    },
    idle: () => t.finishInProgressScheduledFunctions(),
  };
}
