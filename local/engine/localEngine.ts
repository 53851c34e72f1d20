import type { PublicHttpAction } from "convex/server";
import type { JSONValue } from "convex/values";
import { systemClock, type Clock } from "../clock.js";
import { readCronSpecs } from "../crons/cronSpecs.js";
import type { DataDirectory } from "../durable/dataDirectory.js";
import type {
  BackgroundCall,
  CallResult,
  Conflict,
  Cost,
  Document,
  Engine,
  FunctionCall,
  FunctionKind,
  Identity,
  Runtime,
  SchemaProblem,
} from "./engine.js";
import type { Commit } from "../mvcc/versionedStore.js";
import { VersionedStore } from "../mvcc/versionedStore.js";
import { Usage, type UsageOptions } from "../values/usage.js";
import { runHttpAction } from "./actionFunction.js";
import { Crons } from "./crons.js";
import { insertDocument } from "./databaseSyscalls.js";
import { installGlobals, uuidFrom } from "./environment.js";
import { FunctionError, type Request } from "./execution.js";
import { Files } from "./files.js";
import { Functions, normalizeName, notFound, type FunctionPath } from "./functions.js";
import { Gate } from "./gate.js";
import type { Host, TopLevelCall } from "./host.js";
import { Jobs } from "./jobs.js";
import { Persistence } from "./persistence.js";
import { seededRandom, unseededRandom } from "./random.js";
import { Tables } from "./tables.js";
import { costOf, createProgress, runTopLevel, type Outcome } from "./topLevel.js";
import { runTransactionFunction } from "./transactionFunction.js";
import { Turns } from "./turns.js";
import { inSystemMutation, OccError } from "./unit.js";
import { EnvironmentVariables, type Variables } from "./variables.js";

export interface EngineOptions {
  /** Default: the time of day. */
  readonly clock?: Clock;
  /** With one, functions interleave in the same order each time, and draw the same random numbers. */
  readonly seed?: number;
  /** How long a read takes, in milliseconds, from and up to; default: no time. What is read does not depend on it. */
  readonly readLatencyMs?: readonly [number, number];
  /** How many rows of a query one read brings; default: 1, so that writers meet as often as can be. */
  readonly readAheadRows?: number;
  readonly limits?: UsageOptions;
  /** Where commits are kept; default: in memory alone. */
  readonly data?: DataDirectory;
  /** Where stored files are kept; default: in memory alone. */
  readonly filesFolder?: string;
  /** Environment variables of the deployment. */
  readonly variables?: Variables;
  /** Is told what went wrong in the background. */
  readonly onError?: (what: string, error: unknown) => void;
}

const noCode: Runtime = { root: { schema: null, modules: {} }, components: [] };

/**
 * Runs functions over ordered indexes in transactions that are validated when they commit, as Convex does. A function
 * that waits lets others run: writers meet, and conflict, as they would there.
 */
export class LocalEngine implements Engine {
  readonly #host: Host & { functions: Functions };
  readonly #jobs: Jobs;
  readonly #crons: Crons;
  readonly #persistence: Persistence;
  readonly #commitListeners: ((commit: Commit) => void)[] = [];
  readonly #conflictListeners: ((conflict: Conflict) => void)[] = [];
  readonly #backgroundListeners: ((call: BackgroundCall) => void)[] = [];

  constructor(options: EngineOptions = {}) {
    installGlobals();
    const { clock = systemClock, seed, readLatencyMs = null, readAheadRows = 1, limits = {} } = options;
    const random = seed === undefined ? unseededRandom() : seededRandom(seed);
    const store = new VersionedStore(() => BigInt(Math.floor(clock.now())) * 1_000_000n);
    const tables = new Tables(store);
    const sleep = (ms: number) =>
      new Promise<void>((resolve) => void clock.at(clock.now() + Math.ceil(ms), resolve));
    this.#host = {
      store,
      tables,
      turns: new Turns(seed === undefined ? null : random.fork()),
      gate: new Gate(),
      clock,
      random,
      files: new Files(options.filesFolder ?? null),
      variables: new EnvironmentVariables(options.variables),
      functions: new Functions(noCode),
      readLatency: readLatencyMs && (() => sleep(between(readLatencyMs, random.fraction()))),
      readAheadRows,
      createUsage: () => new Usage(limits),
      sleep,
      noteCommit: (commit) => this.#noteCommit(commit),
      noteConflict: (conflict) => {
        for (const listener of this.#conflictListeners) listener(conflict);
      },
      runInTransaction: (call) => runTransactionFunction(call, this.#host),
      call: (call) => this.#callForAction(call),
    };
    const onError = options.onError ?? (() => {});
    this.#persistence = new Persistence(options.data ?? null, store, tables, (error) =>
      onError("The snapshot of the data directory could not be written", error),
    );
    this.#jobs = new Jobs(
      this.#host,
      (call, cost, failure) => this.#report("schedule", call, cost, failure),
      (error) => onError("A scheduled function could not be run", error),
    );
    this.#crons = new Crons(
      this.#host,
      (call, cost, failure) => this.#report("cron", call, cost, failure),
      () => this.#persistence.flushed(),
      onError,
    );
  }

  /** An engine with what its data directory holds. @throws DataDirectoryError if that cannot be read */
  static async open(options: EngineOptions): Promise<LocalEngine> {
    const engine = new LocalEngine(options);
    await engine.#persistence.recover();
    const { random, store } = engine.#host;
    if (store.lastTs > 0n) random.stir(Number(BigInt.asUintN(32, store.lastTs)));
    return engine;
  }

  findSchemaProblem(runtime: Runtime): SchemaProblem | null {
    return this.#host.tables.findForbidden(runtime);
  }

  async activate(runtime: Runtime): Promise<void> {
    const [functions, crons] = [new Functions(runtime), readCronSpecs(runtime)];
    await this.#host.gate.alone(() => {
      this.#host.tables.setSchemas(runtime);
      this.#host.variables.setBindings(runtime);
      this.#host.functions = functions;
    });
    await this.#jobs.start();
    this.#crons.activate(crons);
  }

  kindOf(path: string): FunctionKind | null {
    return this.#host.functions.find({ component: "", name: normalizeName(path) })?.kind ?? null;
  }

  get variables(): EnvironmentVariables {
    return this.#host.variables;
  }

  async run(call: FunctionCall): Promise<CallResult> {
    const path = { component: "", name: normalizeName(call.path) };
    const { kind, args, identity, journal = null, isInstant = false } = call;
    const request = { ...this.#newRequest(), isInstant };
    const found = this.#host.functions.find(path);
    const isCallable = found?.kind === kind && (found.isPublic || call.isTrusted === true);
    if (!isCallable) {
      const message = notFound(path, call.isTrusted ? "function" : "public function");
      return { ok: false, ...failureOf(new FunctionError({ message, data: undefined })), ...nothing };
    }
    const outcome = await runTopLevel({ kind, path, args, identity, request }, this.#host, journal);
    const now = this.currentTs();
    try {
      // What it saw of others' commits must not be gone after a crash either.
      await this.#persistence.flushed();
      return resultOf(outcome, now);
    } catch (error) {
      const failure = new FunctionError({ message: (error as Error).message, data: undefined });
      return resultOf({ ...outcome, ok: false, error: failure }, now);
    }
  }

  /** Writes documents of the app, as an operator does, all or none. @throws Error if the schema forbids one */
  async importDocuments(table: string, documents: readonly Document[]): Promise<void> {
    await inSystemMutation(this.#host, "", (execution) => {
      for (const document of documents) insertDocument(execution, this.#host, table, document);
    });
    await this.#persistence.flushed();
  }

  currentTs(): bigint {
    return this.#host.store.lastTs;
  }

  onCommit(listener: (commit: Commit) => void): void {
    this.#commitListeners.push(listener);
  }

  /** Calls `listener` whenever a transaction is thrown away. */
  onConflict(listener: (conflict: Conflict) => void): void {
    this.#conflictListeners.push(listener);
  }

  onBackgroundCall(listener: (call: BackgroundCall) => void): void {
    this.#backgroundListeners.push(listener);
  }

  /**
   * Whether functions go on by themselves. Ask when the event loop comes by: then all promise callbacks have run, and
   * who is not busy waits for the clock.
   */
  get isBusy(): boolean {
    return this.#host.turns.isBusy;
  }

  /** Until nothing that is due is scheduled, and nothing that was scheduled runs. */
  settled(): Promise<void> {
    return this.#jobs.settled();
  }

  async close(): Promise<void> {
    this.#jobs.stop();
    this.#crons.stop();
    await this.#persistence.close();
  }

  #noteCommit(commit: Commit): void {
    this.#persistence.append(commit);
    for (const listener of this.#commitListeners) listener(commit);
    this.#jobs.noteCommit(commit);
  }

  /**
   * Runs an HTTP action, in the component that it is of.
   *
   * @throws FunctionError, whatever the action threw
   */
  async runHttpAction(
    handler: PublicHttpAction,
    component: string,
    request: globalThis.Request,
    identity: Identity | null,
  ): Promise<Response> {
    const name = `${request.method} ${new URL(request.url).pathname}`;
    const call = {
      kind: "httpAction" as const,
      path: { component, name },
      identity,
      request: this.#newRequest(),
    };
    const progress = createProgress();
    let failure: FunctionError | null = null;
    try {
      const response = await runHttpAction(handler, call, request, this.#host, progress.logLines);
      await this.#persistence.flushed();
      return response;
    } catch (error) {
      failure = error as FunctionError;
      throw failure;
    } finally {
      this.#report("http", call, costOf(progress), failure);
    }
  }

  #newRequest(): Request {
    return { requestId: uuidFrom(this.#host.random), job: null };
  }

  /** @throws FunctionError */
  async #callForAction(call: TopLevelCall): Promise<JSONValue> {
    const outcome = await runTopLevel(call, this.#host, null);
    this.#report("action", call, outcome, outcome.ok ? null : outcome.error);
    await this.#persistence.flushed();
    if (!outcome.ok) throw outcome.error;
    return outcome.value;
  }

  #report(
    cause: BackgroundCall["cause"],
    { kind, path }: Pick<BackgroundCall, "kind"> & { readonly path: FunctionPath },
    { ms, read, written, conflicts, logLines }: Cost & { readonly logLines: readonly string[] },
    failure: FunctionError | null,
  ): void {
    const error = failure === null ? {} : { error: failure.message };
    const call = { kind, path: nameOf(path), cause, ms, read, written, conflicts, logLines, ...error };
    for (const listener of this.#backgroundListeners) listener(call);
  }
}

const nothing = {
  ms: 0,
  read: { rows: 0, bytes: 0 },
  written: { rows: 0, bytes: 0 },
  conflicts: 0,
  logLines: [],
  snapshot: null,
};

function resultOf(outcome: Outcome, now: bigint): CallResult {
  const { ms, read, written, conflicts, logLines, snapshot } = outcome;
  const common = { ms, read, written, conflicts, logLines, snapshot };
  if (!outcome.ok) return { ok: false, ...failureOf(outcome.error), ...common };
  return { ok: true, value: outcome.value, ts: outcome.ts ?? now, journal: outcome.journal, ...common };
}

function failureOf(error: FunctionError) {
  return { message: error.message, data: error.data, isConflict: error instanceof OccError };
}

function nameOf({ component, name }: FunctionPath): string {
  return component === "" ? name : `${component}/${name}`;
}

function between([from, to]: readonly [number, number], fraction: number): number {
  return from + (to - from) * fraction;
}
