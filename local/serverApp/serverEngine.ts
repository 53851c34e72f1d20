// For tests: the functions of src/testing/serverFunctions.ts over the real component on the local engine, in memory, with
// functions by which a test acts on it as an operator does.
import { ConvexError, convexToJson, jsonToConvex, type Value } from "convex/values";
import type { Replicate } from "../../src/server/index.js";
import {
  createServerFunctions,
  serverSchema,
  type ServerDataModel,
  type SiteHooks,
} from "../../src/testing/serverFunctions.js";
import { OverloadError } from "../../src/testing/simulation/backend.js";
import { loadComponents } from "../componentRuntime.js";
import type { CallResult, Runtime } from "../engine/engine.js";
import { LocalEngine, type EngineOptions } from "../engine/localEngine.js";
import { componentFunctions, operatorFunctions } from "./operatorFunctions.js";

/** Loaded once, and the same for all engines. */
export async function loadServerComponents(options: { hasCrons: boolean }): Promise<Runtime["components"]> {
  return (await loadComponents(options)).map((each) =>
    each.path === "replicate"
      ? { ...each, modules: { ...each.modules, operator: componentFunctions } }
      : each,
  );
}

export interface ServerEngine {
  readonly engine: LocalEngine;
  /** @param user - null: nobody is signed in */
  run(kind: "query" | "mutation", path: string, args: object, user?: string | null): Promise<CallResult>;
}

/** The app's own modules, in its first release. */
export function serverModules(
  hooks: (replicate: Replicate<ServerDataModel>) => Partial<SiteHooks>,
): Runtime["root"]["modules"] {
  const replicate = createServerFunctions(hooks);
  return { replicate: { ...replicate.api() }, operator: operatorFunctions(replicate, 1) };
}

/** @param components - of {@link loadServerComponents} */
export async function startServerEngine(
  options: EngineOptions,
  components: Runtime["components"],
  modules: Runtime["root"]["modules"],
): Promise<ServerEngine> {
  const engine = new LocalEngine(options);
  await engine.activate({ root: { schema: serverSchema, modules }, components });
  return {
    engine,
    run: (kind, path, args, user = null) =>
      engine.run({
        kind,
        path,
        args: convexToJson(args as Value),
        identity: user === null ? null : { subject: user, issuer: "test", tokenIdentifier: user },
        isInstant: kind === "query",
      }),
  };
}

/** @throws OverloadError, ConvexError, Error as a client gets them */
export function valueOf(result: CallResult): Value {
  if (result.ok) return jsonToConvex(result.value);
  if (result.isConflict) throw new OverloadError(result.message);
  if (result.data !== undefined) throw new ConvexError(jsonToConvex(result.data));
  throw new Error(result.message);
}
