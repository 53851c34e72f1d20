// For tests: an app on the engine that imports sites.
import {
  actionGeneric,
  anyApi,
  makeFunctionReference,
  mutationGeneric,
  queryGeneric,
  type FunctionReference,
} from "convex/server";
import { v } from "convex/values";
import type { ImportJob } from "../../src/server/index.js";
import { startCursor, type Cursor, type Page, type StreamEntry } from "../../src/shared/wire.js";
import { sites } from "../../src/testing/fieldApp.js";
import { startFieldEngine, type FieldEngine } from "../fieldEngine.js";
import type { EngineOptions } from "./localEngine.js";

export const rowOf = (n: number) => ({
  id: `s${n}`,
  name: `site ${n}`,
  country: n % 2 ? "FR" : "DE",
  visits: n,
  tags: ["a"],
});

export const planted = <Kind extends "query" | "mutation" | "action">(name: string) =>
  makeFunctionReference<Kind>(`planted:${name}`) as FunctionReference<Kind>;

// Rows, or how many: Convex's arrays have 8,192 elements at most.
const args = { rows: v.any(), options: v.optional(v.any()) };
const rowsOf = (rows: unknown) =>
  typeof rows === "number" ? Array.from({ length: rows }, (_, n) => rowOf(n)) : (rows as []);

const maintain = makeFunctionReference<"mutation">("replicate:maintain");

export function startImportEngine(options: EngineOptions): Promise<FieldEngine> {
  return startFieldEngine(options, (replicate) => ({
    importRows: mutationGeneric({
      args,
      handler: (ctx, { rows, options: how }) =>
        replicate.writer(ctx as never, sites).import(rowsOf(rows), how),
    }),
    importInAction: actionGeneric({
      args,
      handler: (ctx, { rows, options: how }) =>
        replicate.writer(ctx as never, sites).import(rowsOf(rows), how),
    }),
    /** What the component asks of the app for a chunk. */
    takeIn: mutationGeneric({
      args: { collection: v.string(), work: v.any() },
      handler: (ctx, work) => ctx.runMutation(maintain, work),
    }),
    job: queryGeneric({
      args: { job: v.string() },
      handler: (ctx, { job }) => replicate.importJob(ctx as never, job),
    }),
    rows: queryGeneric({
      args: {},
      handler: async (ctx) => {
        const found = await ctx.db.query("sites").withIndex("by_replica_id").take(30_000);
        return found.map(({ _id, _creationTime, ...row }) => row);
      },
    }),
  }));
}

export const jobOf = async (field: FieldEngine, job: unknown) =>
  (await field.query(planted("job"), { job })) as ImportJob;

export const storedRows = async (field: FieldEngine) =>
  (await field.query(planted("rows"))) as { readonly id: string }[];

/** The job once it is over. */
export async function imported(field: FieldEngine, job: unknown): Promise<ImportJob> {
  for (let attempt = 0; attempt < 100_000; attempt++) {
    const found = await jobOf(field, job);
    if (found.finishedAt !== undefined) return found;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error("The import does not end.");
}

/** All that a client meets that reads a scope for the first time. */
export async function entriesOf(field: FieldEngine, scope: string): Promise<StreamEntry[]> {
  const entries: StreamEntry[] = [];
  for (let cursor: Cursor = startCursor; ;) {
    const args = { collection: "sites", scope, cursor };
    const page = (await field.query(anyApi["replicate"]!["pull"] as never, args)) as Page;
    entries.push(...page.entries);
    if (page.done) return entries;
    cursor = page.cursor;
  }
}
