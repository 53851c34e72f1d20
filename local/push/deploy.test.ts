import fs from "node:fs";
import { ConvexClient } from "convex/browser";
import { anyApi } from "convex/server";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import WebSocket from "ws";
import { deploy } from "./deploy.js";
import { startFixtureApp, type FixtureApp } from "../fixtureApp.js";

// The fixture has no generated code: any function, any arguments.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
const { messages } = anyApi as any;
const webSocketConstructor = WebSocket as unknown as typeof globalThis.WebSocket;

let app: FixtureApp;
beforeAll(async () => void (app = await startFixtureApp()), 60_000);
afterAll(() => app.close());

const run = (path: string, args: object = {}) => app.backend.run("mutation", path, args);
const list = (author: string) => app.backend.run("query", "messages:list", { author });

const counterComponent = {
  "counter/convex.config.ts": `
    import { defineComponent } from "convex/server";
    export default defineComponent("counter");`,
  "counter/schema.ts": `
    import { defineSchema, defineTable } from "convex/server";
    import { v } from "convex/values";
    export default defineSchema({ counts: defineTable({ n: v.number() }) });`,
  "counter/count.ts": `
    import { mutationGeneric } from "convex/server";
    export const up = mutationGeneric({ args: {}, handler: async (ctx) => {
      await ctx.db.insert("counts", { n: 1 });
      return (await ctx.db.query("counts").take(9)).length;
    } });`,
  "counting.ts": `
    import { componentsGeneric, mutationGeneric } from "convex/server";
    export const up = mutationGeneric({ args: {}, handler: async (ctx) =>
      await ctx.runMutation(componentsGeneric().counter.count.up, {}) });`,
};

const configWithCounter = `
  import workpool from "@convex-dev/workpool/convex.config.js";
  import { defineApp } from "convex/server";
  import counter from "./counter/convex.config.js";
  const app = defineApp();
  app.use(workpool);
  app.use(counter);
  export default app;`;

test("a push changes functions, adds modules, tables and indexes, and keeps the data and the subscriptions", async () => {
  await run("messages:send", { author: "kept", text: "kept" });
  const client = new ConvexClient(app.backend.url, { webSocketConstructor, unsavedChangesWarning: false });
  const seen: string[][] = [];
  client.onUpdate(messages.list, { author: "kept" }, (value: string[]) => seen.push(value));
  await vi.waitFor(() => expect(seen.at(-1)).toEqual(["kept"]), { timeout: 10_000 });
  const table = 'notes: defineTable({ n: v.number() }).index("by_n", ["n"]),\n  attempts:';
  app.write("schema.ts", app.read("schema.ts").replace("attempts:", table));
  const source = app.read("messages.ts");
  app.write("messages.ts", source.replace('row["text"] as string', '`new ${row["text"]}`'));
  app.write(
    "notes.ts",
    `import { mutationGeneric } from "convex/server";
     export const add = mutationGeneric({ args: {}, handler: async (ctx) => {
       await ctx.db.insert("notes", { n: 1 });
       return (await ctx.db.query("notes").withIndex("by_n", (q) => q.eq("n", 1)).take(9)).length;
     } });`,
  );
  await app.push();
  await vi.waitFor(() => expect(seen.at(-1)).toEqual(["new kept"]), { timeout: 10_000 });
  expect(await client.mutation(anyApi["notes"]!["add"]!, {})).toBe(1);
  app.write("messages.ts", source);
  await client.close();
}, 60_000);

test("a component that is added runs; one that is taken away is gone, and keeps its data until it is back", async () => {
  const config = app.read("convex.config.ts");
  for (const [name, source] of Object.entries(counterComponent)) app.write(name, source);
  app.write("convex.config.ts", configWithCounter);
  await app.push();
  expect(await run("counting:up")).toBe(1);
  app.write("convex.config.ts", config);
  await app.push();
  await expect(run("counting:up")).rejects.toThrow(/Child component .* not found/);
  app.write("convex.config.ts", configWithCounter);
  await app.push();
  expect(await run("counting:up")).toBe(2);
}, 60_000);

const appWithCronsAndRoutes = {
  "crons.ts": `
    import { cronJobs, makeFunctionReference } from "convex/server";
    const crons = cronJobs();
    crons.interval("count up", { hours: 1 }, makeFunctionReference("deployed:up"));
    export default crons;`,
  "http.ts": `
    import { httpActionGeneric, httpRouter } from "convex/server";
    const http = httpRouter();
    http.route({ path: "/hello", method: "GET", handler: httpActionGeneric(async () => new Response("hello")) });
    export default http;`,
  "deployed.ts": `
    import { mutationGeneric } from "convex/server";
    export const up = mutationGeneric({ args: {}, handler: async () => "deployed" });`,
};

test("the stock `convex deploy` deploys an app with crons and HTTP routes", async () => {
  for (const [name, source] of Object.entries(appWithCronsAndRoutes)) app.write(name, source);
  const args = ["deploy", "--typecheck", "disable", "--codegen", "disable"];
  const output = await deploy(app.backend.url, { cwd: app.folder, args });
  expect(output).toContain(`Deployed Convex functions to ${app.backend.url}`);
  expect(await run("deployed:up")).toBe("deployed");
  for (const name of Object.keys(appWithCronsAndRoutes)) app.remove(name);
}, 60_000);

test("a module that is taken away is gone", async () => {
  app.write(
    "passing.ts",
    counterComponent["counter/count.ts"].replace("counts", "attempts").replace("n: 1", 'job: ""'),
  );
  await app.push();
  await run("passing:up").catch(() => {});
  app.remove("passing.ts");
  await app.push();
  await expect(run("passing:up")).rejects.toThrow(/Could not find function for 'passing:up'/);
}, 60_000);

test("a schema that forbids what is stored fails the push, and changes nothing", async () => {
  await run("messages:send", { author: "forbidden", text: "a string" });
  const schema = app.read("schema.ts");
  app.write("schema.ts", schema.replace("text: v.string()", "text: v.number()"));
  await expect(app.push()).rejects.toThrow(/in table "messages" does not match the schema/);
  app.write("schema.ts", schema);
  await run("messages:send", { author: "forbidden", text: "another" });
  expect(await list("forbidden")).toEqual(["a string", "another"]);
}, 60_000);

test("a push whose code throws fails with what it threw, and changes nothing", async () => {
  app.write("broken.ts", `export const x = 1; throw new Error("broken on purpose");`);
  await expect(app.push()).rejects.toThrow(/broken on purpose/);
  app.remove("broken.ts");
  await run("messages:send", { author: "still", text: "here" });
  expect(await list("still")).toEqual(["here"]);
}, 60_000);

test("a push in the middle of writes loses none of them", async () => {
  const pushed = app.push();
  let isPushing = true;
  void pushed.finally(() => (isPushing = false));
  let sent = 0;
  while (isPushing && sent < 900) {
    await run("messages:send", { author: "busy", text: String(sent++) });
    await new Promise((resolve) => setImmediate(resolve));
  }
  await pushed;
  expect(await list("busy")).toHaveLength(sent);
}, 60_000);

test("the CLI leaves no note of the deployment", () => {
  expect(fs.readdirSync(app.folder).sort()).toEqual(["convex", "package.json"]);
});
