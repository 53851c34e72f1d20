// For tests: the real component behind the real server functions, on the engine of the local backend, in one process.
import {
  componentsGeneric,
  defineSchema,
  defineTable,
  getFunctionName,
  makeFunctionReference,
  mutationGeneric,
  type DataModelFromSchemaDefinition,
  type FunctionReference,
} from "convex/server";
import { convexToJson, jsonToConvex, v, type Value } from "convex/values";
import type { ComponentApi } from "../src/component/_generated/component.js";
import { replicaTable, Replicate, type HistoryOptions } from "../src/server/index.js";
import { notes, sites } from "../src/testing/fieldApp.js";
import { loadComponents, type Modules } from "./componentRuntime.js";
import type { FunctionKind } from "./engine/engine.js";
import { LocalEngine, type EngineOptions } from "./engine/localEngine.js";

const component = componentsGeneric()["replicate"] as unknown as ComponentApi;
const schema = defineSchema({
  sites: replicaTable(sites),
  counters: defineTable({ n: v.number() }),
});

/** What a design without this component would do at each write: count them in one row. */
const count = mutationGeneric({
  args: {},
  handler: async (ctx) => {
    const counter = await ctx.db.query("counters").first();
    if (counter === null) await ctx.db.insert("counters", { n: 1 });
    else await ctx.db.patch(counter._id, { n: (counter["n"] as number) + 1 });
  },
});

/** Compacts a document now. */
const compact = mutationGeneric({
  args: { collection: v.string(), document: v.string() },
  handler: (ctx, document) => ctx.runMutation(component.compact.compact, document),
});

export const countReference = makeFunctionReference<"mutation">("planted:count");
export const compactReference = makeFunctionReference<
  "mutation",
  { collection: string; document: string },
  number
>("planted:compact");

export interface FieldEngine {
  readonly engine: LocalEngine;
  mutation(reference: FunctionReference<"mutation">, args?: object): Promise<unknown>;
  query(reference: FunctionReference<"query">, args?: object): Promise<unknown>;
  action(reference: FunctionReference<"action">, args?: object): Promise<unknown>;
  /** How often mutations found at their end that what they had read had changed, by function. */
  readonly conflicts: ReadonlyMap<string, number>;
}

type FieldReplicate = Replicate<DataModelFromSchemaDefinition<typeof schema>>;

/**
 * @param plant - more functions of the app, in its module `planted`
 * @param plantInComponents - more modules of components, by where these are mounted
 */
export async function startFieldEngine(
  options: EngineOptions = {},
  plant: (replicate: FieldReplicate) => Record<string, unknown> = () => ({}),
  plantInComponents: Readonly<Record<string, Modules>> = {},
  history?: HistoryOptions,
): Promise<FieldEngine> {
  const engine = await LocalEngine.open(options);
  const replicate: FieldReplicate = new Replicate(component, {
    user: async (ctx) => (await ctx.auth.getUserIdentity())?.tokenIdentifier ?? null,
  });
  const kept = history === undefined ? {} : { history };
  replicate.collection(sites, { table: "sites", read: () => true, write: () => true, ...kept });
  replicate.collection(notes, { read: () => true, write: () => true });
  await engine.activate({
    root: {
      schema,
      modules: { replicate: { ...replicate.api() }, planted: { count, compact, ...plant(replicate) } },
    },
    components: (await loadComponents({ hasCrons: false })).map((each) => ({
      ...each,
      modules: { ...each.modules, ...plantInComponents[each.path] },
    })),
  });
  const conflicts = new Map<string, number>();
  const note = (name: string, more: number) => conflicts.set(name, (conflicts.get(name) ?? 0) + more);
  engine.onBackgroundCall((call) => note(call.path, call.conflicts));
  const run = async (kind: FunctionKind, reference: FunctionReference<FunctionKind>, args: object = {}) => {
    const path = getFunctionName(reference);
    const json = convexToJson(args as Value);
    const result = await engine.run({ kind, path, args: json, identity: null });
    note(path, result.conflicts);
    if (result.ok) return jsonToConvex(result.value);
    const data = result.data === undefined ? {} : { data: jsonToConvex(result.data) };
    throw Object.assign(new Error(result.message), data);
  };
  return {
    engine,
    conflicts,
    mutation: (reference, args) => run("mutation", reference, args),
    query: (reference, args) => run("query", reference, args),
    action: (reference, args) => run("action", reference, args),
  };
}
