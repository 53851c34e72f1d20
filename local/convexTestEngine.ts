import { AsyncLocalStorage } from "node:async_hooks";
import { convexTest } from "convex-test";
import { makeFunctionReference } from "convex/server";
import { convexToJson, jsonToConvex, type JSONValue, type Value } from "convex/values";
import { ComponentStore, exportSchema, moduleLoader } from "./componentStore.js";
import { internalsOf, type Internals, type Module, type Test } from "./convexTestInternals.js";
import type {
  CallResult,
  Commit,
  Engine,
  FunctionCall,
  FunctionKind,
  Runtime,
  RuntimeComponent,
  ScheduledCall,
  SchemaProblem,
} from "./engine.js";
import { checkCallSize } from "./limits.js";
import type { ReadSet } from "./readSet.js";
import { activeCall, consoleFor, createRecording, currentCall, type Recording } from "./recording.js";

/** A scheduled function between its start and the end of its transaction. */
interface Scheduled {
  readonly path: string;
  readonly start: number;
  readonly recording: Recording;
  error?: string;
}

/**
 * Runs functions in convex-test, one transaction at a time, over indexes of its own: tens of thousands of
 * documents are comfortable. Data is in memory only.
 */
export class ConvexTestEngine implements Engine {
  readonly #test: Test;
  readonly #internals: Internals;
  readonly #stores = new Map<string, ComponentStore>();
  readonly #rootModules = new Map<string, Module>();
  readonly #commitListeners: ((commit: Commit) => void)[] = [];
  readonly #scheduledListeners: ((call: ScheduledCall) => void)[] = [];
  // convex-test takes a call for a nested one if it is made in the context of a function that runs.
  readonly #outside = AsyncLocalStorage.snapshot();
  /** Writers wait for it. */
  #hold: Promise<unknown> | null = null;
  #isClosed = false;
  #scheduled: Scheduled | null = null;

  constructor() {
    this.#test = convexTest({ modules: noModules, transactionLimits: true }) as unknown as Test;
    this.#internals = internalsOf(this.#test);
    this.#hookTransactions();
    this.#hookScheduling();
  }

  findSchemaProblem({ root, components }: Runtime): SchemaProblem | null {
    for (const { path, schema } of [{ path: "", ...root }, ...components]) {
      const found = this.#stores.get(path)?.findForbidden(exportSchema(schema)) ?? null;
      if (found !== null) return { component: path, ...found };
    }
    return null;
  }

  async activate({ root, components }: Runtime): Promise<void> {
    const { transactionManager } = this.#internals;
    // A store that appears within a transaction would miss its beginning. Nothing is awaited after this.
    while (transactionManager._waitOnCurrentFunction !== null)
      await transactionManager._waitOnCurrentFunction;
    this.#rootModules.clear();
    for (const [path, module] of Object.entries(root.modules)) this.#rootModules.set(path, module);
    const mounted = [{ path: "", ...root }, ...components];
    for (const component of mounted) this.#mount(component.path, component);
    // What is mounted no more keeps its data, and loses its code: what it has scheduled fails.
    const paths = new Set(mounted.map(({ path }) => path));
    for (const [path, component] of Object.entries(this.#internals.components))
      if (!paths.has(path)) component.modules = moduleLoader({});
  }

  async run(call: FunctionCall, reads?: ReadSet): Promise<CallResult> {
    const recording = createRecording(call.kind, reads);
    const { logLines, read, written } = recording;
    try {
      const reference = this.#resolve(call);
      const args = jsonToConvex(call.args) as Record<string, Value>;
      checkCallSize("arguments", args);
      const caller = call.identity === null ? this.#test : this.#test.withIdentity({ ...call.identity });
      const run = caller[call.kind] as (reference: unknown, args: unknown) => Promise<Value | undefined>;
      const value = await this.#outside(() => currentCall.run(recording, () => run(reference, args)));
      const ts = recording.ts ?? this.currentTs();
      return { ok: true, value: convexToJson(value ?? null), ts, logLines, read, written };
    } catch (error) {
      return { ok: false, ...describeError(error), logLines, read, written };
    } finally {
      recording.isOver = true;
    }
  }

  currentTs(): bigint {
    return this.#internals.transactionManager._lastCommitTs;
  }

  async holdWrites<T>(work: () => Promise<T>): Promise<T> {
    while (this.#hold !== null) await this.#hold;
    const working = work();
    this.#hold = working.catch(() => {});
    try {
      return await working;
    } finally {
      this.#hold = null;
    }
  }

  onCommit(listener: (commit: Commit) => void): void {
    this.#commitListeners.push(listener);
  }

  onScheduledCall(listener: (call: ScheduledCall) => void): void {
    this.#scheduledListeners.push(listener);
  }

  close(): void {
    this.#isClosed = true;
  }

  #resolve({ kind, path, isTrusted }: FunctionCall) {
    const [module = "", name = "default"] = path.replace(/\.js(?=:|$)/, "").split(":");
    const found = this.#rootModules.get(module)?.[name];
    if (kindOf(found) !== kind || !(isTrusted || (found as { isPublic?: boolean }).isPublic === true)) {
      const sought = `${isTrusted ? "" : "public "}function for '${module}:${name}'`;
      throw new Error(`Could not find ${sought}. Did you forget to run \`npx convex dev\`?`);
    }
    return makeFunctionReference<FunctionKind>(`${module}:${name}`);
  }

  #mount(path: string, { schema, modules }: RuntimeComponent): void {
    const { components } = this.#internals;
    if (components[path] === undefined) this.#test.registerComponent(path, emptySchema as never, noModules);
    const component = components[path]!;
    const store = this.#stores.get(path) ?? new ComponentStore(path, component.db);
    this.#stores.set(path, store);
    store.schema = exportSchema(schema);
    const wrapped = Object.entries(modules).map(([name, module]) => [name, this.#wrap(path, name, module)]);
    component.modules = moduleLoader(Object.fromEntries(wrapped) as Record<string, Module>);
  }

  /** A module whose functions are watched while they run. */
  #wrap(component: string, modulePath: string, module: Module): Module {
    const entries = Object.entries(module).map(([name, value]) => {
      const kind = kindOf(value);
      if (kind === null) return [name, value];
      const path = `${component === "" ? "" : `${component}/`}${modulePath}:${name}`;
      const get = (target: object, key: string | symbol): unknown => {
        const own: unknown = Reflect.get(target, key);
        return key === "_handler"
          ? (ctx: unknown, args: unknown) => this.#handle(kind, path, () => (own as Handler)(ctx, args))
          : own;
      };
      return [name, new Proxy(value as object, { get })];
    });
    return Object.fromEntries(entries) as Module;
  }

  async #handle(kind: FunctionKind, path: string, handler: () => unknown): Promise<unknown> {
    const active = activeCall();
    if (active !== null) return handleIn(active, handler);
    // Nobody called it, so it was scheduled.
    const recording = createRecording(kind);
    const scheduled: Scheduled = { path, start: performance.now(), recording };
    if (kind !== "action") this.#scheduled = scheduled; // reported when its transaction ends
    try {
      return await currentCall.run(recording, () => handleIn(recording, handler));
    } catch (error) {
      scheduled.error = describeError(error).message;
      throw error;
    } finally {
      if (kind === "action") this.#report(scheduled);
    }
  }

  #report({ path, start, recording, error }: Scheduled): void {
    recording.isOver = true;
    const { kind, read, written } = recording;
    const ms = performance.now() - start;
    const call = { kind, path, ms, read, written, ...(error === undefined ? {} : { error }) };
    for (const listener of this.#scheduledListeners) listener(call);
  }

  #hookTransactions(): void {
    const manager = this.#internals.transactionManager;
    const { begin, commit, rollback } = manager;
    manager.begin = async (isNested, limits) => {
      if (!isNested) await this.#mayBegin();
      return begin.call(manager, isNested, limits);
    };
    manager.commit = (isNested) => {
      if (isNested) return commit.call(manager, true);
      const pending = [...this.#stores.values()].map((store) => ({ store, writes: store.pendingWrites() }));
      const scheduled = this.#noteUsage();
      commit.call(manager, false);
      const ts = this.currentTs();
      const active = activeCall();
      if (active !== null) active.ts = ts;
      const writes = pending.flatMap(({ store, writes }) => store.noteCommitted(writes));
      this.#endTransaction(scheduled);
      if (writes.length > 0) for (const listener of this.#commitListeners) listener({ ts, writes });
      return ts;
    };
    manager.rollback = (isNested) => {
      const scheduled = isNested ? null : this.#noteUsage();
      rollback.call(manager, isNested);
      if (!isNested) this.#endTransaction(scheduled);
    };
  }

  /** A timer runs in the context in which it was set: what is scheduled must not count as part of what scheduled it. */
  #hookScheduling(): void {
    const { asyncSyscall } = this.#internals;
    this.#internals.asyncSyscall = (operation, json) =>
      operation === "1.0/schedule"
        ? currentCall.exit(() => asyncSyscall(operation, json))
        : asyncSyscall(operation, json);
  }

  async #mayBegin(): Promise<void> {
    if (this.#isClosed) await new Promise(() => {}); // what is scheduled still has no place to run any more
    if (currentCall.getStore()?.kind !== "query") while (this.#hold !== null) await this.#hold;
  }

  /** Adds what the transaction read and wrote to the call it is part of. @returns the scheduled one, if it is that */
  #noteUsage(): Scheduled | null {
    const scheduled = activeCall() === null ? this.#scheduled : null;
    const recording = activeCall() ?? scheduled?.recording;
    const metrics = this.#internals.transactionManager._metricsTracker?.getTransactionMetrics();
    if (recording === undefined || metrics === undefined) return scheduled;
    recording.read.rows += metrics["documentsRead"]?.used ?? 0;
    recording.read.bytes += metrics["bytesRead"]?.used ?? 0;
    recording.written.rows += metrics["documentsWritten"]?.used ?? 0;
    recording.written.bytes += metrics["bytesWritten"]?.used ?? 0;
    return scheduled;
  }

  #endTransaction(scheduled: Scheduled | null): void {
    for (const store of this.#stores.values()) store.endQueries();
    if (scheduled === null) return;
    this.#scheduled = null;
    this.#report(scheduled);
  }
}

type Handler = (ctx: unknown, args: unknown) => unknown;

const emptySchema = { tables: {}, schemaValidation: false };
/** What convex-test is given for modules, until a push brings some: it must see a `_generated` folder. */
const noModules = { "./_generated/api.js": async () => ({}) };

async function handleIn(recording: Recording, handler: () => unknown): Promise<unknown> {
  // convex-test keeps what is assigned here to the function that runs.
  globalThis.console = consoleFor(recording);
  const value = (await handler()) as Value | undefined;
  if (value !== undefined) checkCallSize("return value", value); // before the transaction commits
  return value;
}

function kindOf(value: unknown): FunctionKind | null {
  if (value === null || (typeof value !== "function" && typeof value !== "object")) return null;
  const { isQuery, isMutation, isAction } = value as Record<string, unknown>;
  if (isQuery === true) return "query";
  if (isMutation === true) return "mutation";
  return isAction === true ? "action" : null;
}

function describeError(error: unknown): { message: string; data: JSONValue | undefined } {
  const { name = "Error", message = String(error) } = (error ?? {}) as { name?: string; message?: string };
  const isCoded = typeof error === "object" && error !== null && Symbol.for("ConvexError") in error;
  const data = isCoded ? convexToJson((error as { data?: Value }).data ?? null) : undefined;
  return { message: `Uncaught ${name}: ${message}`, data };
}
