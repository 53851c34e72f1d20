/// <reference types="vite/client" />
import { internalQueryGeneric } from "convex/server";
import { v } from "convex/values";
import { registerChildren } from "../test.js";

type Modules = Record<string, () => Promise<unknown>>;

const modules: Modules = onceEach(
  import.meta.glob(["../component/**/*.ts", "!../component/**/*.test.ts", "!../component/convex.config.ts"]),
);

interface Child {
  readonly path: string;
  readonly schema: Parameters<RegisterComponent>[1];
  readonly modules: Modules;
}
const takenAs = "replicate";
type RegisterComponent = Parameters<typeof registerChildren>[0]["registerComponent"];
const children: readonly Child[] = takeChildren();

/** Mounts the components that the component is built on. @param name - where it is mounted itself */
export function registerComponentChildren(
  t: { registerComponent: RegisterComponent },
  name: string = takenAs,
): void {
  for (const { path, schema, modules: own } of children)
    t.registerComponent(`${name}${path.slice(takenAs.length)}`, schema, own);
}

/**
 * Loads whatever convex-test would load when it is first called. Loading takes real time and real timers: a simulation,
 * which has neither, does it before it begins.
 */
export async function loadComponentModules(): Promise<void> {
  const all = [modules, ...children.map((child) => child.modules)].flatMap((each) => Object.values(each));
  await Promise.all(all.map((load) => load()));
}

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

function takeChildren(): Child[] {
  const taken: Child[] = [];
  const taker = {
    registerComponent: (path: string, schema: Child["schema"], loaders: Modules) =>
      void taken.push({ path, schema, modules: onceEach(loaders) }),
  };
  registerChildren(taker as unknown as Parameters<typeof registerChildren>[0], takenAs);
  return taken;
}

/** Loads each file once, and leaves out what no app calls: tests, and what only Convex's own bundler can load. */
export function onceEach(loaders: Modules): Modules {
  return Object.fromEntries(
    Object.entries(loaders)
      .filter(([file]) => !/\.(d|test|config|helpers)\.ts$/.test(file))
      .map(([file, load]) => {
        let loaded: Promise<unknown> | null = null;
        return [file, () => (loaded ??= load())];
      }),
  );
}
