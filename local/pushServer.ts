import http from "node:http";
import type { AddressInfo } from "node:net";
import zlib from "node:zlib";
import { analyzePush, noSchemaChange } from "./push.js";
import type { StartPush } from "./pushTypes.js";

/** A reply to one endpoint of the push API, given the request's parsed body. */
type Endpoint = (body: unknown) => unknown;

/**
 * Serves the part of a deployment's push API that code generation needs, on loopback and a free port.
 *
 * @returns the address, and `close()`.
 */
export async function startPushServer(): Promise<{ url: string; close(): Promise<void> }> {
  const server = http.createServer((request, response) => void answer(request, response, endpointsAt(url)));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { url, close };
}

function endpointsAt(url: string): Record<string, Endpoint> {
  const noModules = { functions: "convex/", authInfo: [], modules: [] };
  return {
    "/api/get_config_hashes": () => ({
      config: noModules,
      moduleHashes: [],
      nodeDependencies: [],
      udfServerVersion: null,
      nodeVersion: null,
    }),
    "/api/v1/get_canonical_urls": () => ({ convexCloudUrl: url, convexSiteUrl: url }),
    "/api/deploy2/start_push": (body) => analyzePush(body as StartPush),
    "/api/deploy2/evaluate_schema": () => ({ schemaChange: noSchemaChange, tables: {} }),
  };
}

async function answer(
  request: http.IncomingMessage,
  response: http.ServerResponse,
  endpoints: Record<string, Endpoint>,
): Promise<void> {
  const send = (status: number, body: unknown) => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
  };
  const path = (request.url ?? "").split("?")[0] ?? "";
  const endpoint = endpoints[path];
  if (path === "/version") return void response.end("local");
  if (endpoint === undefined)
    return send(404, { code: "NotImplemented", message: `No such endpoint: ${path}` });
  try {
    send(200, await endpoint(await readBody(request)));
  } catch (error) {
    send(400, {
      code: "InvalidPush",
      message: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
  }
}

async function readBody(request: http.IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const raw = Buffer.concat(chunks);
  const plain = request.headers["content-encoding"] === "br" ? zlib.brotliDecompressSync(raw) : raw;
  return plain.length === 0 ? null : (JSON.parse(plain.toString("utf8")) as unknown);
}
