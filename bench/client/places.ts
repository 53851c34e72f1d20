import { v } from "convex/values";
import { defineCollection, field } from "../../src/collections/index.js";
import type { Site } from "../../example/convex/collections.js";

const fields = {
  name: v.string(),
  country: v.string(),
  status: v.union(v.literal("open"), v.literal("surveyed")),
  population: v.number(),
  lat: v.optional(v.number()),
  lon: v.optional(v.number()),
  note: v.optional(v.string()),
  visits: field.counter(),
  tags: field.set(v.string()),
};

/** Fieldbook's sites, all in one scope: how much there is of a scope is what is measured. */
export const places = defineCollection("places", { fields });

/** The same in a scope for each country, to count calls. */
export const countries = defineCollection("countries", { fields, scope: (row) => row.country });

export type Place = Site;
