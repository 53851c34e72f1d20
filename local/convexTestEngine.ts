import { AsyncLocalStorage } from "node:async_hooks";
import { convexTest, type TestConvex } from "convex-test";
import { makeFunctionReference, type GenericSchema, type SchemaDefinition } from "convex/server";
import { convexToJson, jsonToConvex, type JSONValue, type Value } from "convex/values";
import type { CallResult, Engine, FunctionCall, FunctionKind, Runtime, RuntimeComponent } from "./engine.js";
import { checkCallSize } from "./limits.js";
import { createRecording, installRecorder, record } from "./recorder.js";

type Schema = SchemaDefinition<GenericSchema, boolean>;
type Test = TestConvex<Schema>;
type Modules = Record<string, Record<string, unknown>>;
/** A table definition as convex-test keeps it. */
type ExportedTable = object;

/** A component's code and schema, which convex-test reads and a push replaces. */
interface Mounted {
  modules: Modules;
  tables: Map<string, ExportedTable>;
}

/**
 * Runs functions in convex-test, one transaction at a time. Comfortable up to some 10,000 documents: convex-test
 * scans a component's whole store for each query.
 */
export class ConvexTestEngine implements Engine {
  readonly #mounted = new Map<string, Mounted>();
  readonly #listeners: ((tables: ReadonlySet<string>) => void)[] = [];
  readonly #outside = AsyncLocalStorage.snapshot();
  #test: Test | null = null;
  #written = new Set<string>();
  #isFlushing = false;

  async activate(runtime: Runtime): Promise<void> {
    this.#mount("", runtime.root);
    for (const component of runtime.components) this.#mount(component.path, component);
    for (const listener of this.#listeners) listener(new Set(["*"]));
  }

  async run(call: FunctionCall): Promise<CallResult> {
    const recording = createRecording();
    const usage = { reads: recording.reads, read: recording.read, written: recording.written };
    try {
      const { test, reference } = this.#resolve(call);
      const args = jsonToConvex(call.args) as Record<string, Value>;
      checkCallSize("arguments", args);
      const caller = call.identity === null ? test : test.withIdentity({ ...call.identity });
      const run = caller[call.kind] as (reference: unknown, args: unknown) => Promise<Value | undefined>;
      const value = (await this.#outside(() => record(recording, () => run(reference, args)))) ?? null;
      checkCallSize("return value", value);
      if (call.kind !== "query") await this.#flush();
      return { ok: true, value: convexToJson(value), ts: await this.currentTs(), logLines: [], ...usage };
    } catch (error) {
      if (call.kind !== "query") await this.#flush();
      return { ok: false, ...describeError(error), logLines: [], ...usage };
    }
  }

  async currentTs(): Promise<bigint> {
    const test = this.#test;
    if (test === null) return 0n;
    return this.#outside(() => test.query(async (ctx) => ctx.meta.getSnapshotTs()));
  }

  onWrite(listener: (tables: ReadonlySet<string>) => void): void {
    this.#listeners.push(listener);
  }

  #resolve({ kind, path, isTrusted }: FunctionCall) {
    const [module = "", name = "default"] = path.replace(/\.js(?=:|$)/, "").split(":");
    const found = this.#mounted.get("")?.modules[module]?.[name] as Record<string, unknown> | undefined;
    const isOfKind = found?.[{ query: "isQuery", mutation: "isMutation", action: "isAction" }[kind]] === true;
    if (this.#test === null || !isOfKind || !(isTrusted || found?.["isPublic"] === true))
      throw new Error(
        `Could not find public function for '${module}:${name}'. Did you forget to run \`npx convex dev\`?`,
      );
    return { test: this.#test, reference: makeFunctionReference<FunctionKind>(`${module}:${name}`) };
  }

  /** The first push makes the instance, or the component in it; later ones replace code and schema in place. */
  #mount(path: string, { schema, modules }: RuntimeComponent): void {
    const tables = exportTables(schema as Schema | null);
    const mounted = this.#mounted.get(path);
    if (mounted !== undefined) {
      mounted.modules = modules;
      for (const [name, table] of tables) mounted.tables.set(name, table);
      return;
    }
    const state: Mounted = { modules, tables: new Map() };
    this.#mounted.set(path, state);
    state.tables = keepingHold(state, () => {
      const given = { ...emptySchema, ...(schema as Schema | null) } as Schema;
      if (this.#test !== null) return this.#test.registerComponent(path, given, caughtModules);
      this.#test = convexTest({ schema: given, modules: caughtModules, transactionLimits: true });
      installRecorder((table) => this.#noteWrite(table));
    });
  }

  /** A scheduled function's writes are noticed like those of a call, and told once its transaction has ended. */
  #noteWrite(table: string): void {
    this.#written.add(table);
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    this.#outside(() => setTimeout(() => void this.#flush(), 0));
  }

  async #flush(): Promise<void> {
    await this.currentTs(); // transactions run one after the other: what was running has committed now
    this.#isFlushing = false;
    const written = this.#written;
    this.#written = new Set();
    if (written.size > 0) for (const listener of this.#listeners) listener(written);
  }
}

const emptySchema = { tables: {}, schemaValidation: true };
/** What convex-test is given for modules: it must see a `_generated` folder. */
const caughtModules = { "./_generated/api.js": async () => ({}) };

function exportTables(schema: Schema | null): Map<string, ExportedTable> {
  const tables = (schema?.tables ?? {}) as unknown as Record<string, { export(): ExportedTable }>;
  return new Map(Object.entries(tables).map(([name, table]) => [name, table.export()]));
}

/**
 * convex-test takes code and schema once, when an instance or a component is made, and copies them. A backend has
 * to replace both and keep the data. So while one is made, the two copies are caught: the table of modules, which
 * becomes one that looks them up in `state`, and the map of tables, which is returned.
 */
function keepingHold(state: Mounted, make: () => void): Map<string, ExportedTable> {
  const { fromEntries } = Object;
  const { forEach } = Map.prototype;
  const caught: Map<string, ExportedTable>[] = [];
  Object.fromEntries = (entries: Iterable<readonly [PropertyKey, unknown]>) => {
    const list = [...entries];
    const isModules = list.some(([, value]) => value === caughtModules["./_generated/api.js"]);
    return isModules ? liveModules(state) : fromEntries(list);
  };
  Map.prototype.forEach = function (this: Map<string, ExportedTable>, callback) {
    const isTables = [...this.values()].every(
      (table) => typeof table === "object" && "documentType" in table,
    );
    if (isTables) caught.push(this);
    forEach.call(this, callback as never);
  };
  try {
    make();
  } finally {
    Object.fromEntries = fromEntries;
    Map.prototype.forEach = forEach;
  }
  const [tables] = caught;
  if (tables === undefined) throw new Error("convex-test no longer keeps its tables in a map.");
  return tables;
}

/** Modules by path, as they are when they are asked for. */
function liveModules(state: Mounted): object {
  const get = (_target: object, path: string | symbol) => {
    const module = state.modules[String(path).replace(/^\.\//, "")];
    return module === undefined ? undefined : async () => module;
  };
  return new Proxy({}, { get });
}

function describeError(error: unknown): { message: string; data: JSONValue | undefined } {
  const { name = "Error", message = String(error) } = (error ?? {}) as { name?: string; message?: string };
  const isCoded = typeof error === "object" && error !== null && Symbol.for("ConvexError") in error;
  const data = isCoded ? convexToJson((error as { data?: Value }).data ?? null) : undefined;
  return { message: `Uncaught ${name}: ${message}`, data };
}
