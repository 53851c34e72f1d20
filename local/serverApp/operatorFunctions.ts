// What a test does to a server, and how it looks at one, as functions of the app and of the component.
import { makeFunctionReference, mutationGeneric, queryGeneric, type FunctionReference } from "convex/server";
import { v } from "convex/values";
import type { Replicate } from "../../src/server/index.js";
import { replicateComponent, type ServerDataModel } from "../../src/testing/serverFunctions.js";
import { endOfStream, type ServerWrite } from "../../src/testing/simulation/sites/backend.js";
import { inVersion, sitesOf } from "../../src/testing/simulation/sites/releases.js";
import { writeOperation } from "../../src/testing/writeOperation.js";

const component = replicateComponent as typeof replicateComponent & {
  operator: { tidy: FunctionReference<"mutation", "internal"> };
};

/** Of a release of the app, in its module `operator`. */
export function operatorFunctions(replicate: Replicate<ServerDataModel>, version: number) {
  const sites = sitesOf(version);
  return {
    look: queryGeneric({
      args: { documents: v.array(v.string()) },
      handler: async (ctx, { documents }) => {
        const keys = documents.map((document) => ({ collection: "sites", document, part: "" }));
        const { states } = await ctx.runQuery(component.states.load, { documents: keys });
        const { epoch } = await ctx.runQuery(component.stream.page, endOfStream);
        const rows = await ctx.db.query("sites").withIndex("by_replica_id").take(1000);
        return {
          epoch,
          states: states.map(({ scope, ts, blobs }) => ({ scope, ts, blobs })),
          rows: rows.map(({ _id, _creationTime, ...row }) => row),
        };
      },
    }),
    write: mutationGeneric({
      args: { changes: v.array(v.any()) },
      handler: async (ctx, { changes }) => {
        const writer = replicate.writer(ctx, sites);
        for (const { document, operations } of changes as ServerWrite[])
          for (const operation of operations)
            await writeOperation(writer, document, inVersion(version, operation));
      },
    }),
    compact: mutationGeneric({
      args: { documents: v.array(v.string()), parts: v.array(v.string()) },
      handler: async (ctx, { documents, parts }) => {
        for (const document of documents)
          for (const part of parts)
            await ctx.runMutation(component.compact.compact, { collection: "sites", document, part });
      },
    }),
    purge: mutationGeneric({
      args: { document: v.string() },
      handler: (ctx, { document }) => replicate.admin(ctx).purge(sites, document),
    }),
    tidy: mutationGeneric({
      args: {},
      handler: async (ctx) => void (await ctx.runMutation(component.operator.tidy, {})),
    }),
    newEpoch: mutationGeneric({ args: {}, handler: (ctx) => replicate.admin(ctx).newEpoch(sites) }),
    /** Under which the app's own writes of an epoch are made. */
    author: mutationGeneric({
      args: {},
      handler: (ctx) => ctx.runMutation(component.registry.serverAuthor, { collection: "sites" }),
    }),
  };
}

/** Of the component, in its module `operator`: an app may not call what is internal there. */
export const componentFunctions = {
  tidy: mutationGeneric({
    args: {},
    handler: async (ctx) => {
      await ctx.runMutation(makeFunctionReference<"mutation">("leaves:prune"), {});
      await ctx.runMutation(makeFunctionReference<"mutation">("retire:receipts"), { after: "" });
    },
  }),
};
