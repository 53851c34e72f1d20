import { readCronSpecs } from "../crons/cronSpecs.js";
import { describe, expect, test } from "vitest";
import { EnvironmentVariables } from "../engine/variables.js";
import type { Engine, Runtime } from "../engine/engine.js";
import { PushApi, type ActivatedPush } from "./pushApi.js";
import { lookup } from "../site/httpRoutes.js";

// Bundles need nothing: what `convex/server` makes is written out here.
const send = `export const send = Object.assign(() => {}, {
  isMutation: true, isInternal: true, exportArgs: () => '{"type":"any"}', exportReturns: () => null });`;
const cronsOf = (name: string) => `
  const schedule = { type: "interval", seconds: 30 };
  const crons = { nightly: { name: "${name}", args: [{ n: 1 }], schedule } };
  export default { isCrons: true, export: () => JSON.stringify(crons) };`;
const httpOf = (path: string) => `
  const handler = { invokeHttpAction: () => {} };
  const lookup = (path, method) => (path === "${path}" && method === "GET" ? [handler, "GET", path] : null);
  export default { isRouter: true, getRoutes: () => [["${path}", "GET", handler]], lookup };`;
const bundles = (sources: Record<string, string>) =>
  Object.entries(sources).map(([path, source]) => ({ path, source }));
const definitionOf = (type: string, childComponents: object[], more: object = {}) => ({
  path: "convex.config.js",
  source: `export default { export: () => (${JSON.stringify({
    name: "mail",
    definitionType: { type },
    childComponents,
    httpMounts: {},
    exports: { type: "branch", branch: [] },
    ...more,
  })}) };`,
});

const component = (sources: Record<string, string>) => ({
  definitionPath: "../mail",
  definition: definitionOf("childComponent", []),
  dependencies: [],
  schema: null,
  functions: bundles(sources),
  udfServerVersion: "1.48.0",
});
const mail = { name: "mail", path: "../mail" };
const mounted = { httpMounts: { "/mail/": "_reference/childComponent/mail" } };

const appOf = (sources: Record<string, string>, more: object = {}) => ({
  adminKey: "local",
  appDefinition: {
    definition: null,
    dependencies: [],
    schema: null,
    changedModules: bundles(sources),
    udfServerVersion: "1.48.0",
    ...more,
  },
  componentDefinitions: [],
});

/** An app with a component that both have crons and routes. */
const whole = () => ({
  ...appOf(
    { "messages.js": send, "crons.js": cronsOf("messages:send"), "http.js": httpOf("/app") },
    { definition: definitionOf("app", [mail], mounted), dependencies: ["../mail"] },
  ),
  componentDefinitions: [
    component({ "out.js": send, "crons.js": cronsOf("out:send"), "http.js": httpOf("/sent") }),
  ],
});

const setUp = () => {
  const activated: Runtime[] = [];
  const pushes: ActivatedPush[] = [];
  const engine = {
    findSchemaProblem: () => null,
    variables: new EnvironmentVariables(),
    activate: async (runtime: Runtime) => void activated.push(runtime),
  } as unknown as Engine;
  const api = new PushApi(engine, (push) => pushes.push(push));
  const ask = async (endpoint: string, body: object = {}) => {
    const { status, body: reply } = (await api.answer(`/api/deploy2/${endpoint}`, body, "http://app"))!;
    return { status, ...(reply as { analysis?: unknown; app?: unknown }) };
  };
  return { api, ask, activated, pushes };
};

describe("the analysis of a push", () => {
  test("has the crons and the routes of the app and of its components, as a deployment has them", async () => {
    const { analysis, app } = await setUp().ask("start_push", whole());
    const cron = (udfPath: string) => ({
      identifier: "nightly",
      spec: {
        udfPath,
        udfArgs: [...Buffer.from('[{"n":1}]')],
        cronSchedule: { type: "interval", seconds: 30 },
      },
    });
    const route = (path: string) => ({ route: { path, method: "GET" }, pos: null });
    expect(analysis).toMatchObject({
      "": {
        functions: {
          "messages.js": { cronSpecs: null, httpRoutes: null },
          "crons.js": { cronSpecs: [cron("messages.js:send")], httpRoutes: null },
          "http.js": { cronSpecs: null, httpRoutes: [route("/app")] },
        },
      },
      "../mail": {
        functions: {
          "crons.js": { cronSpecs: [cron("out.js:send")] },
          "http.js": { httpRoutes: [route("/sent")] },
        },
      },
    });
    expect(app).toMatchObject({
      httpRoutes: { httpModuleRoutes: [{ path: "/app", method: "GET" }], mounts: ["/mail/"] },
      childComponents: {
        mail: { httpRoutes: { httpModuleRoutes: [{ path: "/sent", method: "GET" }], mounts: [] } },
      },
    });
  });

  test.each<[string, object, string]>([
    [
      "crons with a function that is not there",
      appOf({ "crons.js": cronsOf("messages:gone") }),
      "The cron job 'nightly' schedules a function that does not exist: messages.js:gone",
    ],
    [
      "a component's crons with a function of the app",
      { ...whole(), componentDefinitions: [component({ "crons.js": cronsOf("messages:send") })] },
      "The cron job 'nightly' schedules a function that does not exist: messages.js:send",
    ],
    ["crons that throw", appOf({ "crons.js": 'throw new Error("bad cron");' }), "bad cron"],
    ["routes that throw", appOf({ "http.js": 'throw new Error("bad route");' }), "bad route"],
    [
      "routes that are none",
      appOf({ "http.js": "export default {};" }),
      "The default export of `convex/http.js` is not a Router.",
    ],
    [
      "a mounted component without routes",
      { ...whole(), componentDefinitions: [component({ "out.js": send })] },
      'HTTP mount "/mail/" is invalid: Child component "mail" doesn\'t have any HTTP routes.',
    ],
  ])("fails for %s", async (_, push, message) => {
    for (const endpoint of ["start_push", "evaluate_push"])
      expect(await setUp().ask(endpoint, push)).toMatchObject({
        status: 400,
        message: expect.stringContaining(message) as string,
      });
  });
});

test("a push that is finished brings its crons and routes", async () => {
  const { ask, pushes, activated } = setUp();
  const startPush = await ask("start_push", whole());
  expect(pushes).toEqual([]);
  expect(await ask("finish_push", { startPush })).toMatchObject({ status: 200 });
  expect(activated).toHaveLength(1);
  const { http } = pushes[0]!;
  expect(
    readCronSpecs(activated[0]!).map(({ component, name, functionPath }) => [component, name, functionPath]),
  ).toEqual([
    ["", "nightly", "messages:send"],
    ["mail", "nightly", "out:send"],
  ]);
  expect(lookup(http, "/app", "GET")).toMatchObject({ isFound: true, component: "" });
  expect(lookup(http, "/mail/sent", "GET")).toMatchObject({ isFound: true, component: "mail" });
  expect(lookup(http, "/sent", "GET")).toMatchObject({ isFound: false });
});

test("an app's own prefix is before its routes", async () => {
  const { ask, pushes } = setUp();
  const definition = definitionOf("app", [], { httpPrefix: "/v1/" });
  await ask("start_push", appOf({ "http.js": httpOf("/app") }, { definition }));
  await ask("finish_push");
  expect(lookup(pushes[0]!.http, "/v1/app", "GET").isFound).toBe(true);
  expect(lookup(pushes[0]!.http, "/app", "GET").isFound).toBe(false);
});

test("a dry run changes nothing", async () => {
  const { ask, activated, pushes } = setUp();
  const startPush = await ask("start_push", { ...whole(), dryRun: true });
  expect(await ask("finish_push", { startPush })).toMatchObject({ status: 200 });
  const real = await ask("start_push", whole());
  expect(await ask("finish_push", { startPush: real, dryRun: true })).toMatchObject({ status: 200 });
  expect([activated, pushes]).toEqual([[], []]);
});

test("an evaluation is no push: it takes no other's place, and cannot be finished", async () => {
  const { ask, activated } = setUp();
  expect(await ask("evaluate_push", whole())).toMatchObject({
    status: 200,
    schemaChange: { indexDiffs: {} },
  });
  expect(await ask("finish_push")).toMatchObject({ status: 400, code: "NoPush" });
  const startPush = await ask("start_push", appOf({ "messages.js": send }));
  await ask("evaluate_push", whole());
  expect(await ask("finish_push", { startPush })).toMatchObject({ status: 200 });
  expect(Object.keys(activated[0]!.root.modules)).toEqual(["messages"]);
});

test("a push that another overtook is refused, and the other can be finished", async () => {
  const { ask, activated } = setUp();
  const first = await ask("start_push", whole());
  const second = await ask("start_push", appOf({ "messages.js": send }));
  expect(await ask("finish_push", { startPush: first })).toMatchObject({ status: 400, code: "RaceDetected" });
  expect(await ask("finish_push", { startPush: second })).toMatchObject({ status: 200 });
  expect(activated).toHaveLength(1);
});

test("the site's address is the one that is given, and this one where none is", async () => {
  const { api } = setUp();
  const urls = async (site?: string) =>
    (await api.answer("/api/v1/get_canonical_urls", null, "http://app", site))?.body;
  expect(await urls("http://site")).toEqual({ convexCloudUrl: "http://app", convexSiteUrl: "http://site" });
  expect(await urls()).toEqual({ convexCloudUrl: "http://app", convexSiteUrl: "http://app" });
});
