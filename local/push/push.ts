// Analyses what the stock `convex` CLI sends to `POST /api/deploy2/start_push`: evaluates the bundles it made and
// answers with what a deployment would say about them. That answer is all the CLI needs to generate code.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { readCronSpecs } from "../crons/cronSpecs.js";
import type { Runtime, RuntimeComponent } from "../engine/engine.js";
import { analyzeModules, importModule, loadCode, writeModule } from "./pushModules.js";
import type {
  Bundle,
  ComponentPush,
  Definition,
  DefinitionAnalysis,
  ExportTree,
  ModuleAnalysis,
  StartPush,
} from "./pushTypes.js";
import { checkMounts, HttpRouteError, readRouter, type HttpComponent } from "../site/httpRoutes.js";

/** A push that was evaluated: what to answer, and what to run once it is finished. */
export interface AnalyzedPush {
  readonly reply: object;
  readonly runtime: Runtime;
  /** The HTTP routes of the app, and of the components it mounts under a prefix. */
  readonly http: HttpComponent;
}

/**
 * Evaluates a push.
 *
 * @throws CronError, HttpRouteError if its crons or routes cannot be
 * @throws whatever a pushed module throws while it is evaluated
 */
export async function analyzePush(push: StartPush): Promise<AnalyzedPush> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "convex-push-"));
  try {
    fs.writeFileSync(path.join(folder, "package.json"), '{"type":"module"}');
    const { analysis, loaded } = await analyzeDefinitions(push, folder);
    const runtime = runtimeOf(analysis, loaded);
    const http = httpOf(analysis, loaded, "", "");
    const reply = {
      environmentVariables: {},
      externalDepsId: null,
      componentDefinitionPackages: {},
      appAuth: [],
      analysis,
      app: componentTree(analysis, "", ""),
      schemaChange: noSchemaChange,
    };
    readCronSpecs(runtime); // wrong ones fail the push
    return { reply, runtime, http };
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

/** The components as they are mounted: a definition that is used twice is mounted twice. */
function runtimeOf(analysis: Readonly<Analysis>, loaded: Loaded): Runtime {
  const mount = (definitionPath: string, mountPath: string): Runtime["components"] =>
    (analysis[definitionPath]?.definition.childComponents ?? []).flatMap(({ name, path: childPath, env }) => {
      const place = placeOf(mountPath, name);
      return [{ path: place, ...codeOf(childPath), env: env ?? [] }, ...mount(childPath, place)];
    });
  const codeOf = (definitionPath: string): RuntimeComponent => ({
    ...(loaded.get(definitionPath) ?? { schema: null, modules: {} }),
    declares: analysis[definitionPath]?.definition.envVars ?? [],
  });
  return { root: codeOf(""), components: mount("", "") };
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

/** The HTTP routes of a component, with those of the components that are mounted under a prefix in it. */
function httpOf(
  analysis: Readonly<Analysis>,
  loaded: Loaded,
  definitionPath: string,
  mountPath: string,
): HttpComponent {
  const { childComponents = [], httpMounts = {}, httpPrefix } = analysis[definitionPath]?.definition ?? {};
  const mounts = Object.entries(httpMounts).map(([prefix, reference]) => {
    const child = childComponents.find(({ name }) => reference === `_reference/childComponent/${name}`);
    if (child === undefined)
      throw new HttpRouteError(
        `HTTP mount "${prefix}" is invalid: Child component "${reference}" not found.`,
      );
    return { prefix, component: httpOf(analysis, loaded, child.path, placeOf(mountPath, child.name)) };
  });
  const router = readRouter(loaded.get(definitionPath)?.modules["http"]);
  const http = {
    path: mountPath,
    router,
    mounts,
    ...(httpPrefix === undefined ? {} : { ownPrefix: httpPrefix }),
  };
  checkMounts(http);
  return http;
}

function placeOf(mountPath: string, name: string): string {
  return mountPath === "" ? name : `${mountPath}/${name}`;
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
  const childComponents = children.map(({ name, path: childPath }) => {
    return [name, componentTree(analysis, childPath, placeOf(componentPath, name))];
  });
  const { httpRoutes = null } = analysis[definitionPath]?.functions["http.js"] ?? {};
  return {
    definitionPath,
    componentPath,
    args: {},
    childComponents: Object.fromEntries(childComponents) as object,
    httpRoutes: {
      httpModuleRoutes: httpRoutes?.map(({ route }) => route) ?? null,
      mounts: Object.keys(analysis[definitionPath]?.definition.httpMounts ?? {}).sort(),
    },
    exports: {},
  };
}
