import { connect } from "node:net";
import { ConvexError } from "convex/values";
import { httpActionGeneric as httpAction, httpRouter } from "convex/server";
import { afterEach, expect, test } from "vitest";
import type { HttpComponent } from "./httpRoutes.js";
import { siteHandler } from "./siteHandler.js";
import { bodyLimitBytes, startSite, type Site } from "./siteServer.js";

const sites: Site[] = [];
afterEach(async () => void (await Promise.all(sites.splice(0).map((site) => site.close()))));

const log: string[] = [];
const serve = async (handle: (request: Request) => Promise<Response>): Promise<string> => {
  const site = await startSite({ handle, log: (line) => log.push(line) });
  sites.push(site);
  return site.url;
};
const text = async (answer: Promise<Response>) => (await answer).text();

test("it listens on loopback only", async () => {
  expect(new URL(await serve(async () => new Response())).hostname).toBe("127.0.0.1");
});

test("a port that is taken is named", async () => {
  const url = await serve(async () => new Response());
  const port = Number(new URL(url).port);
  await expect(startSite({ port, handle: async () => new Response() })).rejects.toThrow(
    `Port ${port} is taken`,
  );
});

test("the request comes as it was sent, the response as it was made", async () => {
  const url = await serve(async (request) => {
    const { method, headers } = request;
    const body = { method, url: request.url, sent: headers.get("x-sent"), body: await request.text() };
    const made = new Headers({ "content-type": "application/json", "x-made": "1" });
    made.append("set-cookie", "a=1");
    made.append("set-cookie", "b=2");
    return new Response(JSON.stringify(body), { status: 201, headers: made });
  });
  const response = await fetch(`${url}/a%20b?q=%26`, {
    method: "PUT",
    headers: { "x-sent": "1, 2" },
    body: "né",
  });
  expect(await response.json()).toEqual({
    method: "PUT",
    url: `${url}/a%20b?q=%26`,
    sent: "1, 2",
    body: "né",
  });
  expect(response.status).toBe(201);
  expect(response.headers.get("x-made")).toBe("1");
  expect(response.headers.getSetCookie()).toEqual(["a=1", "b=2"]);
  expect(response.headers.get("access-control-allow-origin")).toBeNull();
});

test("bytes go through in both directions while they come", async () => {
  const url = await serve(async (request) => new Response(request.body));
  let send: ReadableStreamDefaultController<Uint8Array>;
  const body = new ReadableStream<Uint8Array>({ start: (controller) => void (send = controller) });
  const asked = fetch(url, { method: "POST", body, duplex: "half" } as RequestInit);
  send!.enqueue(Uint8Array.of(0, 255));
  const reader = (await asked).body!.getReader();
  expect(Buffer.from((await reader.read()).value!)).toEqual(Buffer.of(0, 255));
  send!.enqueue(Uint8Array.of(7));
  expect(Buffer.from((await reader.read()).value!)).toEqual(Buffer.of(7));
  send!.close();
  expect((await reader.read()).done).toBe(true);
});

test("a large body goes through whole", async () => {
  const url = await serve(async (request) => new Response(await request.arrayBuffer()));
  const body = Buffer.alloc(5 * 2 ** 20, "abcdefg");
  const answer = await fetch(url, { method: "POST", body });
  expect(Buffer.compare(Buffer.from(await answer.arrayBuffer()), body)).toBe(0);
});

test("HEAD is answered like GET, without the body", async () => {
  const url = await serve(async () => new Response("body", { headers: { "x-made": "1" } }));
  const response = await fetch(url, { method: "HEAD" });
  expect([response.status, response.headers.get("x-made"), await response.text()]).toEqual([200, "1", ""]);
});

test("GET and OPTIONS come without a body, DELETE with one", async () => {
  const url = await serve(async (request) => new Response(String(request.body !== null)));
  const answers = ["GET", "OPTIONS", "DELETE"].map((method) => text(fetch(url, { method })));
  expect(await Promise.all(answers)).toEqual(["false", "false", "true"]);
});

test("a method that Convex does not route is refused", async () => {
  const url = await serve(async () => new Response());
  expect((await fetch(url, { method: "PROPFIND" })).status).toBe(405);
});

test("a handler that throws is answered with what it threw, and its data", async () => {
  const url = await serve(async (request) => {
    throw request.url.endsWith("/plain") ? new TypeError("no luck") : new ConvexError({ n: 1n });
  });
  const plain = await fetch(`${url}/plain`);
  expect([plain.status, plain.headers.get("content-type")]).toEqual([500, "application/json"]);
  expect(await plain.json()).toEqual({
    code: expect.stringMatching(
      /^\[Request ID: [0-9a-f]{16}\] Server Error: Uncaught TypeError: no luck$/,
    ) as string,
    trace: expect.stringMatching(/^Uncaught TypeError: no luck\n +at /) as string,
  });
  const convex = (await (await fetch(url)).json()) as { data: unknown };
  expect(convex.data).toEqual({ n: { $integer: "AQAAAAAAAAA=" } });
});

test("a handler that returns no response is an error", async () => {
  const url = await serve(async () => "text" as unknown as Response);
  const response = await fetch(url);
  expect(response.status).toBe(500);
  expect(await response.text()).toContain("did not return a Response");
});

test("a body that says it is too large is refused before anything runs", async () => {
  let calls = 0;
  const url = await serve(async () => new Response(String(++calls)));
  const response = await fetch(url, { method: "POST", body: Buffer.alloc(bodyLimitBytes + 1) });
  expect([response.status, calls]).toEqual([413, 0]);
  expect((await fetch(url, { method: "POST", body: Buffer.alloc(bodyLimitBytes) })).status).toBe(200);
});

test("a body that turns out to be too large fails where it is read", async () => {
  const failures: unknown[] = [];
  const url = await serve(async (request) => {
    await request.arrayBuffer().catch((error: unknown) => failures.push(error));
    return new Response("read");
  });
  let sent = 0;
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      if (sent > bodyLimitBytes) return controller.close();
      sent += 2 ** 20;
      controller.enqueue(new Uint8Array(2 ** 20));
    },
  });
  const response = await fetch(url, { method: "POST", body, duplex: "half" } as RequestInit);
  expect([response.status, failures.length]).toEqual([413, 1]);
});

test("a response that is too large is broken off", async () => {
  const url = await serve(async () => new Response(Buffer.alloc(bodyLimitBytes + 1)));
  await expect(fetch(url).then((response) => response.arrayBuffer())).rejects.toThrow();
  expect(log.at(-1)).toContain(`The response is larger than ${bodyLimitBytes} bytes.`);
});

test("a body that nobody reads does not block the next request of the connection", async () => {
  const url = await serve(async () => new Response("unread"));
  for (const _ of [1, 2])
    expect(await text(fetch(url, { method: "POST", body: Buffer.alloc(2 ** 20) }))).toBe("unread");
});

/** Sends bytes as they are, until the answer has what is awaited. */
const exchange = (url: string, bytes: string, awaited: string) =>
  new Promise<string>((resolve, reject) => {
    let answer = "";
    const socket = connect(Number(new URL(url).port), "127.0.0.1", () => socket.write(bytes));
    socket.once("error", reject);
    socket.once("close", () => reject(new Error(`It was closed after: ${answer}`)));
    socket.on("data", (data) => {
      answer += String(data);
      if (!answer.includes(awaited)) return;
      socket.removeAllListeners().destroy();
      resolve(answer);
    });
  });

/** And lets come what comes unasked. */
const readBeginning = async (body: ReadableStream) => {
  await body.getReader().read();
  for (let n = 0; n < 20; n++) await new Promise((resolve) => setImmediate(resolve));
};

test.each<[string, (body: ReadableStream) => Promise<unknown>]>([
  ["of which only the beginning is read", readBeginning],
  ["that is cancelled", (body) => body.cancel()],
])("a body %s does not block the next request of the connection either", async (_, read) => {
  const url = await serve(async (request) => {
    if (request.body !== null) await read(request.body);
    return new Response(`answer to ${request.method}`);
  });
  const size = 3 * 2 ** 20;
  const post = `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${size}\r\n\r\n${"x".repeat(size)}`;
  const answers = await exchange(url, `${post}GET / HTTP/1.1\r\nHost: x\r\n\r\n`, "answer to GET");
  expect(answers).toContain("answer to POST");
});

test("a request that is broken off fails where it is read", async () => {
  let read: Promise<unknown> = Promise.resolve();
  let begin = () => {};
  const begun = new Promise<void>((resolve) => (begin = resolve));
  const url = await serve(async (request) => {
    read = request.text();
    begin();
    return await read.then(() => new Response());
  });
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  socket.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf");
  await begun;
  socket.destroy();
  await expect(read).rejects.toThrow("broken off");
});

const router = httpRouter();
const answering = (name: string) => httpAction(async () => new Response(name));
router.route({ path: "/hello", method: "GET", handler: answering("hello") });
const inner = httpRouter();
inner.route({ pathPrefix: "/", method: "GET", handler: answering("inner") });
const routes: HttpComponent = {
  path: "",
  router,
  mounts: [{ prefix: "/inner/", component: { path: "mounted", router: inner, mounts: [] } }],
};
const token = (claims: object) => `x.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.`;

test("the site of an app answers by its routes, and tells the action who asks", async () => {
  const url = await serve(
    siteHandler({
      routes: () => routes,
      runHttpAction: async (handler, component, request, identity) => {
        const direct = handler as unknown as {
          _handler: (ctx: object, request: Request) => Promise<Response>;
        };
        const name = await (await direct._handler({}, request)).text();
        return Response.json({
          name,
          component,
          path: new URL(request.url).pathname,
          who: identity?.subject,
        });
      },
    }),
  );
  const ask = (path: string, authorization: string) => fetch(url + path, { headers: { authorization } });
  const json = async (answer: Promise<Response>) => (await answer).json() as Promise<unknown>;
  const bearer = `Bearer ${token({ sub: "ada" })}`;
  expect(await json(ask("/hello", bearer))).toEqual({
    name: "hello",
    component: "",
    path: "/hello",
    who: "ada",
  });
  expect(await json(ask("/hello", "Basic abc"))).toMatchObject({ name: "hello" });
  expect(await json(ask("/inner/a", bearer))).toEqual({
    name: "inner",
    component: "mounted",
    path: "/inner/a",
  });
  const missing = await fetch(`${url}/nothing`, { method: "POST" });
  expect([missing.status, await missing.text()]).toEqual([404, "No matching routes found"]);
});

test("the site of an app that was not pushed yet has no HTTP actions", async () => {
  const url = await serve(siteHandler({ routes: () => null, runHttpAction: async () => new Response() }));
  const answer = await fetch(url);
  expect(answer.status).toBe(404);
  expect(await answer.text()).toBe("This Convex deployment does not have HTTP actions enabled.");
});
