// For tests: an engine with functions of the test's own, in time that jumps, interleaved as a seed says.
import { convexToJson, jsonToConvex, type Value } from "convex/values";
import type { CallResult, FunctionKind, Runtime } from "./engine.js";
import { JumpClock } from "../jumpClock.js";
import { LocalEngine, type EngineOptions } from "./localEngine.js";

type Functions = Readonly<Record<string, unknown>>;

export interface App {
  /** Of the module `tests`. */
  readonly functions: Functions;
  readonly schema?: unknown;
  /** By where they are mounted. */
  readonly components?: Readonly<Record<string, Omit<App, "components">>>;
}

export interface EngineUnderTest {
  readonly engine: LocalEngine;
  run(kind: FunctionKind, name: string, args?: unknown): Promise<CallResult>;
  /** @throws Error with the message that the caller gets */
  value(kind: FunctionKind, name: string, args?: unknown): Promise<Value>;
  activate(app: App): Promise<void>;
}

export async function startEngine(app: App, options: EngineOptions = {}): Promise<EngineUnderTest> {
  const engine = await LocalEngine.open({ clock: new JumpClock(), seed: 1, ...options });
  await engine.activate(runtimeOf(app));
  const run = (kind: FunctionKind, name: string, args: unknown = {}) =>
    engine.run({ kind, path: `tests:${name}`, args: convexToJson(args as Value), identity: null });
  return {
    engine,
    run,
    value: async (kind, name, args) => {
      const result = await run(kind, name, args);
      if (!result.ok) throw new Error(result.message);
      return jsonToConvex(result.value);
    },
    activate: (next) => engine.activate(runtimeOf(next)),
  };
}

export function runtimeOf({ functions, schema = null, components = {} }: App): Runtime {
  const mounted = Object.entries(components).map(([path, each]) => ({ path, ...runtimeOf(each).root }));
  return { root: { schema, modules: { tests: { ...functions } } }, components: mounted };
}

export function messageOf(result: CallResult): string | null {
  return result.ok ? null : result.message;
}
