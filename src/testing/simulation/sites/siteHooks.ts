import { refuse } from "../../../server/index.js";
import type { SiteHooks } from "../../serverFunctions.js";
import type { AccessRules } from "./backend.js";
import { plainName } from "./releases.js";

/**
 * The app's own, on every engine and in every release: who may read is the simulation's to say, and what no site may be
 * called, one learns before or after.
 */
export function siteHooks(rules: AccessRules): Partial<SiteHooks> {
  return {
    read: (_ctx, { user, scope }) => rules.mayRead(user, scope),
    write: (_ctx, { scope, after }) => {
      if (scope === "LU") throw refuse("Luxembourg is read-only.", { until: 2027 });
      return after === null || plainName(after.name) !== "forbidden";
    },
    onWrite: (_ctx, { after }) => {
      if (after !== null && plainName(after.name) === "abort") throw refuse("No site may have this name.");
    },
  };
}
