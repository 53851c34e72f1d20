import type { FunctionKind, Runtime } from "./engine.js";
import type { ValidatorJson } from "../values/validators.js";

/** Where a function is: in the component mounted at `component` (the app: ""), `folder/module:name`. */
export interface FunctionPath {
  readonly component: string;
  readonly name: string;
}

/** A registered function, as `convex/server` makes them. */
export interface RegisteredFunction {
  readonly kind: FunctionKind;
  readonly isPublic: boolean;
  readonly args: ValidatorJson;
  /** null: whatever it returns. */
  readonly returns: ValidatorJson | null;
  /** @param args - a list of one arguments object, as Convex JSON text. @returns Convex JSON text */
  invoke(requestId: string, args: string): Promise<string>;
}

interface Exported {
  readonly isPublic?: boolean;
  exportArgs(): string;
  exportReturns(): string;
  invokeQuery(args: string): Promise<string>;
  invokeMutation(args: string): Promise<string>;
  invokeAction(requestId: string, args: string): Promise<string>;
}

/** How code addresses a function: by its own component's path, by a path below a mounted component, or by a handle. */
export interface FunctionAddress {
  readonly name?: string;
  readonly reference?: string;
  readonly functionHandle?: string;
}

/** The functions of an app and its components. */
export class Functions {
  readonly #components = new Map<string, Map<string, RegisteredFunction>>();

  constructor({ root, components }: Runtime) {
    for (const { path, modules } of [{ path: "", ...root }, ...components])
      this.#components.set(path, registeredIn(modules));
  }

  find({ component, name }: FunctionPath): RegisteredFunction | undefined {
    return this.#components.get(component)?.get(name);
  }

  /** @throws Error if there is none of that kind */
  get(path: FunctionPath, kind: FunctionKind): RegisteredFunction {
    const found = this.find(path);
    if (found === undefined) throw new Error(notFound(path, "function"));
    if (found.kind !== kind)
      throw new Error(
        `Function ${path.name} is registered as ${article(found.kind)} but is being run as ${article(kind)}.`,
      );
    return found;
  }

  /**
   * @param from - the component of the code that addresses it
   * @throws Error if there is no such function, or it is none that may be called from there
   */
  resolve({ name, reference, functionHandle }: FunctionAddress, from: string): FunctionPath {
    if (functionHandle !== undefined) return parseHandle(functionHandle);
    if (name !== undefined) return { component: from, name: normalizeName(name) };
    const [, kind, child = "", ...parts] = (reference ?? "").split("/");
    if (kind !== "childComponent" || parts.length === 0)
      throw new Error(`Not a reference to a function: ${reference}`);
    const path = {
      component: from === "" ? child : `${from}/${child}`,
      name: `${parts.slice(0, -1).join("/")}:${parts.at(-1)}`,
    };
    if (!this.#components.has(path.component))
      throw new Error(`Child component ComponentName(Identifier("${child}")) not found`);
    if (!this.find(path)?.isPublic) throw new Error(notFound(path, "public function"));
    return path;
  }
}

/** @throws Error of a function that is not there, in Convex's words */
export function notFound({ name }: FunctionPath, what: "function" | "public function"): string {
  return `Could not find ${what} for '${name}'. Did you forget to run \`npx convex dev\`?`;
}

/** `folder/module.js:name`, `folder/module:name` and, for a default export, `folder/module`. */
export function normalizeName(name: string): string {
  const [module = "", exported = "default"] = name.split(":");
  return `${module.replace(/\.js$/, "")}:${exported}`;
}

export function toHandle({ component, name }: FunctionPath): string {
  return `function://${component};${name}`;
}

function parseHandle(handle: string): FunctionPath {
  const [, component, name] = /^function:\/\/([^;]*);(.+)$/.exec(handle) ?? [];
  if (component === undefined || name === undefined) throw new Error(`Invalid function handle: ${handle}`);
  return { component, name };
}

function registeredIn(modules: Readonly<Record<string, Record<string, unknown>>>) {
  const functions = Object.entries(modules).flatMap(([module, exports]) =>
    Object.entries(exports).flatMap(([name, value]): [string, RegisteredFunction][] => {
      const kind = kindOf(value);
      return kind === null ? [] : [[`${module}:${name}`, register(kind, value as Exported)]];
    }),
  );
  return new Map(functions);
}

export function kindOf(value: unknown): FunctionKind | null {
  if (value === null || (typeof value !== "function" && typeof value !== "object")) return null;
  const { isQuery, isMutation, isAction } = value as Record<string, unknown>;
  if (isQuery === true) return "query";
  if (isMutation === true) return "mutation";
  return isAction === true ? "action" : null;
}

function register(kind: FunctionKind, exported: Exported): RegisteredFunction {
  const invoke = {
    query: (_requestId: string, args: string) => exported.invokeQuery(args),
    mutation: (_requestId: string, args: string) => exported.invokeMutation(args),
    action: (requestId: string, args: string) => exported.invokeAction(requestId, args),
  };
  return {
    kind,
    isPublic: exported.isPublic === true,
    args: JSON.parse(exported.exportArgs()) as ValidatorJson,
    returns: JSON.parse(exported.exportReturns()) as ValidatorJson | null,
    invoke: invoke[kind],
  };
}

function article(kind: FunctionKind): string {
  return kind === "action" ? "an action" : `a ${kind}`;
}
