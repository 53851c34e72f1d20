import { randomBytes } from "node:crypto";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream/promises";
import { convexToJson, type JSONValue, type Value } from "convex/values";
import { FunctionError } from "../engine/execution.js";
import { RequestBody } from "./requestBody.js";

/** What Convex lets through in a request and in a response of an HTTP action (docs, "HTTP actions", limits). */
export const bodyLimitBytes = 20 * 2 ** 20;

const routableMethods = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"];
const methodsWithoutBody = ["GET", "HEAD", "OPTIONS"];
/** Node wants it where a body is streamed; the types of the browser do not know it. */
const halfDuplex = { duplex: "half" };

export interface SiteOptions {
  /** 0, the default: a free one. */
  readonly port?: number;
  /** Answers a request: `siteHandler`. What it rejects with is answered as an error of the server. */
  readonly handle: (request: Request) => Promise<Response>;
  /** Gets a line for what cannot be told to who asked. */
  readonly log?: (line: string) => void;
}

export interface Site {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Starts the site of an app, where its HTTP actions are reached, on loopback.
 *
 * @throws Error if the port is taken
 */
export async function startSite({ port = 0, handle, log = () => {} }: SiteOptions): Promise<Site> {
  const server = http.createServer((incoming, outgoing) => {
    answer(incoming, outgoing, handle).catch((error: unknown) => {
      // The response has begun: all that is left is to break it off.
      log(`${incoming.method} ${incoming.url} was broken off: ${describe(error)}`);
      outgoing.destroy();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const isTaken = error.code === "EADDRINUSE";
      reject(isTaken ? new Error(`Port ${port} is taken, which the app's HTTP actions need.`) : error);
    });
    server.listen(port, "127.0.0.1", resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function answer(
  incoming: http.IncomingMessage,
  outgoing: http.ServerResponse,
  handle: SiteOptions["handle"],
): Promise<void> {
  if (!routableMethods.includes(incoming.method!)) return void outgoing.writeHead(405).end();
  const body = methodsWithoutBody.includes(incoming.method!)
    ? null
    : new RequestBody(incoming, bodyLimitBytes);
  const response = body?.isTooLarge ? tooLarge() : await ask(handle, incoming, body);
  try {
    await send(outgoing, response, incoming.method === "HEAD");
  } finally {
    body?.drop();
  }
}

async function ask(
  handle: SiteOptions["handle"],
  incoming: http.IncomingMessage,
  body: RequestBody | null,
): Promise<Response> {
  try {
    const response = checkResponse(await handle(toRequest(incoming, body)));
    return body?.isTooLarge ? tooLarge() : response;
  } catch (error) {
    return body?.isTooLarge ? tooLarge() : serverError(error);
  }
}

function toRequest(incoming: http.IncomingMessage, body: RequestBody | null): Request {
  const url = new URL(incoming.url!, `http://${incoming.headers.host ?? "127.0.0.1"}`);
  const headers = new Headers();
  for (let at = 0; at < incoming.rawHeaders.length; at += 2)
    headers.append(incoming.rawHeaders[at]!, incoming.rawHeaders[at + 1]!);
  const init = { method: incoming.method!, headers };
  return new Request(url, body === null ? init : { ...init, body: body.stream, ...halfDuplex });
}

async function send(outgoing: http.ServerResponse, response: Response, isHead: boolean): Promise<void> {
  outgoing.statusCode = response.status;
  for (const [name, value] of response.headers) if (name !== "set-cookie") outgoing.setHeader(name, value);
  const cookies = response.headers.getSetCookie();
  if (cookies.length > 0) outgoing.setHeader("set-cookie", cookies);
  if (response.body === null || isHead) {
    await response.body?.cancel();
    return void outgoing.end();
  }
  outgoing.flushHeaders();
  await pipeline(limited(response.body), outgoing);
}

async function* limited(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength;
    if (bytes > bodyLimitBytes) throw new Error(`The response is larger than ${bodyLimitBytes} bytes.`);
    yield chunk;
  }
}

function checkResponse(answered: unknown): Response {
  if (answered instanceof Response) return answered;
  throw new Error("The HTTP action did not return a Response.");
}

function tooLarge(): Response {
  return json(413, {
    code: "RequestBodyTooLarge",
    message: `The request's body is larger than ${bodyLimitBytes} bytes.`,
  });
}

/** What production answers for an error of an HTTP action, where it redacts nothing (`redaction.rs`). */
function serverError(failure: unknown): Response {
  const error = failure instanceof FunctionError ? (failure.cause ?? failure) : failure;
  const id = randomBytes(8).toString("hex");
  const data = failure instanceof FunctionError ? failure.data : dataOf(error);
  return json(500, {
    code: `[Request ID: ${id}] Server Error: Uncaught ${describe(error)}`,
    trace: `Uncaught ${(error instanceof Error && error.stack) || describe(error)}`,
    ...(data === undefined ? {} : { data }),
  });
}

function dataOf(error: unknown): JSONValue | undefined {
  const data = (error as { data?: Value } | null)?.data;
  return data === undefined ? undefined : convexToJson(data);
}

function json(status: number, body: object): Response {
  return new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });
}

function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
