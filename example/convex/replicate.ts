import { refuse, Replicate } from "convex-replicate";
import { components } from "./_generated/api.js";
import type { DataModel } from "./_generated/dataModel.js";
import { sites } from "./collections.js";

/** Everybody may read it and nobody write to it, so that the app can show what a refused change looks like. */
const closedCountry = "LU";

export const replicate = new Replicate<DataModel>(components.replicate, {
  // Fieldbook has no accounts: everybody is null. With an auth provider set up, this is who is signed in.
  user: async (ctx) => (await ctx.auth.getUserIdentity())?.tokenIdentifier ?? null,
});

replicate.collection(sites, {
  table: "sites",
  read: () => true,
  write: (_ctx, { scope, previousScope }) => {
    if (scope === closedCountry || previousScope === closedCountry)
      throw refuse("Luxembourg is closed for the season: its sites are read-only.");
    return true;
  },
});

export const { push, pull, status, join, heartbeat, leave, maintain } = replicate.api();
