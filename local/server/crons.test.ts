// Crons under a running backend, pushed by the stock CLI, in real time: an interval of a second is the shortest there is.
import { ConvexHttpClient } from "convex/browser";
import { anyApi } from "convex/server";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { startFixtureApp, type FixtureApp } from "../fixtureApp.js";

// The fixture has no generated code: any function, any arguments.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
const { messages } = anyApi as any;

/** Notes in the component that it is of. */
const cronsOf = (name: string, reference: string) => `
  import { cronJobs, makeFunctionReference } from "convex/server";
  const crons = cronJobs();
  crons.interval("${name}", { seconds: 1 }, makeFunctionReference("${reference}"), { author: "${name}" });
  export default crons;`;
const component = {
  "diary/convex.config.ts": `
    import { defineComponent } from "convex/server";
    export default defineComponent("diary");`,
  "diary/schema.ts": `
    import { defineSchema, defineTable } from "convex/server";
    import { v } from "convex/values";
    export default defineSchema({ notes: defineTable({ author: v.string() }) });`,
  "diary/notes.ts": `
    import { internalMutationGeneric, queryGeneric } from "convex/server";
    import { v } from "convex/values";
    export const note = internalMutationGeneric({ args: { author: v.string() }, returns: v.null(),
      handler: async (ctx, args) => { await ctx.db.insert("notes", args); return null; } });
    export const count = queryGeneric({ args: {}, returns: v.number(),
      handler: async (ctx) => (await ctx.db.query("notes").take(1000)).length });`,
  "diary/crons.ts": cronsOf("of the component", "notes:note"),
  "diaries.ts": `
    import { componentsGeneric, queryGeneric } from "convex/server";
    export const count = queryGeneric({ args: {}, handler: async (ctx) =>
      await ctx.runQuery(componentsGeneric().diary.notes.count, {}) });`,
  "crons.ts": cronsOf("of the app", "keeping:note"),
};

let app: FixtureApp;

beforeAll(async () => {
  app = await startFixtureApp();
  const config = app.read("convex.config.ts");
  app.write(
    "convex.config.ts",
    config
      .replace("export default", "app.use(diary);\nexport default")
      .replace("const app", 'import diary from "./diary/convex.config.js";\nconst app'),
  );
  for (const [name, source] of Object.entries(component)) app.write(name, source);
}, 60_000);
afterAll(() => app.close());

const until = (check: () => void) => vi.waitFor(check, { timeout: 20_000, interval: 5 });
const runs = (path: string) =>
  app.backend.calls.filter((call) => call.path === path && call.cause === "cron" && call.ok).length;
const push = async () => {
  await app.push();
  const calls = { app: runs("keeping:note"), component: runs("diary/notes:note") };
  return calls;
};

test("crons of the app and of a component run every second, each in its own place, and stop when a push takes them away", async () => {
  await push();
  await until(() => {
    expect(runs("keeping:note")).toBeGreaterThanOrEqual(2);
    expect(runs("diary/notes:note")).toBeGreaterThanOrEqual(2);
  });
  const http = new ConvexHttpClient(app.backend.url);
  const noted = (await http.query(messages.list, { author: "of the app" })) as string[];
  expect(noted.length).toBeGreaterThanOrEqual(2);
  expect(await http.query(messages.list, { author: "of the component" })).toEqual([]);
  expect(await app.backend.run("query", "diaries:count")).toBeGreaterThanOrEqual(2);

  app.remove("crons.ts");
  const withoutOwn = await push();
  await until(() => expect(runs("diary/notes:note")).toBeGreaterThanOrEqual(withoutOwn.component + 2));
  expect(runs("keeping:note")).toBe(withoutOwn.app);

  app.write("crons.ts", component["crons.ts"]);
  app.remove("diary/crons.ts");
  const withoutOther = await push();
  await until(() => expect(runs("keeping:note")).toBeGreaterThanOrEqual(withoutOther.app + 2));
  expect(runs("diary/notes:note")).toBe(withoutOther.component);
}, 40_000);

test("a push with a cron of a function that is not there fails, and those before go on", async () => {
  app.write("crons.ts", cronsOf("of the app", "keeping:nothing"));
  await expect(app.push()).rejects.toThrow(
    /The cron job 'of the app' schedules a function that does not exist: keeping\.js:nothing/,
  );
  const before = runs("keeping:note");
  await until(() => expect(runs("keeping:note")).toBeGreaterThan(before));
}, 20_000);
