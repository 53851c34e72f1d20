// Checked by `npm run typecheck`: the server API as an app uses it.
import {
  defineSchema,
  defineTable,
  internalMutationGeneric,
  type DataModelFromSchemaDefinition,
  type FilterApi,
  type ApiFromModules,
  type FunctionReference,
  type FunctionReturnType,
  type GenericMutationCtx,
  type MutationBuilder,
} from "convex/server";
import { v, type CommitTsPlaceholder } from "convex/values";
import { defineCollection, field, type RowOf } from "../collections/index.js";
import type { ComponentApi } from "../component/_generated/component.js";
import type { ReplicaApi } from "../shared/replicaApi.js";
import { refuse, replicaTable, Replicate, type ReplicateFunctions, type WriteRequest } from "./index.js";

const sites = defineCollection("sites", {
  fields: {
    name: v.string(),
    country: v.string(),
    status: v.union(v.literal("open"), v.literal("surveyed")),
    assignee: v.optional(v.string()),
    address: v.object({ city: v.string(), zip: v.optional(v.string()) }),
    visits: field.counter(),
    tags: field.set(v.string()),
  },
  defaults: { status: "open" },
  scope: (row) => row.country,
});
const settings = defineCollection("settings", { fields: { theme: v.string() } });
type Site = RowOf<typeof sites>;

// A real table definition: indexes over replicated, nested and server-only fields.
export const schema = defineSchema({
  sites: replicaTable(sites, { embedding: v.optional(v.array(v.float64())) })
    .index("by_status", ["status"])
    .index("by_country_and_city", ["country", "address.city"])
    .searchIndex("search_name", { searchField: "name", filterFields: ["country"] }),
  members: defineTable({ user: v.string(), country: v.string() }).index("by_user", ["user", "country"]),
});
type DataModel = DataModelFromSchemaDefinition<typeof schema>;
// @ts-expect-error no such field
replicaTable(sites).index("bad", ["nope"]);
// @ts-expect-error server fields are optional: replication inserts rows without them
replicaTable(sites, { score: v.number() });

declare const component: ComponentApi;
declare const internal: { emails: { send: FunctionReference<"mutation", "internal", { id: string }, null> } };

export const replicate = new Replicate<DataModel>(component, {
  user: async (ctx) => (await ctx.auth.getUserIdentity())?.tokenIdentifier ?? null,
});
// @ts-expect-error who calls must be said
new Replicate<DataModel>(component, {});

replicate.collection(sites, {
  table: "sites",
  read: async (ctx, { scope, user }) => {
    if (user === null) return false;
    const membership = ctx.db
      .query("members")
      .withIndex("by_user", (q) => q.eq("user", user).eq("country", scope));
    return (await membership.first()) !== null;
  },
  write: async (_ctx, { user, scope, previousScope, id, type, before, after }) => {
    if (type === "insert") {
      before satisfies null;
      after satisfies Site;
      after.visits satisfies number;
      after.tags satisfies readonly string[];
    }
    if (type === "update") before.status satisfies "open" | "surveyed";
    if (type === "delete") after satisfies null;
    // @ts-expect-error there is no such type of write
    if (type === "replace") return false;
    id satisfies string;
    previousScope satisfies string | null;
    if (user === null) throw refuse("Sign in to edit.", { reason: "anonymous" });
    user satisfies string;
    return scope !== "XX";
  },
  onWrite: async (ctx, change) => {
    change.source satisfies "client" | "server" | "import";
    if (change.type === "update" && change.before.status !== change.after.status)
      await ctx.scheduler.runAfter(0, internal.emails.send, { id: change.id });
    // @ts-expect-error a delete has no row after it
    if (change.type === "delete") void change.after.name;
  },
});
replicate.collection(settings, { read: () => true, write: () => true });
// @ts-expect-error a hook that forgets to answer does not compile
replicate.collection(settings, { read: () => true, write: async () => {} });
// @ts-expect-error who may read must be said
replicate.collection(settings, { write: () => true });
// @ts-expect-error the table cannot hold the row
replicate.collection(sites, { table: "members", read: () => true, write: () => true });
// @ts-expect-error no such table
replicate.collection(sites, { table: "places", read: () => true, write: () => true });

/** A permission that is written once, for hooks of several collections. */
export const isSignedIn = ({ user }: Pick<WriteRequest<typeof sites>, "user">) => user !== null;

// What Convex generates from a module that exports the functions is what a replica takes.
const functions = replicate.api();
functions satisfies ReplicateFunctions;
export const { push, pull, status } = functions;
declare const modules: ApiFromModules<{ replicate: typeof functions }>;
export const api = modules satisfies FilterApi<
  typeof modules,
  FunctionReference<"query" | "mutation", "public">
>;
api.replicate satisfies ReplicaApi;
declare const pushed: FunctionReturnType<typeof api.replicate.push>;
if (pushed.type === "results") pushed.ts satisfies bigint | CommitTsPlaceholder;
// @ts-expect-error pushes name their client
api.replicate.push._args satisfies { client: number };

// The app's own functions.
const mutation = internalMutationGeneric as MutationBuilder<DataModel, "internal">;
export const survey = mutation({
  args: { id: v.string() },
  returns: v.null(),
  handler: async (ctx, { id }) => {
    const writer = replicate.writer(ctx, sites);
    await writer.insert({ id, name: "n", country: "FR", address: { city: "P" }, visits: 3, tags: ["a"] });
    // @ts-expect-error missing fields
    await writer.insert({ id });
    // @ts-expect-error a value of the wrong type
    await writer.insert({ id, name: 3, country: "FR", address: { city: "P" } });
    await writer.insertMany([{ id, name: "n", country: "FR", address: { city: "P" } }]);
    await writer.update(id, (draft) => {
      draft.status = "surveyed";
      draft.visits.increment();
      draft.tags.add("urgent");
      delete draft.assignee;
      // @ts-expect-error counters are incremented, not set
      draft.visits = 3;
      // @ts-expect-error no such status
      draft.status = "closed";
    });
    (await writer.get(id)) satisfies Site | null;
    await writer.delete(id);
    (await replicate.admin(ctx).newEpoch(sites)) satisfies string;
    const byId = ctx.db.query("sites").withIndex("by_replica_id", (q) => q.eq("id", id));
    const row = await byId.unique();
    row?.embedding satisfies number[] | undefined;
    row?.visits satisfies number | undefined;
    await ctx.db
      .query("sites")
      .withIndex("by_country_and_city", (q) => q.eq("country", "FR").eq("address.city", "x"))
      .first();
    // @ts-expect-error not an index
    await ctx.db.query("sites").withIndex("by_nope").first();
    return null;
  },
});

/** A function of the app's that takes any mutation's context. */
export async function rename(ctx: GenericMutationCtx<DataModel>, id: string): Promise<void> {
  await replicate.writer(ctx, sites).update(id, (draft) => void (draft.name = "renamed"));
}
