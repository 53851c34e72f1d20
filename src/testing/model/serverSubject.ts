// The real server functions over the real component in convex-test.
import type { FunctionReference } from "convex/server";
import type { PlainRow } from "../../collections/index.js";
import { sites } from "../fieldApp.js";
import { createServerApp } from "../serverApp.js";
import { writeOperation } from "../writeOperation.js";
import { scopes } from "./steps.js";
import type { Subject } from "./subject.js";

type Jobs = Record<"leaves" | "retire", Record<string, FunctionReference<"mutation", "internal">>>;

/** @param time - which the tests under way have taken hold of: the real clock is never read */
export function createServerSubject(time: { now(): number; pass(ms: number): void }): Subject {
  const readable = new Set<string>(scopes);
  const app = createServerApp(() => ({ read: (_ctx, { scope }) => readable.has(scope) }));
  const { t, api, component, replicate } = app;
  const jobs = component as unknown as Jobs;
  return {
    push: (args) => t.mutation(api.push, args),
    pull: (args) => t.query(api.pull, args),
    pullPart: (args) => t.query(api.pullPart!, args),
    status: (client, transactions) => t.query(api.status, { client, transactions }),
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
        const author = await ctx.runMutation(component.registry.serverAuthor, { collection: "sites" });
        return { author, ts: ctx.db.vars.commitTs as unknown as bigint };
      }),
    compact: (ids) =>
      t.mutation(async (ctx) => {
        for (const document of ids)
          for (const part of ["", "log", "log\u00001"])
            await ctx.runMutation(component.compact.compact, { collection: "sites", document, part });
      }),
    purge: async (document) => {
      const ts = await t.mutation(async (ctx) => {
        const wasThere = await replicate.admin(ctx).purge(sites, document);
        return wasThere ? (ctx.db.vars.commitTs as unknown as bigint) : null;
      });
      // What its texts hold goes in jobs that follow.
      await new Promise((resolve) => setTimeout(resolve, 0));
      await t.finishInProgressScheduledFunctions();
      return ts;
    },
    tidy: async () => {
      await t.mutation((ctx) => ctx.runMutation(jobs.leaves["prune"]!, {}));
      await t.mutation((ctx) => ctx.runMutation(jobs.retire["receipts"]!, { after: "" }));
    },
    newEpoch: () => t.mutation((ctx) => replicate.admin(ctx).newEpoch(sites)),
    permit: (scope, isReadable) => void (isReadable ? readable.add(scope) : readable.delete(scope)),
    now: () => time.now(),
    pass: async (ms) => time.pass(ms),
  };
}
