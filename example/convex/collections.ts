// For functions and the browser alike: imports nothing of the server.
import { defineCollection, field, type RowOf } from "convex-replicate/collections";
import { v } from "convex/values";

export const sites = defineCollection("sites", {
  fields: {
    name: v.string(),
    /** Two letters, ISO 3166-1. */
    country: v.string(),
    status: v.union(v.literal("open"), v.literal("surveyed")),
    population: v.number(),
    lat: v.optional(v.number()),
    lon: v.optional(v.number()),
    note: v.optional(v.string()),
    visits: field.counter(),
    tags: field.set(v.string()),
  },
  defaults: { status: "open", population: 0 },
  scope: (row) => row.country,
});

export type Site = RowOf<typeof sites>;
