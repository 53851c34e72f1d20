/// <reference types="vite/client" />
// The app that tests run: the real component behind the real server functions, in convex-test.
import { convexTest } from "convex-test";
import {
  anyApi,
  componentsGeneric,
  defineSchema,
  type DataModelFromSchemaDefinition,
  type FunctionArgs,
} from "convex/server";
import { v } from "convex/values";
import { defineCollection, field } from "../collections/index.js";
import type { ComponentApi } from "../component/_generated/component.js";
import componentSchema from "../component/schema.js";
import { refuse, replicaTable, Replicate } from "../server/index.js";
import type { ReplicaApi } from "../shared/replicaApi.js";
import { registerChildren } from "../test.js";
import { componentModules } from "./componentModules.js";

export const sites = defineCollection("sites", {
  fields: {
    name: v.string(),
    country: v.string(),
    status: v.union(v.literal("open"), v.literal("surveyed")),
    note: v.optional(v.string()),
    visits: field.counter(),
    tags: field.set(v.string()),
    log: field.text(),
    report: field.richText(),
  },
  defaults: { status: "open" },
  scope: (row) => row.country,
});

/** Without an app table and without a scope. */
export const notes = defineCollection("notes", { fields: { text: v.string() } });

const schema = defineSchema({ sites: replicaTable(sites, { score: v.optional(v.number()) }) });
type DataModel = DataModelFromSchemaDefinition<typeof schema>;
export type FieldApp = ReturnType<typeof createFieldApp>;

const component = componentsGeneric()["replicate"] as unknown as ComponentApi;

/** Scope `XX` may not be read, scope `LU` not be written. */
export function createFieldApp() {
  const replicate = new Replicate<DataModel>(component, {
    user: async (ctx) => (await ctx.auth.getUserIdentity())?.tokenIdentifier ?? null,
  });
  replicate.collection(sites, {
    table: "sites",
    read: (_ctx, { scope }) => scope !== "XX",
    write: (_ctx, { scope, after }) => {
      if (scope === "LU") throw refuse("Luxembourg is read-only.", { until: 2027 });
      return after?.name !== "forbidden";
    },
    onWrite: (_ctx, { after }) => {
      if (after?.name === "abort") throw refuse("No site may have this name.");
    },
  });
  replicate.collection(notes, { read: () => true, write: () => true });
  const functions = replicate.api();
  const t = convexTest(schema, {
    "./_generated/api.js": async () => ({}),
    "./replicate.ts": async () => functions,
  });
  t.registerComponent("replicate", componentSchema, componentModules({ hasFollowers: false }));
  registerChildren(t as unknown as Parameters<typeof registerChildren>[0], "replicate");
  const api = anyApi["replicate"] as unknown as ReplicaApi;
  return {
    t,
    api,
    replicate,
    component,
    push: (args: FunctionArgs<ReplicaApi["push"]>) => t.mutation(api.push, args),
    pull: (args: FunctionArgs<ReplicaApi["pull"]>) => t.query(api.pull, args),
    /** Rows as the app's own functions see them, without what Convex adds. */
    rows: () =>
      t.query(async (ctx) => {
        const rows = await ctx.db.query("sites").withIndex("by_replica_id").collect();
        return rows.map(({ _id, _creationTime, ...row }) => row);
      }),
    writer: <T>(work: (writer: ReturnType<typeof replicate.writer<typeof sites>>) => Promise<T>) =>
      t.mutation((ctx) => work(replicate.writer(ctx, sites))),
  };
}
