import http from "node:http";
import type { AddressInfo } from "node:net";
import zlib from "node:zlib";
import { convexToJson, jsonToConvex, type Value } from "convex/values";
import { WebSocketServer } from "ws";
import { Answers } from "./answers.js";
import { Calls, type Call } from "./calls.js";
import { Connection } from "./connection.js";
import { ConvexTestEngine } from "./convexTestEngine.js";
import type { Engine, FunctionKind, Identity } from "./engine.js";
import { Faults } from "./faults.js";
import { answerCall } from "./httpApi.js";
import { PushApi } from "./pushApi.js";
import { QueryCache } from "./queryCache.js";
import { checkSite, serveFile } from "./staticSite.js";
import { encodeTs, type ClientMessage } from "./syncProtocol.js";

export interface BackendOptions {
  /** 0, the default: a free one. */
  readonly port?: number;
  /** A folder with a built app, served beside the API. */
  readonly site?: string;
  /** Gets a line per call. */
  readonly log?: (line: string) => void;
}

export interface Backend {
  readonly url: string;
  readonly faults: Faults;
  /** Calls that were made, newest last. */
  readonly calls: readonly Call[];
  /** Open sockets. */
  connections(): { readonly sessionId: string }[];
  /** Runs any function, internal ones too, as an operator does. @throws Error with `data` if the function threw a ConvexError */
  run(kind: FunctionKind, path: string, args?: object, identity?: Identity): Promise<unknown>;
  close(): Promise<void>;
}

const pingMs = 15_000;

/**
 * Starts a backend on loopback. It is for development, tests and the demo; production runs on Convex.
 *
 * @throws Error if the port is taken, or `site` holds no built app
 */
export async function startBackend(options: BackendOptions = {}): Promise<Backend> {
  if (options.site !== undefined) checkSite(options.site);
  const engine = new ConvexTestEngine();
  const connections = new Set<Connection>();
  const faults = new Faults(() => connections.forEach((connection) => connection.cut()));
  const calls = new Calls(engine, faults, options.log ?? (() => {}));
  const queries = new QueryCache(calls);
  const noteStale = () => connections.forEach((connection) => connection.noteStale());
  engine.onCommit((commit) => {
    queries.noteCommit(commit);
    noteStale();
  });
  const pushApi = new PushApi(engine, () => {
    queries.makeAllStale();
    noteStale();
  });
  const server = http.createServer((request, response) => {
    const serve = { calls, pushApi, engine, url: urlOf(server), site: options.site };
    answer(request, response, serve).catch((error: unknown) => {
      if (!response.headersSent) response.writeHead(500);
      response.end(String(error));
    });
  });
  const shared = { engine, calls, faults, queries, answers: new Answers() };
  const sockets = acceptSockets(server, connections, faults, (socket) => new Connection(socket, shared));
  await listen(server, options.port ?? 0);
  return {
    url: urlOf(server),
    faults,
    calls: calls.made,
    connections: () => [...connections].map(({ sessionId }) => ({ sessionId })),
    run: (kind, path, args = {}, identity) => runTrusted(calls, kind, path, args, identity ?? null),
    close: async () => {
      engine.close();
      faults.dropSockets();
      sockets.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function runTrusted(
  calls: Calls,
  kind: FunctionKind,
  path: string,
  args: object,
  identity: Identity | null,
): Promise<unknown> {
  const json = convexToJson(args as Value);
  const result = await calls.make({ kind, path, args: json, identity, isTrusted: true });
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

function acceptSockets(
  server: http.Server,
  connections: Set<Connection>,
  faults: Faults,
  connect: (socket: import("ws").WebSocket) => Connection,
): WebSocketServer {
  const sockets = new WebSocketServer({ noServer: true });
  server.on("upgrade", (request, socket, head) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    if (faults.isBlocked || !/^\/api\/[^/]+\/sync$/.test(pathname)) return socket.destroy();
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      const connection = connect(webSocket);
      connections.add(connection);
      const ping = setInterval(() => connection.ping(), pingMs);
      webSocket.on("message", (data) => receive(connection, String(data)));
      webSocket.on("close", () => {
        clearInterval(ping);
        connections.delete(connection);
      });
    });
  });
  return sockets;
}

function receive(connection: Connection, text: string): void {
  let message: ClientMessage;
  try {
    message = JSON.parse(text) as ClientMessage;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return connection.cut();
  }
  connection.receive(message);
}

async function answer(
  request: http.IncomingMessage,
  response: http.ServerResponse,
  serve: { calls: Calls; pushApi: PushApi; engine: Engine; url: string; site: string | undefined },
): Promise<void> {
  const { pathname } = new URL(request.url ?? "/", serve.url);
  const cors = {
    "access-control-allow-origin": request.headers.origin ?? "*",
    "access-control-allow-headers": "*",
    "access-control-allow-methods": "*",
  };
  const send = (status: number, body: unknown) => {
    response.writeHead(status, { "content-type": "application/json", ...cors });
    response.end(JSON.stringify(body));
  };
  if (request.method === "OPTIONS") return send(200, {});
  if (pathname === "/version") return void response.end("local");
  if (pathname === "/api/query_ts") return send(200, { ts: encodeTs(serve.engine.currentTs()) });
  if (pathname.startsWith("/api/stream_function_logs")) return; // a long poll: the log is on the terminal
  if (!pathname.startsWith("/api/")) {
    if (serve.site !== undefined) return serveFile(serve.site, pathname, response);
    return send(404, { code: "NotFound", message: `There is nothing at ${pathname}.` });
  }
  const body = await readBody(request);
  const reply =
    (await answerCall(serve.calls, pathname, body, request.headers.authorization)) ??
    (await serve.pushApi.answer(pathname, body, serve.url));
  if (reply === null)
    return send(404, { code: "NotFound", message: `The local backend has no ${pathname}.` });
  send(reply.status, reply.body);
}

async function readBody(request: http.IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const raw = Buffer.concat(chunks);
  const plain = request.headers["content-encoding"] === "br" ? zlib.brotliDecompressSync(raw) : raw;
  return plain.length === 0 ? null : (JSON.parse(plain.toString("utf8")) as unknown);
}
