// Compiled by `npm run typecheck`: what of the public API must compile, and what must not.
import { ConvexClient } from "convex/browser";
import { ConvexReactClient } from "convex/react";
import { v } from "convex/values";
import { defineCollection, field, type AnyCollection, type RowOf } from "../collections/index.js";
import {
  createReplica,
  lastUser,
  NonRetriableError,
  ReplicaError,
  type Replica,
  type ReplicaApi,
} from "./index.js";

const sites = defineCollection("sites", {
  fields: {
    name: v.string(),
    country: v.string(),
    status: v.union(v.literal("open"), v.literal("surveyed")),
    assignee: v.optional(v.string()),
    address: v.object({ city: v.string() }),
    visits: field.counter(),
    tags: field.set(v.string()),
  },
  defaults: { status: "open" },
  scope: (row) => row.country,
});
const settings = defineCollection("settings", { fields: { theme: v.string() } });
const other = defineCollection("other", { fields: { theme: v.string() } });
declare const api: ReplicaApi;
declare const foreignApi: { send: object };

const replica = createReplica({
  client: new ConvexClient(""),
  api,
  collections: [sites, settings],
  name: "fieldbook",
  user: null,
});
createReplica({ client: new ConvexReactClient(""), api, collections: [sites], name: "fieldbook", user: "u" });
// @ts-expect-error a module that does not export the functions
createReplica({ client: new ConvexClient(""), api: foreignApi, collections: [sites], name: "f", user: null });

const col = replica.collection(sites);
// @ts-expect-error not one of the replica's collections
replica.collection(other);
replica.subscribe(settings);
replica.subscribe(sites, { scopes: ["FR"] });
replica.subscribe(sites, { scopes: ["FR"], parts: "prefetch" });
replica.subscribe(settings, { parts: "onOpen" });
// @ts-expect-error a scoped collection names its scopes
replica.subscribe(sites);
// @ts-expect-error an unscoped one has none
replica.subscribe(settings, { scopes: ["FR"] });

const site = col.get("x")!;
site.visits satisfies number;
site.tags satisfies readonly string[];
site.assignee satisfies string | undefined;
// @ts-expect-error rows are read-only
site.name = "x";

col.update("x", (draft) => {
  draft.status = "surveyed";
  delete draft.assignee;
  draft.address.city = "Lyon";
  draft.visits.increment(2);
  draft.tags.add("urgent");
  // @ts-expect-error a counter is changed by increments
  draft.visits = 3;
  // @ts-expect-error members are strings here
  draft.tags.add(3);
  // @ts-expect-error not a status
  draft.status = "gone";
  // @ts-expect-error a required field stays
  delete draft.name;
  // @ts-expect-error an id never changes
  draft.id = "y";
});
// @ts-expect-error async callbacks do not compile
col.update("x", async (draft) => void (draft.name = "x"));
// @ts-expect-error nor here
replica.transact(async () => col.delete("x"));

const transaction = replica.transact(() => col.delete("x"), { metadata: { reason: "merge" } });
transaction.confirmed satisfies Promise<void>;
transaction.durable satisfies Promise<void>;
// @ts-expect-error nothing has to wait for a transaction
transaction.then satisfies unknown;
replica.transactions.list({ state: "failed", collection: sites, id: "x" });
// @ts-expect-error not one of the replica's collections
replica.transactions.list({ collection: other });

const full = { id: col.newId(), name: "n", country: "FR", address: { city: "L" } };
col.insert(full);
col.insert({ ...full, status: "surveyed", visits: 3, tags: ["a"] });
// @ts-expect-error unknown field
col.insert({ ...full, nope: 1 });
// @ts-expect-error missing field
col.insert({ id: "x", name: "n", country: "FR" });

const query = col.query({ where: (row) => row.status === "open", orderBy: ["name", "desc"], limit: 50 });
query.current[0]?.visits satisfies number | undefined;
// @ts-expect-error not a field
col.query({ orderBy: "nope" });

replica.events.on(
  "documentsChanged",
  ({ collection, ids }) => [collection, ids] satisfies [string, ReadonlySet<string>],
);
// @ts-expect-error no such event
replica.events.on("nope", () => {});

const error: unknown = transaction.error;
if (ReplicaError.is(error, "denied", "exists")) error.code satisfies "denied" | "exists";
// @ts-expect-error no such code
ReplicaError.is(error, "nope");

createReplica({
  client: new ConvexClient(""),
  api,
  collections: [sites, settings],
  name: "fieldbook",
  user: lastUser("fieldbook"),
  overrides: {
    sites: {
      merge: (row, pending) => ({ ...row, name: `${row.name} ${pending.operations.length}` }),
      retry: {
        attempts: 3,
        delay: (attempt) => attempt * 1000,
        classify: () => "retry" as const,
      },
    },
    settings: {
      persist: async ({ transaction, changes, attempt, signal }) => {
        [transaction.id, changes.length, attempt, signal.aborted] satisfies [string, number, number, boolean];
        throw new NonRetriableError("no");
      },
      awaitSync: async ({ signal }) => signal.throwIfAborted(),
    },
  },
});
const options = { client: new ConvexClient(""), api, collections: [sites], name: "f", user: null } as const;
// @ts-expect-error not one of the replica's collections
createReplica({ ...options, overrides: { settings: {} } });
// @ts-expect-error a merge returns a whole row
createReplica({ ...options, overrides: { sites: { merge: () => ({ name: "x" }) } } });
const parallel = replica.transact(() => col.delete("x"), { strategy: "parallel", metadata: {} });
parallel.attempts[0]?.nextRetryAt satisfies number | undefined;
parallel.queuedBehind satisfies readonly string[];
// @ts-expect-error no such strategy
replica.transact(() => col.delete("x"), { strategy: "fast" });

export const anyReplica: Replica = replica;
export function generic<C extends AnyCollection>(r: Replica, definition: C): Readonly<RowOf<C>> | undefined {
  return r.collection(definition).get("x");
}
