// Environment variables as functions see them. The app sees all of its deployment's; a component sees those it declares,
// as whoever mounts it has bound them: to a value, or to one of its own by name.
import type { ComponentVariables, Runtime } from "./engine.js";

export type Variables = Readonly<Record<string, string>>;

/** null: the variable is removed. */
export interface VariableChange {
  readonly name: string;
  readonly value: string | null;
}

export class EnvironmentVariables {
  #app: Variables;
  /** What the platform tells every function. */
  #platform: Variables = {};
  #bindings = new Map<string, ComponentVariables["env"]>();
  #known = new Map<string, Variables>();

  constructor(app: Variables = {}) {
    this.#app = { ...app };
  }

  get app(): Variables {
    return this.#app;
  }

  change(changes: readonly VariableChange[]): void {
    const next = new Map(Object.entries(this.#app));
    for (const { name, value } of changes)
      if (value === null) next.delete(name);
      else next.set(name, value);
    this.#app = Object.fromEntries(next);
    this.#known.clear();
  }

  setPlatform(platform: Variables): void {
    this.#platform = platform;
    this.#known.clear();
  }

  /** Of the newest push. */
  setBindings({ components }: Runtime): void {
    this.#bindings = new Map(components.map(({ path, env = [] }) => [path, env]));
    this.#known.clear();
  }

  /** @param component - where it is mounted; the app: "" */
  of(component: string): Variables {
    const known = this.#known.get(component);
    if (known !== undefined) return known;
    const found = { ...this.#platform, ...(component === "" ? this.#app : this.#bound(component)) };
    this.#known.set(component, found);
    return found;
  }

  #bound(component: string): Variables {
    const parent = this.of(component.split("/").slice(0, -1).join("/"));
    const values = (this.#bindings.get(component) ?? []).flatMap(([name, binding]) => {
      const value = binding.type === "value" ? binding.value : parent[binding.name];
      return value === undefined ? [] : [[name, value] as const];
    });
    return Object.fromEntries(values);
  }
}

type Declared = NonNullable<ComponentVariables["declares"]>;
type StringValidator =
  | { readonly type: "string" }
  | { readonly type: "literal"; readonly value: unknown }
  | { readonly type: "union"; readonly value: readonly StringValidator[] };

/** Why a push cannot be: a declared variable is not there, or is not what it is declared as. null: it can. */
export function findVariableProblem(runtime: Runtime, app: Variables): string | null {
  const variables = new EnvironmentVariables(app);
  variables.setBindings(runtime);
  for (const { path, declares = [] } of [{ ...runtime.root, path: "" }, ...runtime.components]) {
    const problem = problemOf(declares, variables.of(path));
    if (problem !== null) return path === "" ? problem : `In component "${path}": ${problem}`;
  }
  return null;
}

function problemOf(declares: Declared, values: Variables): string | null {
  for (const [name, { value: validator, optional }] of declares) {
    const value = values[name];
    if (value === undefined && optional !== true) return `Environment variable "${name}" is not set.`;
    // What it is said is not repeated: it may be a secret.
    if (value !== undefined && !matches(JSON.parse(validator) as StringValidator, value))
      return `Environment variable "${name}" is not one of the values that convex.config.ts declares.`;
  }
  return null;
}

function matches(validator: StringValidator, value: string): boolean {
  if (validator.type === "union") return validator.value.some((each) => matches(each, value));
  return validator.type === "string" || validator.value === value;
}
