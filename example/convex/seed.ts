// Fills a country with sites: `npm run demo` and tests call these. They are internal: no client can.
import { vImportJob } from "convex-replicate";
import { v } from "convex/values";
import { internalMutation, internalQuery } from "./_generated/server.js";
import { sites } from "./collections.js";
import { replicate } from "./replicate.js";

/** As many as `insertMany` takes in one transaction. */
const mostRows = 500;

/** Whether the country has any site. */
export const isSeeded = internalQuery({
  args: { country: v.string() },
  returns: v.boolean(),
  handler: async (ctx, { country }) => {
    const first = await ctx.db
      .query("sites")
      .withIndex("by_country", (q) => q.eq("country", country))
      .first();
    return first !== null;
  },
});

/** Inserts up to 500 sites; those that are there already stay as they are. Returns how many are new. */
export const insert = internalMutation({
  args: { rows: v.array(sites.row) },
  returns: v.number(),
  handler: async (ctx, { rows }) => {
    if (rows.length > mostRows) throw new Error(`At most ${mostRows} sites a call, got ${rows.length}.`);
    const fresh = [];
    for (const row of rows) {
      const existing = await ctx.db
        .query("sites")
        .withIndex("by_replica_id", (q) => q.eq("id", row.id))
        .first();
      if (existing === null) fresh.push(row);
    }
    await replicate.writer(ctx, sites).insertMany(fresh);
    return fresh.length;
  },
});

/**
 * Has sites imported in the background; those that are there already stay as they are. `job`: one that was left open
 * with `more`. Returns the job.
 */
export const importSites = internalMutation({
  args: { rows: v.array(sites.row), job: v.optional(v.string()), more: v.boolean() },
  returns: v.string(),
  handler: (ctx, { rows, ...options }) => replicate.writer(ctx, sites).import(rows, options),
});

/** How far an import is. */
export const imported = internalQuery({
  args: { job: v.string() },
  returns: v.union(vImportJob, v.null()),
  handler: (ctx, { job }) => replicate.importJob(ctx, job),
});
