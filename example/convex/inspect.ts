// What the server holds, for tests and for whoever is curious: internal, so no client can call it.
import { v } from "convex/values";
import { internalQuery } from "./_generated/server.js";
import { sites } from "./collections.js";
import { replicate } from "./replicate.js";

/** The first rows of a country in the order of their ids, as the app's own functions see them. */
export const rows = internalQuery({
  args: { country: v.string() },
  returns: v.array(sites.row),
  handler: async (ctx, { country }) => {
    const found = await ctx.db
      .query("sites")
      .withIndex("by_country", (q) => q.eq("country", country))
      .take(1000);
    return found
      .map(({ _id, _creationTime, ...row }) => row)
      .sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  },
});

/** How the background work of the collections is getting on. */
export const health = internalQuery({
  args: {},
  returns: v.any(),
  handler: (ctx) => replicate.health(ctx),
});
