// Analyses what the stock `convex` CLI sends to `POST /api/deploy2/start_push`: evaluates the bundles it made and
// answers with what a deployment would say about them. That answer is all the CLI needs to generate code.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import type {
  Bundle,
  ComponentPush,
  Definition,
  DefinitionAnalysis,
  ExportTree,
  FunctionAnalysis,
  ModuleAnalysis,
  StartPush,
} from "./pushTypes.js";

/** The reply to `start_push`. @throws whatever a pushed module throws while it is evaluated. */
export async function analyzePush(push: StartPush): Promise<object> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "convex-push-"));
  try {
    fs.writeFileSync(path.join(folder, "package.json"), '{"type":"module"}');
    const analysis = await analyzeDefinitions(push, folder);
    return {
      environmentVariables: {},
      externalDepsId: null,
      componentDefinitionPackages: {},
      appAuth: [],
      analysis,
      app: componentTree(analysis, "", ""),
      schemaChange: noSchemaChange,
    };
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

export const noSchemaChange = { allocatedComponentIds: {}, schemaIds: {}, indexDiffs: {} };

/** Every definition once, each after the components it uses: a definition imports what those were called. */
async function analyzeDefinitions(
  push: StartPush,
  folder: string,
): Promise<Record<string, DefinitionAnalysis>> {
  const pushed = new Map(push.componentDefinitions.map((component) => [component.definitionPath, component]));
  const analysis: Record<string, DefinitionAnalysis> = {};
  const visit = async (definitionPath: string): Promise<void> => {
    const component = pushed.get(definitionPath);
    if (analysis[definitionPath] !== undefined) return;
    if (component === undefined)
      throw new Error(`The push uses component "${definitionPath}" but does not hold it.`);
    for (const dependency of component.dependencies) await visit(dependency);
    const place = path.join(folder, `component${Object.keys(analysis).length}`);
    analysis[definitionPath] = await analyzeComponent(component, place, analysis);
  };
  const app = push.appDefinition;
  for (const dependency of app.dependencies) await visit(dependency);
  const functions = await analyzeModules(path.join(folder, "app"), app.changedModules);
  const appDefinition = app.definition
    ? await evaluateDefinition(path.join(folder, "appDefinition"), app.definition, analysis)
    : { definitionType: { type: "app" }, childComponents: [], httpMounts: {}, exports: exportTree({}) };
  analysis[""] = toAnalysis({ ...appDefinition, path: "" }, functions, app.udfServerVersion);
  return analysis;
}

async function analyzeComponent(
  component: ComponentPush,
  place: string,
  analysis: Readonly<Record<string, DefinitionAnalysis>>,
): Promise<DefinitionAnalysis> {
  const definition = await evaluateDefinition(path.join(place, "definition"), component.definition, analysis);
  const functions = await analyzeModules(path.join(place, "functions"), component.functions);
  const { definitionPath, udfServerVersion } = component;
  const named = { ...definition, path: definitionPath, exports: exportTree(functions) };
  return toAnalysis(named, functions, udfServerVersion);
}

function toAnalysis(
  definition: Definition,
  functions: Record<string, ModuleAnalysis>,
  serverVersion: string,
): DefinitionAnalysis {
  const udfConfig = { serverVersion, importPhaseRngSeed: null, importPhaseUnixTimestamp: null };
  return { definition, schema: null, functions, udfConfig };
}

async function analyzeModules(
  folder: string,
  modules: readonly Bundle[],
): Promise<Record<string, ModuleAnalysis>> {
  for (const bundle of modules) writeModule(path.join(folder, bundle.path), bundle.source);
  const analysis: Record<string, ModuleAnalysis> = {};
  for (const bundle of modules) {
    if (bundle.path.startsWith("_deps/")) continue;
    const module = await importModule(path.join(folder, bundle.path));
    const functions = Object.entries(module).flatMap(([name, value]) => analyzeFunction(name, value) ?? []);
    analysis[bundle.path] = { functions, httpRoutes: null, cronSpecs: null, sourceMapped: null };
  }
  return analysis;
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

/** A definition's bundle imports each component it uses from `./_componentDeps/<base64url of its path>`. */
async function evaluateDefinition(
  folder: string,
  bundle: Bundle,
  analysis: Readonly<Record<string, DefinitionAnalysis>>,
): Promise<Definition> {
  for (const [definitionPath, { definition }] of Object.entries(analysis)) {
    const file = `${Buffer.from(definitionPath).toString("base64url")}.mjs`;
    const stub = { componentDefinitionPath: definitionPath, defaultName: definition.name };
    writeModule(path.join(folder, "_componentDeps", file), `export default ${JSON.stringify(stub)};`);
  }
  const source = bundle.source.replace(/(\.\/_componentDeps\/[A-Za-z0-9_-]+)/g, "$1.mjs");
  const file = path.join(folder, "definition.mjs");
  writeModule(file, source);
  const module = (await importModule(file)) as { default: { export(): Definition } };
  return module.default.export();
}

function exportTree(functions: Readonly<Record<string, ModuleAnalysis>>): ExportTree {
  const root: ExportTree = { type: "branch", branch: [] };
  for (const [modulePath, { functions: list }] of Object.entries(functions)) {
    for (const { name, visibility } of list) {
      if (visibility?.kind !== "public") continue;
      const folder = modulePath.replace(/\.js$/, "").split("/").reduce(branchOf, root);
      folder.branch.push([name, { type: "leaf", leaf: `_reference/function/${modulePath}:${name}` }]);
    }
  }
  return root;
}

function branchOf(tree: ExportTree, name: string): ExportTree {
  const found = tree.branch.find(([key]) => key === name)?.[1];
  if (found?.type === "branch") return found;
  const made: ExportTree = { type: "branch", branch: [] };
  tree.branch.push([name, made]);
  return made;
}

function componentTree(
  analysis: Readonly<Record<string, DefinitionAnalysis>>,
  definitionPath: string,
  componentPath: string,
): object {
  const children = analysis[definitionPath]?.definition.childComponents ?? [];
  const childComponents = children.map(({ name, path: childPath }) => [
    name,
    componentTree(analysis, childPath, componentPath === "" ? name : `${componentPath}/${name}`),
  ]);
  return {
    definitionPath,
    componentPath,
    args: {},
    childComponents: Object.fromEntries(childComponents) as object,
    httpRoutes: { httpModuleRoutes: null, mounts: [] },
    exports: {},
  };
}

function writeModule(file: string, source: string): void {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, source);
}

function importModule(file: string): Promise<Record<string, unknown>> {
  return import(pathToFileURL(file).href) as Promise<Record<string, unknown>>;
}
