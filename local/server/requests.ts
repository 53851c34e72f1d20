import type http from "node:http";
import zlib from "node:zlib";
import type { Calls } from "./calls.js";
import type { Engine } from "../engine/engine.js";
import type { VariableChange } from "../engine/variables.js";
import { answerCall } from "./httpApi.js";
import type { PushApi } from "../push/pushApi.js";
import { serveFile } from "./staticSite.js";
import type { Stats } from "./stats.js";
import { encodeTs } from "./syncProtocol.js";

export interface Serve {
  readonly calls: Calls;
  readonly pushApi: PushApi;
  readonly engine: Engine;
  readonly stats: Stats;
  changeVariables(changes: readonly VariableChange[]): void;
  readonly url: string;
  readonly siteUrl: string;
  /** A folder with a built app. */
  readonly site: string | undefined;
}

/** Answers what comes over HTTP: calls, pushes, counts, and the files of a built app. */
export async function answerRequest(
  request: http.IncomingMessage,
  response: http.ServerResponse,
  { calls, pushApi, engine, stats, url, siteUrl, site, changeVariables }: Serve,
): Promise<void> {
  const { pathname } = new URL(request.url ?? "/", url);
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
  if (pathname === "/stats") return send(200, stats.report());
  if (pathname === "/api/query_ts") return send(200, { ts: encodeTs(engine.currentTs()) });
  if (pathname.startsWith("/api/stream_function_logs")) return; // a long poll: the log is on the terminal
  if (!pathname.startsWith("/api/")) {
    if (site !== undefined) return serveFile(site, pathname, response);
    return send(404, { code: "NotFound", message: `There is nothing at ${pathname}.` });
  }
  const body = await readBody(request);
  if (pathname === "/api/update_environment_variables") {
    changeVariables((body as { changes: VariableChange[] }).changes);
    return send(200, null);
  }
  const reply =
    (await answerCall(calls, pathname, body, request.headers.authorization)) ??
    (await pushApi.answer(pathname, body, url, siteUrl));
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
