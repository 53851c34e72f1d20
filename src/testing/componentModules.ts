/// <reference types="vite/client" />
import { internalQueryGeneric } from "convex/server";
import { v } from "convex/values";

type Modules = Record<string, () => Promise<unknown>>;

const modules: Modules = import.meta.glob(["../component/**/*.ts", "!../component/**/*.test.ts"]);

/** Says that every follower is awake, so that no push wakes one. */
const nobodyAsleep = internalQueryGeneric({
  args: { collections: v.array(v.string()), maintain: v.optional(v.string()), history: v.optional(v.any()) },
  returns: v.array(v.string()),
  handler: async () => [],
});

/**
 * The component's modules for convex-test. Without followers no push is followed by background work, which would run
 * in real time beside a test that does not drive it.
 */
export function componentModules({ hasFollowers }: { readonly hasFollowers: boolean }): Modules {
  if (hasFollowers) return modules;
  const follower = modules["../component/follower.ts"] as () => Promise<object>;
  return {
    ...modules,
    "../component/follower.ts": async () => ({ ...(await follower()), asleep: nobodyAsleep }),
  };
}
