/// <reference types="vite/client" />
// One collection in three schema versions, and a server that can be of each: the real component in convex-test.
import { convexTest } from "convex-test";
import { anyApi, componentsGeneric, defineSchema, defineTable, type FunctionArgs } from "convex/server";
import { v } from "convex/values";
import { defineCollection, field, type AnyCollection } from "../collections/index.js";
import type { ComponentApi } from "../component/_generated/component.js";
import componentSchema from "../component/schema.js";
import { Replicate } from "../server/index.js";
import type { ReplicaApi } from "../shared/replicaApi.js";
import { registerChildren } from "../test.js";
import { componentModules } from "./componentModules.js";

const merging = { visits: field.counter(), tags: field.set(v.string()), log: field.text() };

export const placesV1 = defineCollection("places", {
  fields: { name: v.string(), people: v.number(), price: v.number(), ...merging },
});

/** `people` is called `population`, and `price` is in cents: the same field in another unit. */
export const placesV2 = defineCollection("places", {
  fields: {
    name: v.string(),
    population: v.number(),
    price: v.number(),
    status: v.union(v.literal("open"), v.literal("shut")),
    ...merging,
  },
  defaults: { status: "open" },
  schemaVersion: 2,
  migrate: {
    2: (old) => ({
      population: old["population"] ?? old["people"] ?? 0,
      price: (old["price"] as number) * 100,
    }),
  },
});

/** `title` is made of two fields, of which one is gone. */
export const placesV3 = defineCollection("places", {
  fields: {
    title: v.string(),
    population: v.number(),
    price: v.number(),
    status: v.union(v.literal("open"), v.literal("shut")),
    ...merging,
  },
  defaults: { status: "open" },
  schemaVersion: 3,
  migrate: {
    2: placesV2.migrate[2] as () => { population: number; price: number },
    3: (old) => ({ title: `${old["name"]} (${old["population"]})` }),
  },
});

export const places: Readonly<Record<number, AnyCollection>> = { 1: placesV1, 2: placesV2, 3: placesV3 };
/** A writer, or a client's collection, of whatever version. */
interface PlacesWriter {
  get(id: string): Promise<Record<string, unknown> | null>;
  insert(row: { readonly id: string } & Record<string, unknown>): Promise<void>;
  update(id: string, change: (draft: PlaceDraft) => void): Promise<void>;
}
/** A draft of whatever version. */
export interface PlaceDraft {
  [field: string]: unknown;
  readonly visits: { increment(by?: number): void };
}
export type VersionedApp = ReturnType<typeof createVersionedApp>;

/** Rows of any version: Convex would check those that are there when an app's schema changes. */
const schema = defineSchema(
  { places: defineTable(v.any()).index("by_replica_id", ["id"]) },
  { schemaValidation: false },
);
const component = componentsGeneric()["replicate"] as unknown as ComponentApi;

/** @param definitions - by version; default: {@link places} */
export function createVersionedApp(
  version = 1,
  definitions: Readonly<Record<number, AnyCollection>> = places,
) {
  const serve = (of: number) => {
    const replicate = new Replicate(component, { user: async () => null });
    replicate.collection(definitions[of]!, {
      ...{ table: "places", read: () => true, write: () => true },
      history: { keepDays: 30 },
    });
    return { of, replicate, functions: replicate.api() };
  };
  let served = serve(version);
  const t = convexTest(schema, {
    "./_generated/api.js": async () => ({}),
    "./replicate.ts": async () => served.functions,
  });
  t.registerComponent("replicate", componentSchema, componentModules({ hasFollowers: false }));
  registerChildren(t as unknown as Parameters<typeof registerChildren>[0], "replicate");
  const api = anyApi["replicate"] as unknown as ReplicaApi;
  return {
    t,
    api,
    component,
    get version() {
      return served.of;
    },
    /** Another release of the server. */
    deploy: (of: number) => void (served = serve(of)),
    push: (args: FunctionArgs<ReplicaApi["push"]>) => t.mutation(api.push, args),
    /** Rows as the app's own functions see them, without what Convex adds. */
    rows: () =>
      t.query(async (ctx) => {
        const rows = await ctx.db.query("places").withIndex("by_replica_id").collect();
        return rows.map(({ _id, _creationTime, ...row }) => row as Record<string, unknown> & { id: string });
      }),
    writer: <T>(work: (writer: PlacesWriter) => Promise<T>) =>
      t.mutation((ctx) =>
        work(served.replicate.writer(ctx, definitions[served.of]!) as unknown as PlacesWriter),
      ),
    compact: (document: string) =>
      t.mutation((ctx) => ctx.runMutation(component.compact.compact, { collection: "places", document })),
  };
}
