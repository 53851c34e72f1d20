// Compiled by `npm run typecheck`: what a test may say of its app, and what not.
import { defineSchema, type FunctionReference } from "convex/server";
import { v } from "convex/values";
import { defineCollection, field } from "../../collections/index.js";
import { replicaTable } from "../../server/index.js";
import type { ReplicaApi } from "../../shared/replicaApi.js";
import { simulate } from "./simulate.js";

const sites = defineCollection("sites", {
  fields: { name: v.string(), country: v.string(), visits: field.counter() },
  scope: (row) => row.country,
});
const notes = defineCollection("notes", { fields: { text: v.string() } });
const others = defineCollection("others", { fields: { text: v.string() } });
const schema = defineSchema({ sites: replicaTable(sites), notes: replicaTable(notes) });
declare const api: {
  replicate: ReplicaApi;
  sites: { rename: FunctionReference<"mutation", "public", { id: string; name: string }> };
};

/** The guide's, less the test around it. */
void simulate({
  schema,
  modules: {},
  api: api.replicate,
  collections: [sites, notes],
  users: [{ subject: "anna" }, { subject: "ben" }],
  subscriptions: { sites: ["FR", "DE"], notes: true },
  writes: {
    found: ({ replica, random }) => {
      const all = replica.collection(sites);
      all.insert({ id: all.newId(), name: random.word(), country: random.chance(0.5) ? "FR" : "DE" });
    },
    visit: ({ replica, random }) => {
      const site = random.pick(replica.collection(sites).rows());
      if (site === undefined) return;
      replica.transact(() => {
        replica.collection(sites).update(site.id, (draft) => draft.visits.increment());
        replica.collection(notes).insert({ id: replica.collection(notes).newId(), text: site.name });
      });
    },
  },
  serverWrites: {
    rename: async ({ t, random }) => {
      const site = random.pick(await t.run((ctx) => ctx.db.query("sites").collect()));
      if (site !== undefined) await t.mutation(api.sites.rename, { id: site.id, name: random.word() });
    },
  },
  check: async ({ t, replicas }) => {
    const visited = await t.run((ctx) => ctx.db.query("sites").collect());
    visited[0]?.visits satisfies number | undefined;
    for (const replica of replicas) replica.collection(notes).size satisfies number;
  },
}).then(({ seeds, steps }) => [seeds, steps] satisfies number[]);

const app = { schema, modules: {}, api: api.replicate, collections: [sites, notes] } as const;
const writes = { nothing: () => {} };

// @ts-expect-error a scoped collection names its scopes
void simulate({ ...app, writes, subscriptions: { sites: true } });
// @ts-expect-error an unscoped one has none
void simulate({ ...app, writes, subscriptions: { notes: ["FR"] } });
// @ts-expect-error not one of the collections
void simulate({ ...app, writes, subscriptions: { others: true } });
// @ts-expect-error nobody does anything
void simulate({ ...app, subscriptions: { notes: true } });
void simulate({
  ...app,
  subscriptions: { notes: true },
  writes: {
    // @ts-expect-error not one of the collections
    wrong: ({ replica }) => void replica.collection(others),
  },
});
void simulate({
  ...app,
  writes,
  subscriptions: {},
  // @ts-expect-error the schema has no such table
  check: async ({ t }) => t.run((ctx) => ctx.db.query("x").first()),
});
void simulate({ ...app, writes, subscriptions: { notes: true }, tables: { notes: null, sites: "sites" } });
