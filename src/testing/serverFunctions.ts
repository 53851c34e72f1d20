// The app's functions that tests run, and its schema, with hooks that a test chooses, wherever they run.
import { componentsGeneric, defineSchema, type DataModelFromSchemaDefinition } from "convex/server";
import { v } from "convex/values";
import type { ComponentApi } from "../component/_generated/component.js";
import { refuse, replicaTable, Replicate, type CollectionHooks } from "../server/index.js";
import { notes, sites } from "./fieldApp.js";

/** With what later versions of `sites` have (simulation/releases.ts). */
const later = { remark: v.optional(v.string()), grade: v.optional(v.number()) };
export const serverSchema = defineSchema({
  sites: replicaTable(sites, { score: v.optional(v.number()), ...later }),
});
export type ServerDataModel = DataModelFromSchemaDefinition<typeof serverSchema>;
export type SiteHooks = CollectionHooks<ServerDataModel, typeof sites>;

export const replicateComponent = componentsGeneric()["replicate"] as unknown as ComponentApi;

/** Scope `XX` may not be read, scope `LU` not be written, and no site be called "forbidden". */
const defaultHooks: SiteHooks = {
  read: (_ctx, { scope }) => scope !== "XX",
  write: (_ctx, { scope, after }) => {
    if (scope === "LU") throw refuse("Luxembourg is read-only.", { until: 2027 });
    return after?.name !== "forbidden";
  },
};

/**
 * @param hooks - in place of the default ones; they get the app, to write with it
 * @param definition - of `sites`, in another version, say
 */
export function createServerFunctions(
  hooks: (replicate: Replicate<ServerDataModel>) => Partial<SiteHooks> = () => ({}),
  definition: typeof sites = sites,
): Replicate<ServerDataModel> {
  const replicate = new Replicate<ServerDataModel>(replicateComponent, {
    user: async (ctx) => (await ctx.auth.getUserIdentity())?.tokenIdentifier ?? null,
  });
  replicate.collection(definition, { table: "sites", ...defaultHooks, ...hooks(replicate) });
  replicate.collection(notes, { read: () => true, write: () => true });
  return replicate;
}
