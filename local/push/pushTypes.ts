import type { CronAnalysis } from "../crons/cronSpecs.js";
import type { ComponentVariables } from "../engine/engine.js";
import type { HttpRouteAnalysis } from "../site/httpRoutes.js";

/** A bundled module as the CLI sends it. */
export type Bundle = { path: string; source: string };

export type ComponentPush = {
  definitionPath: string;
  definition: Bundle;
  dependencies: string[];
  schema: Bundle | null;
  functions: Bundle[];
  udfServerVersion: string;
};

/** The body of `POST /api/deploy2/start_push`, as far as it is read here. */
export type StartPush = {
  /** Nothing may come of it. */
  dryRun?: boolean;
  appDefinition: {
    definition: Bundle | null;
    dependencies: string[];
    schema: Bundle | null;
    changedModules: Bundle[];
    udfServerVersion: string;
  };
  componentDefinitions: ComponentPush[];
};

export type FunctionAnalysis = {
  name: string;
  pos: null;
  udfType: "Query" | "Mutation" | "Action";
  visibility: { kind: "public" | "internal" } | null;
  args: string | null;
  returns: string | null;
};

export type ModuleAnalysis = {
  functions: FunctionAnalysis[];
  /** Of `http.js`. */
  httpRoutes: HttpRouteAnalysis[] | null;
  /** Of `crons.js`. */
  cronSpecs: CronAnalysis[] | null;
  sourceMapped: null;
};

type ExportLeaf = { type: "leaf"; leaf: string };
export type ExportTree = { type: "branch"; branch: [string, ExportTree | ExportLeaf][] };

/** What `definition.export()` of an app or component returns; only what is read is named. */
export type Definition = {
  childComponents: { name: string; path: string; env?: ComponentVariables["env"] | null }[];
  /** Environment variables that it declares. */
  envVars?: NonNullable<ComponentVariables["declares"]>;
  /** References to child components by the prefix under which their routes are mounted; it ends with a slash. */
  httpMounts?: Record<string, string>;
  /** Before the paths of the app's own routes; ends with a slash. */
  httpPrefix?: string;
  exports?: ExportTree;
  name?: string;
  path?: string;
};

export type DefinitionAnalysis = {
  definition: Definition;
  schema: null;
  functions: Record<string, ModuleAnalysis>;
  udfConfig: { serverVersion: string; importPhaseRngSeed: null; importPhaseUnixTimestamp: null };
};
