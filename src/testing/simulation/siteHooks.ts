import { refuse } from "../../server/index.js";
import type { SiteHooks } from "../serverFunctions.js";
import type { AccessRules } from "./backend.js";

/** The app's own, on every engine: who may read is the simulation's to say, and no site may be called "abort". */
export function siteHooks(rules: AccessRules): Partial<SiteHooks> {
  return {
    read: (_ctx, { user, scope }) => rules.mayRead(user, scope),
    onWrite: (_ctx, { after }) => {
      if (after?.name === "abort") throw refuse("No site may have this name.");
    },
  };
}
