// The modules of a push: evaluated, and what a deployment says about them.
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { analyzeCrons } from "../crons/cronSpecs.js";
import type { RuntimeComponent } from "../engine/engine.js";
import { analyzeRoutes } from "../site/httpRoutes.js";
import type { Bundle, FunctionAnalysis, ModuleAnalysis } from "./pushTypes.js";

/** Evaluates bundled modules and a schema, in a folder of their own that is gone afterwards. */
export async function loadCode(
  folder: string,
  bundles: readonly Bundle[],
  schema: Bundle | null,
): Promise<RuntimeComponent> {
  const all = schema === null ? bundles : [...bundles, schema];
  for (const bundle of all) writeModule(path.join(folder, bundle.path), bundle.source);
  const modules: Record<string, Record<string, unknown>> = {};
  for (const bundle of bundles) {
    if (bundle.path.startsWith("_deps/")) continue;
    modules[bundle.path.replace(/\.js$/, "")] = await importModule(path.join(folder, bundle.path));
  }
  const evaluated = schema === null ? null : await importModule(path.join(folder, schema.path));
  return { modules, schema: evaluated?.["default"] ?? null };
}

/** @throws CronError, HttpRouteError if the crons or the routes of these modules cannot be */
export function analyzeModules(modules: RuntimeComponent["modules"]): Record<string, ModuleAnalysis> {
  return Object.fromEntries(
    Object.entries(modules).map(([modulePath, module]) => {
      const functions = Object.entries(module).flatMap(([name, value]) => analyzeFunction(name, value) ?? []);
      const httpRoutes = modulePath === "http" ? analyzeRoutes(module) : null;
      const cronSpecs = modulePath === "crons" ? analyzeCrons(modules) : null;
      return [`${modulePath}.js`, { functions, httpRoutes, cronSpecs, sourceMapped: null }];
    }),
  );
}

type Registered = {
  isQuery?: true;
  isMutation?: true;
  isAction?: true;
  isPublic?: true;
  isInternal?: true;
  exportArgs(): string;
  exportReturns(): string;
};

function analyzeFunction(name: string, value: unknown): FunctionAnalysis | undefined {
  if (value === null || (typeof value !== "function" && typeof value !== "object")) return undefined;
  const fn = value as Registered;
  const udfType = fn.isQuery ? "Query" : fn.isMutation ? "Mutation" : fn.isAction ? "Action" : undefined;
  if (udfType === undefined) return undefined;
  const visibility = fn.isPublic
    ? { kind: "public" as const }
    : fn.isInternal
      ? { kind: "internal" as const }
      : null;
  const [args, returns] = [withSortedKeys(fn.exportArgs()), withSortedKeys(fn.exportReturns())];
  return { name, pos: null, udfType, visibility, args, returns };
}

/** A deployment keeps the fields of an object validator sorted, and generated code shows them in that order. */
function withSortedKeys(json: string | null): string | null {
  return json === null ? null : JSON.stringify(sortKeys(JSON.parse(json) as unknown));
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (value === null || typeof value !== "object") return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return Object.fromEntries(entries.map(([key, field]) => [key, sortKeys(field)]));
}

export function writeModule(file: string, source: string): void {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, source.replace(/^\/\/# sourceMappingURL=.*$/m, "")); // the maps stay with the CLI
}

export function importModule(file: string): Promise<Record<string, unknown>> {
  // Each bundle brings its own Yjs, as each component does in production; they share nothing but bytes. Yjs warns
  // of a second copy in one process all the same, by this mark.
  delete (globalThis as Record<string, unknown>)["__ $YJS$ __"];
  return import(pathToFileURL(file).href) as Promise<Record<string, unknown>>;
}
