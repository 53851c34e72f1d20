import { replicaTable } from "convex-replicate";
import { defineSchema } from "convex/server";
import { sites } from "./collections.js";

export default defineSchema({
  sites: replicaTable(sites).index("by_country", ["country"]),
});
