import fs from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { convexToJson, jsonToConvex, type Value } from "convex/values";
import { Answers } from "./answers.js";
import { Calls, type Call } from "./calls.js";
import { Connection } from "./connection.js";
import { DataDirectory, type FsyncPolicy } from "../durable/dataDirectory.js";
import type { FunctionKind, Identity } from "../engine/engine.js";
import { LocalEngine, type EngineOptions } from "../engine/localEngine.js";
import type { VariableChange, Variables } from "../engine/variables.js";
import { Faults } from "./faults.js";
import { analyzePush } from "../push/push.js";
import { PushApi } from "../push/pushApi.js";
import { PushFile } from "../push/pushFile.js";
import { QueryCache } from "./queryCache.js";
import { answerRequest } from "./requests.js";
import type { HttpComponent } from "../site/httpRoutes.js";
import type { SeedTarget } from "./seed.js";
import { siteHandler } from "../site/siteHandler.js";
import { startSite } from "../site/siteServer.js";
import { acceptSockets } from "./sockets.js";
import { checkSite } from "./staticSite.js";
import { Stats } from "./stats.js";

export interface BackendOptions {
  /** 0, the default: a free one. */
  readonly port?: number;
  /** Of the app's HTTP actions; 0, the default: a free one. */
  readonly sitePort?: number;
  /** A folder with a built app, served beside the API. */
  readonly site?: string;
  /** A folder that keeps data and code from one start to the next; default: they are gone at the end. */
  readonly data?: string;
  /** Environment variables of the deployment, beside those that were set before. */
  readonly env?: Variables;
  /** When a mutation that was answered is on disk. Default: `always`, before it is answered. */
  readonly fsync?: FsyncPolicy;
  readonly engine?: Pick<EngineOptions, "seed" | "readLatencyMs" | "limits">;
  /** Gets a line per call. */
  readonly log?: (line: string) => void;
}

export interface Backend extends SeedTarget {
  readonly url: string;
  /** Where the app's HTTP actions are. */
  readonly siteUrl: string;
  /** Whether there is code to run: pushed, or kept from an earlier start. */
  readonly hasCode: boolean;
  readonly faults: Faults;
  readonly stats: Stats;
  /** Calls that were made, newest last. */
  readonly calls: readonly Call[];
  /** Open sockets, and the functions that each watches. */
  connections(): { readonly sessionId: string; readonly watched: readonly string[] }[];
  /** Runs any function, internal ones too, as an operator does. @throws Error with `data` if the function threw a ConvexError */
  run(kind: FunctionKind, path: string, args?: object, identity?: Identity): Promise<unknown>;
  /** Until nothing that is due is scheduled, and nothing that was scheduled runs. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Starts a backend on loopback. It is for development, tests and the demo; production runs on Convex.
 *
 * @throws Error if a port is taken, `site` holds no built app, or `data` cannot be read
 */
export async function startBackend(options: BackendOptions = {}): Promise<Backend> {
  if (options.site !== undefined) checkSite(options.site);
  const log = options.log ?? (() => {});
  const engine = await openEngine(options, log);
  try {
    return await serveEngine(engine, options, log);
  } catch (error) {
    await engine.close();
    throw error;
  }
}

async function serveEngine(
  engine: LocalEngine,
  options: BackendOptions,
  log: (line: string) => void,
): Promise<Backend> {
  const pushFile = options.data === undefined ? null : new PushFile(path.join(options.data, "push.json.br"));
  const connections = new Set<Connection>();
  const faults = new Faults(() => connections.forEach((connection) => connection.cut()));
  const stats = new Stats();
  const calls = new Calls(engine, faults, stats, log);
  const queries = new QueryCache(calls);
  const noteStale = () => connections.forEach((connection) => connection.noteStale());
  engine.onCommit((commit) => {
    queries.noteCommit(commit);
    noteStale();
  });
  let routes: HttpComponent | null = null;
  const pushApi = new PushApi(engine, ({ http: pushed, source }) => {
    routes = pushed;
    pushFile?.write(source);
    queries.makeAllStale(engine.currentTs());
    noteStale();
  });
  const environmentFile = options.data === undefined ? null : path.join(options.data, "environment.json");
  const changeVariables = (changes: readonly VariableChange[]) => {
    engine.variables.change(changes);
    if (environmentFile !== null) writeVariables(environmentFile, engine.variables.app);
    queries.makeAllStale(engine.currentTs());
    noteStale();
  };
  const kept = pushFile?.read() ?? null;
  if (kept !== null) {
    const { runtime, http: pushed } = await analyzePush(kept);
    await engine.activate(runtime);
    routes = pushed;
  }
  const handle = siteHandler({
    routes: () => routes,
    runHttpAction: (...request) => engine.runHttpAction(...request),
  });
  const site = await startSite({ port: options.sitePort ?? 0, handle, log });
  const server = http.createServer((request, response) => {
    const serve = { calls, pushApi, engine, stats, changeVariables, url: urlOf(server), siteUrl: site.url };
    answerRequest(request, response, { ...serve, site: options.site }).catch((error: unknown) => {
      if (!response.headersSent) response.writeHead(500);
      response.end(String(error));
    });
  });
  const shared = { engine, calls, faults, queries, answers: new Answers() };
  const sockets = acceptSockets(server, connections, faults, (socket) => new Connection(socket, shared));
  try {
    await listen(server, options.port ?? 0);
  } catch (error) {
    await site.close();
    throw error;
  }
  engine.variables.setPlatform({ CONVEX_CLOUD_URL: urlOf(server), CONVEX_SITE_URL: site.url });
  return {
    url: urlOf(server),
    siteUrl: site.url,
    get hasCode() {
      return routes !== null;
    },
    faults,
    stats,
    calls: calls.made,
    connections: () => [...connections].map(({ sessionId, watched }) => ({ sessionId, watched })),
    run: (kind, functionPath, args = {}, identity) =>
      runTrusted(calls, kind, functionPath, args, identity ?? null),
    get isEmpty() {
      return engine.currentTs() === 0n;
    },
    importDocuments: (table, documents) => engine.importDocuments(table, documents),
    settled: () => engine.settled(),
    close: async () => {
      faults.dropSockets();
      sockets.close();
      server.closeAllConnections();
      await Promise.all([site.close(), engine.close()]);
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function openEngine(
  { data: folder, fsync = "always", engine = {}, env = {} }: BackendOptions,
  log: (line: string) => void,
): Promise<LocalEngine> {
  const onError = (what: string, error: unknown) =>
    log(`${what}: ${error instanceof Error ? error.message : String(error)}`);
  const variables = { ...readVariables(folder), ...env };
  if (folder === undefined) return new LocalEngine({ ...engine, variables, onError });
  const data = await DataDirectory.open(path.join(folder, "documents"), { fsync });
  try {
    return await LocalEngine.open({
      ...engine,
      variables,
      onError,
      data,
      filesFolder: path.join(folder, "files"),
    });
  } catch (error) {
    await data.close();
    throw error;
  }
}

/** Those that were set at an earlier start. */
function readVariables(folder: string | undefined): Variables {
  if (folder === undefined) return {};
  const file = path.join(folder, "environment.json");
  return fs.existsSync(file) ? (JSON.parse(fs.readFileSync(file, "utf8")) as Variables) : {};
}

/** Whole, or not at all. */
function writeVariables(file: string, variables: Variables): void {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(`${file}.next`, JSON.stringify(variables, null, 2), { flush: true });
  fs.renameSync(`${file}.next`, file);
}

async function runTrusted(
  calls: Calls,
  kind: FunctionKind,
  functionPath: string,
  args: object,
  identity: Identity | null,
): Promise<unknown> {
  const json = convexToJson(args as Value);
  const result = await calls.make({ kind, path: functionPath, args: json, identity, isTrusted: true });
  if (result.ok) return jsonToConvex(result.value);
  const data = result.data === undefined ? {} : { data: jsonToConvex(result.data) };
  throw Object.assign(new Error(result.message), data);
}

function listen(server: http.Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const isTaken = error.code === "EADDRINUSE";
      reject(
        isTaken ? new Error(`Port ${port} is taken. Stop what uses it, or pass another --port.`) : error,
      );
    });
    server.listen(port, "127.0.0.1", resolve);
  });
}

function urlOf(server: http.Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
