// HTTP actions of an app and of a component, pushed by the stock CLI, reached at the site's address.
import { ConvexClient } from "convex/browser";
import { anyApi } from "convex/server";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import WebSocket from "ws";
import { startFixtureApp, type FixtureApp } from "../fixtureApp.js";

// The fixture has no generated code: any function, any arguments.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
const { messages } = anyApi as any;
const webSocketConstructor = WebSocket as unknown as typeof globalThis.WebSocket;

const sources = {
  "http.ts": `
    import { httpActionGeneric, httpRouter, makeFunctionReference } from "convex/server";
    import { ConvexError } from "convex/values";
    const http = httpRouter();
    const route = (method, path, handle) => http.route({ method, ...path, handler: httpActionGeneric(handle) });
    const [send, list] = ["send", "list"].map((name) => makeFunctionReference("messages:" + name));
    route("POST", { path: "/send" }, async (ctx, request) => {
      const id = await ctx.runMutation(send, await request.json());
      return Response.json({ id }, { status: 201, headers: { "x-made": "here" } });
    });
    route("GET", { pathPrefix: "/by/" }, async (ctx, request) => {
      const author = decodeURIComponent(new URL(request.url).pathname.slice("/by/".length));
      return Response.json(await ctx.runQuery(list, { author }));
    });
    route("GET", { path: "/me" }, async (ctx) => Response.json(await ctx.auth.getUserIdentity()));
    route("GET", { path: "/crash" }, async () => { throw new TypeError("it is broken"); });
    route("POST", { path: "/refuse" }, async (ctx) => {
      await ctx.runMutation(send, { author: "refused", text: "stays: an action is no transaction" });
      throw new ConvexError({ code: "no", big: 1n });
    });
    route("GET", { path: "/nothing" }, async () => "no response");
    export default http;`,
  "desk/convex.config.ts": `
    import { defineComponent } from "convex/server";
    export default defineComponent("desk");`,
  "desk/schema.ts": `
    import { defineSchema, defineTable } from "convex/server";
    import { v } from "convex/values";
    export default defineSchema({ letters: defineTable({ text: v.string() }) });`,
  "desk/letters.ts": `
    import { internalMutationGeneric, queryGeneric } from "convex/server";
    import { v } from "convex/values";
    export const add = internalMutationGeneric({ args: { text: v.string() }, returns: v.number(), handler: async (ctx, args) => {
      await ctx.db.insert("letters", args);
      return (await ctx.db.query("letters").take(100)).length;
    } });
    export const all = queryGeneric({ args: {}, returns: v.array(v.string()),
      handler: async (ctx) => (await ctx.db.query("letters").take(100)).map(({ text }) => text) });`,
  "desk/http.ts": `
    import { httpActionGeneric, httpRouter, makeFunctionReference } from "convex/server";
    const http = httpRouter();
    http.route({ method: "POST", path: "/letters", handler: httpActionGeneric(async (ctx, request) => {
      const count = await ctx.runMutation(makeFunctionReference("letters:add"), { text: await request.text() });
      return Response.json({ count, path: new URL(request.url).pathname });
    }) });
    http.route({ method: "GET", path: "/crash", handler: httpActionGeneric(async () => { throw new Error("of the desk"); }) });
    export default http;`,
  "letters.ts": `
    import { componentsGeneric, queryGeneric } from "convex/server";
    export const all = queryGeneric({ args: {}, handler: async (ctx) =>
      await ctx.runQuery(componentsGeneric().desk.letters.all, {}) });`,
};

let app: FixtureApp;

beforeAll(async () => {
  app = await startFixtureApp();
  for (const [name, source] of Object.entries(sources)) app.write(name, source);
  const config = app.read("convex.config.ts");
  app.write(
    "convex.config.ts",
    config
      .replace("export default", 'app.use(desk, { httpPrefix: "/desk/" });\nexport default')
      .replace("const app", 'import desk from "./desk/convex.config.js";\nconst app'),
  );
  await app.push();
}, 60_000);
afterAll(() => app.close());

const ask = (path: string, init?: RequestInit) => fetch(`${app.backend.siteUrl}${path}`, init);
const post = (path: string, body: object | string) =>
  ask(path, { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body) });
const tokenOf = (claims: object) =>
  ["{}", JSON.stringify(claims), ""].map((part) => Buffer.from(part).toString("base64url")).join(".");

test("an HTTP action runs mutations, and who watches what they write sees it", async () => {
  const client = new ConvexClient(app.backend.url, { webSocketConstructor, unsavedChangesWarning: false });
  const seen: string[][] = [];
  client.onUpdate(messages.list, { author: "a b" }, (value: string[]) => seen.push(value));
  await vi.waitFor(() => expect(seen).toEqual([[]]));
  const response = await post("/send", { author: "a b", text: "by HTTP" });
  expect([response.status, response.headers.get("x-made")]).toEqual([201, "here"]);
  expect(await response.json()).toEqual({ id: expect.stringMatching(/^\w+$/) as string });
  await vi.waitFor(() => expect(seen.at(-1)).toEqual(["by HTTP"]));
  expect(await (await ask("/by/a%20b")).json()).toEqual(["by HTTP"]);
  await client.close();
});

test("a component's routes are under its prefix, and run in the component", async () => {
  const response = await post("/desk/letters", "to the desk");
  expect(await response.json()).toEqual({ count: 1, path: "/desk/letters" });
  expect(await app.backend.run("query", "letters:all")).toEqual(["to the desk"]);
  expect((await post("/letters", "x")).status).toBe(404);
});

test("the caller is who the token says; who sends none, or another kind, is nobody", async () => {
  const me = async (authorization?: string) =>
    (await (
      await ask("/me", authorization === undefined ? {} : { headers: { authorization } })
    ).json()) as unknown;
  expect(await me(`Bearer ${tokenOf({ sub: "ada", iss: "local" })}`)).toMatchObject({
    tokenIdentifier: "local|ada",
  });
  expect([await me(), await me("Bearer a key of the app's own"), await me("Basic YTpi")]).toEqual([
    null,
    null,
    null,
  ]);
});

const errors: [string, string, () => Promise<Response>, object][] = [
  [
    "an error",
    "of the app",
    () => ask("/crash"),
    {
      code: expect.stringMatching(
        /^\[Request ID: \w+\] Server Error: Uncaught TypeError: it is broken$/,
      ) as string,
    },
  ],
  [
    "an error",
    "of a component",
    () => ask("/desk/crash"),
    { code: expect.stringMatching(/Server Error: Uncaught Error: of the desk$/) as string },
  ],
  [
    "a ConvexError",
    "of the app",
    () => post("/refuse", {}),
    {
      code: expect.stringMatching(/Server Error: Uncaught ConvexError: /) as string,
      data: { code: "no", big: { $integer: "AQAAAAAAAAA=" } },
    },
  ],
  [
    "no response",
    "of the app",
    () => ask("/nothing"),
    { code: expect.stringMatching(/did not return a Response/) as string },
  ],
];
test.each(errors)(
  "%s that an HTTP action %s comes to is answered 500, as JSON",
  async (_what, _of, request, body) => {
    const response = await request();
    expect([response.status, response.headers.get("content-type")]).toEqual([500, "application/json"]);
    expect(await response.json()).toMatchObject({ ...body, trace: expect.any(String) as string });
  },
);

test("what an HTTP action wrote before it failed stays, and the call is counted as failed", async () => {
  await post("/refuse", {});
  expect(await app.backend.run("query", "messages:list", { author: "refused" })).toContain(
    "stays: an action is no transaction",
  );
  expect(app.backend.calls.findLast(({ path }) => path === "POST /refuse")).toMatchObject({
    kind: "httpAction",
    cause: "http",
    ok: false,
  });
});

test("a path without a route is 404, and a push takes routes away and brings others", async () => {
  const nowhere = await ask("/nowhere");
  expect([nowhere.status, await nowhere.text()]).toEqual([404, "No matching routes found"]);
  app.write("http.ts", sources["http.ts"].replace('"/me"', '"/who"'));
  await app.push();
  expect([(await ask("/me")).status, (await ask("/who")).status]).toEqual([404, 200]);
}, 20_000);
