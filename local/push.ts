// Analyses what the stock `convex` CLI sends to `POST /api/deploy2/start_push`: evaluates the bundles it made and
// answers with what a deployment would say about them. That answer is all the CLI needs to generate code.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import type { Runtime, RuntimeComponent } from "./engine.js";
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

/** A push that was evaluated: what to answer, and what to run once it is finished. */
export interface AnalyzedPush {
  readonly reply: object;
  readonly runtime: Runtime;
}

/** Evaluates a push. @throws whatever a pushed module throws while it is evaluated. */
export async function analyzePush(push: StartPush): Promise<AnalyzedPush> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "convex-push-"));
  try {
    fs.writeFileSync(path.join(folder, "package.json"), '{"type":"module"}');
    const { analysis, loaded } = await analyzeDefinitions(push, folder);
    const reply = {
      environmentVariables: {},
      externalDepsId: null,
      componentDefinitionPackages: {},
      appAuth: [],
      analysis,
      app: componentTree(analysis, "", ""),
      schemaChange: noSchemaChange,
    };
    return { reply, runtime: runtimeOf(analysis, loaded) };
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

export const noSchemaChange = { allocatedComponentIds: {}, schemaIds: {}, indexDiffs: {} };

type Analysis = Record<string, DefinitionAnalysis>;
/** Evaluated code by definition path. */
type Loaded = Map<string, RuntimeComponent>;

/** Every definition once, each after the components it uses: a definition imports what those were called. */
async function analyzeDefinitions(
  push: StartPush,
  folder: string,
): Promise<{ analysis: Analysis; loaded: Loaded }> {
  const pushed = new Map(push.componentDefinitions.map((component) => [component.definitionPath, component]));
  const analysis: Analysis = {};
  const loaded: Loaded = new Map();
  const visit = async (definitionPath: string): Promise<void> => {
    const component = pushed.get(definitionPath);
    if (analysis[definitionPath] !== undefined) return;
    if (component === undefined)
      throw new Error(`The push uses component "${definitionPath}" but does not hold it.`);
    for (const dependency of component.dependencies) await visit(dependency);
    const place = path.join(folder, `component${Object.keys(analysis).length}`);
    const { functions, schema } = component;
    const code = await loadCode(path.join(place, "functions"), functions, schema);
    loaded.set(definitionPath, code);
    analysis[definitionPath] = await analyzeComponent(component, place, analysis, code.modules);
  };
  const app = push.appDefinition;
  for (const dependency of app.dependencies) await visit(dependency);
  const code = await loadCode(path.join(folder, "app"), app.changedModules, app.schema);
  loaded.set("", code);
  const functions = analyzeModules(code.modules);
  const appDefinition = app.definition
    ? await evaluateDefinition(path.join(folder, "appDefinition"), app.definition, analysis)
    : { definitionType: { type: "app" }, childComponents: [], httpMounts: {}, exports: exportTree({}) };
  analysis[""] = toAnalysis({ ...appDefinition, path: "" }, functions, app.udfServerVersion);
  return { analysis, loaded };
}

async function analyzeComponent(
  component: ComponentPush,
  place: string,
  analysis: Readonly<Analysis>,
  modules: RuntimeComponent["modules"],
): Promise<DefinitionAnalysis> {
  const definition = await evaluateDefinition(path.join(place, "definition"), component.definition, analysis);
  const functions = analyzeModules(modules);
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

/** Evaluates bundled modules and a schema, in a folder of their own that is gone afterwards. */
async function loadCode(
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

function analyzeModules(modules: RuntimeComponent["modules"]): Record<string, ModuleAnalysis> {
  return Object.fromEntries(
    Object.entries(modules).map(([modulePath, module]) => {
      const functions = Object.entries(module).flatMap(([name, value]) => analyzeFunction(name, value) ?? []);
      return [`${modulePath}.js`, { functions, httpRoutes: null, cronSpecs: null, sourceMapped: null }];
    }),
  );
}

/** The components as they are mounted: a definition that is used twice is mounted twice. */
function runtimeOf(analysis: Readonly<Analysis>, loaded: Loaded): Runtime {
  const mount = (definitionPath: string, mountPath: string): Runtime["components"] =>
    (analysis[definitionPath]?.definition.childComponents ?? []).flatMap(({ name, path: childPath }) => {
      const place = mountPath === "" ? name : `${mountPath}/${name}`;
      return [{ path: place, ...codeOf(childPath) }, ...mount(childPath, place)];
    });
  const codeOf = (definitionPath: string): RuntimeComponent =>
    loaded.get(definitionPath) ?? { schema: null, modules: {} };
  return { root: codeOf(""), components: mount("", "") };
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

function componentTree(analysis: Readonly<Analysis>, definitionPath: string, componentPath: string): object {
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
  fs.writeFileSync(file, source.replace(/^\/\/# sourceMappingURL=.*$/m, "")); // the maps stay with the CLI
}

function importModule(file: string): Promise<Record<string, unknown>> {
  // Each bundle brings its own Yjs, as each component does in production; they share nothing but bytes. Yjs warns
  // of a second copy in one process all the same, by this mark.
  delete (globalThis as Record<string, unknown>)["__ $YJS$ __"];
  return import(pathToFileURL(file).href) as Promise<Record<string, unknown>>;
}
