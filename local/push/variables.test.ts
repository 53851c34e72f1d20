// Environment variables over the whole path: declared in `convex.config.ts`, bound to a component, set with the stock CLI.
import { afterAll, beforeAll, expect, test } from "vitest";
import { deploy } from "./deploy.js";
import { startFixtureApp, type FixtureApp } from "../fixtureApp.js";

const component = `
  import { defineComponent } from "convex/server";
  import { v } from "convex/values";
  import inner from "./inner/convex.config.js";
  const component = defineComponent("outer", {
    env: { LEVEL: v.optional(v.union(v.literal("low"), v.literal("high"))), FIXED: v.string() },
  });
  component.use(inner, { env: { DEEP: component.env.LEVEL } });
  export default component;`;
const reading = `
  import { queryGeneric as query } from "convex/server";
  const captured = process.env;
  const names = ["LEVEL", "FIXED", "DEEP", "APP_LEVEL", "SECRET", "PATH", "HOME"];
  const all = () => ({
    ...Object.fromEntries(names.flatMap((name) => (name in captured ? [[name, captured[name]]] : []))),
    count: Object.keys(process.env).filter((name) => !name.startsWith("CONVEX_")).length,
    site: typeof process.env.CONVEX_SITE_URL,
  });
  export const seen = query({ args: {}, handler: async () => all() });`;

let app: FixtureApp;
beforeAll(async () => {
  app = await startFixtureApp({ env: { SECRET: "s" } });
  app.write("outer/convex.config.ts", component);
  app.write("outer/reading.ts", reading);
  app.write(
    "outer/asking.ts",
    `import { componentsGeneric, queryGeneric as query } from "convex/server";
     export const inner = query({ args: {}, handler: (ctx) => ctx.runQuery(componentsGeneric().inner.reading.seen) });`,
  );
  app.write(
    "outer/inner/convex.config.ts",
    `import { defineComponent } from "convex/server";
     import { v } from "convex/values";
     export default defineComponent("inner", { env: { DEEP: v.optional(v.string()) } });`,
  );
  app.write("outer/inner/reading.ts", reading);
  app.write("reading.ts", reading);
  app.write(
    "asking.ts",
    `import { componentsGeneric, queryGeneric as query } from "convex/server";
     const { outer } = componentsGeneric();
     export const component = query({ args: {}, handler: (ctx) => ctx.runQuery(outer.reading.seen) });
     export const nested = query({ args: {}, handler: (ctx) => ctx.runQuery(outer.asking.inner) });`,
  );
  app.write(
    "convex.config.ts",
    `import { defineApp } from "convex/server";
     import { v } from "convex/values";
     import outer from "./outer/convex.config.js";
     const app = defineApp({ env: { APP_LEVEL: v.optional(v.string()) } });
     app.use(outer, { env: { LEVEL: app.env.APP_LEVEL, FIXED: "fixed" } });
     export default app;`,
  );
  await app.push();
}, 120_000);
afterAll(() => app.close());

const ask = (path: string) => app.backend.run("query", path);
const cli = (...args: string[]) => deploy(app.backend.url, { cwd: app.folder, args });

test("the app sees the deployment's variables, and nothing of the process it runs in", async () => {
  expect(await ask("reading:seen")).toEqual({ SECRET: "s", count: 1, site: "string" });
});

test("a component sees what it declares and is bound to, of a component in it likewise", async () => {
  expect(await ask("asking:component")).toEqual({ FIXED: "fixed", count: 1, site: "string" });
  expect(await ask("asking:nested")).toEqual({ count: 0, site: "string" });
});

test("`convex env set` takes effect at once, without a push; `convex env remove` too", async () => {
  await cli("env", "set", "APP_LEVEL", "high");
  expect(await ask("reading:seen")).toMatchObject({ APP_LEVEL: "high", SECRET: "s" });
  expect(await ask("asking:component")).toMatchObject({ LEVEL: "high", FIXED: "fixed" });
  expect(await ask("asking:nested")).toMatchObject({ DEEP: "high" });
  await cli("env", "remove", "APP_LEVEL");
  expect(await ask("asking:nested")).toEqual({ count: 0, site: "string" });
}, 60_000);

test("a push is refused while a variable is not what is declared, or is not there", async () => {
  await cli("env", "set", "APP_LEVEL", "very secret");
  const refusal = await app.push().then(
    () => "",
    (error: unknown) => String(error),
  );
  expect(refusal).toContain('In component "outer": Environment variable "LEVEL" is not one of the values');
  expect(refusal).not.toContain("very secret");
  await cli("env", "remove", "APP_LEVEL");
  const config = app.read("convex.config.ts");
  app.write("convex.config.ts", config.replace("{ APP_LEVEL:", "{ NEEDED: v.string(), APP_LEVEL:"));
  await expect(app.push()).rejects.toThrow('Environment variable "NEEDED" is not set.');
  await cli("env", "set", "NEEDED", "here");
  await app.push();
  app.write("convex.config.ts", config);
}, 120_000);

test("`convex run` runs an internal function, and says which ones there are not", async () => {
  app.write(
    "operate.ts",
    `import { internalMutationGeneric as internalMutation } from "convex/server";
     import { v } from "convex/values";
     export const echo = internalMutation({ args: { text: v.string() }, handler: async (_ctx, { text }) => text });
     export const fail = internalMutation({ args: {}, handler: async () => { throw new Error("as it must"); } });`,
  );
  await app.push();
  expect(await cli("run", "operate:echo", '{"text":"heard"}')).toContain('"heard"');
  await expect(cli("run", "operate:fail")).rejects.toThrow("as it must");
}, 60_000);
