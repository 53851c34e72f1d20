import { expect } from "vitest";
import { sources } from "./sources.js";
import { conformance, type DeployedApp } from "./suite.js";

const overview = (app: DeployedApp) => app.query("mounting:overview");
const mutate = (app: DeployedApp, name: string, args = {}) => app.mutation("mounting:mutate", { name, args });
const ask = (app: DeployedApp, name: string, args = {}) => app.query("mounting:ask", { name, args });

conformance("components", (check) => {
  const using = (says: string) => ({ source: sources.usingComponents, says });
  const authoring = (says: string) => ({ source: sources.authoring, says });
  const isolation = (says: string) => ({ source: sources.understandingComponents, says });

  check(
    "the app calls public functions of a component, which calls those of its own component",
    using("component functions can be called with ctx.runQuery, runMutation and runAction"),
    async (app) => {
      await mutate(app, "add", { label: "one" });
      await mutate(app, "enter", { text: "two" });
      await app.action("mounting:act", { name: "addInAction", args: { label: "three" } });
      expect(await overview(app)).toEqual({ own: [], component: ["one", "three"], nested: ["two"] });
    },
  );

  check(
    "tables of the same name are separate",
    isolation("code can't read data that is not provided to it"),
    async (app) => {
      await app.mutation("documents:insert", { table: "rows", fields: { label: "own" } });
      await mutate(app, "add", { label: "of the component" });
      expect(await overview(app)).toMatchObject({ own: ["own"], component: ["of the component"] });
    },
  );

  check(
    "an id of the component means nothing to the app",
    authoring("a `v.id` within the component is not the same as in the app; ids become strings"),
    async (app) => {
      const id = (await mutate(app, "add", { label: "x" })) as string;
      expect(await ask(app, "get", { id })).toMatchObject({ label: "x" });
      const found = await app.outcome({ kind: "query", path: "documents:get", args: { id } });
      expect(found).not.toMatchObject({ ok: true, value: { label: "x" } });
    },
  );

  check(
    "a client cannot call a component's function",
    authoring("not directly accessible from clients"),
    async (app) => {
      await app.refusal("query", "counter/counts:labels", {}, { isTrusted: false });
      await app.refusal("query", "counts:labels", {}, { isTrusted: false });
    },
  );

  check(
    "an internal function of a component is called by itself alone",
    authoring("internal functions are not exposed to the parent app"),
    async (app) => {
      await app.refusal("mutation", "mounting:mutate", { name: "hidden", args: {} });
      expect(await overview(app)).toMatchObject({ component: [] });
    },
  );

  check(
    "a component calls its own internal functions",
    authoring("a component can use references to its own functions"),
    async (app) => {
      await mutate(app, "callHidden");
      expect(await overview(app)).toMatchObject({ component: ["hidden"] });
    },
  );

  check(
    "a function that the component lacks is refused",
    authoring("the component API has its functions"),
    async (app) => {
      await app.refusal("mutation", "mounting:mutate", { name: "missing", args: {} });
    },
  );

  check(
    "all writes of a mutation that throws are undone, those in components too",
    using("if the top-level mutation throws, all of the writes are rolled back"),
    async (app) => {
      await app.refusal("mutation", "mounting:writeBothThenThrow");
      expect(await overview(app)).toEqual({ own: [], component: [], nested: [] });
    },
  );

  check(
    "a component's error that is caught undoes what it and its component wrote, and carries its data",
    using("if a component mutation throws, only its writes are rolled back; the caller can catch it"),
    async (app) => {
      expect(await app.mutation("mounting:catchRefusal")).toEqual({ code: "refused", label: "refused" });
      expect(await overview(app)).toEqual({ own: ["own"], component: ["before"], nested: [] });
    },
  );

  check(
    "a component's error that is not caught reaches the client with its data",
    using("otherwise the caller fails"),
    async (app) => {
      const { data } = await app.refusal("mutation", "mounting:mutate", {
        name: "refuse",
        args: { label: "x" },
      });
      expect(data).toEqual({ code: "refused", label: "x" });
    },
  );

  check(
    "arguments and return values are validated at the border",
    isolation("all data that cross a component boundary are validated"),
    async (app) => {
      await app.refusal("mutation", "mounting:mutate", { name: "add", args: { label: 5 } });
      await app.refusal("mutation", "mounting:mutate", { name: "add", args: { label: "x", more: 1 } });
      await app.refusal("query", "mounting:ask", { name: "returnWrong", args: {} });
      expect(await overview(app)).toMatchObject({ component: [] });
    },
  );

  check(
    "the app knows who calls, the component does not",
    authoring("within a component, `ctx.auth` is not available"),
    async (app) => {
      const identity = { subject: "ann", issuer: "https://id.test", tokenIdentifier: "https://id.test|ann" };
      const who = await app.query("mounting:whoIsWho", {}, { identity });
      expect(who).toEqual({ own: "ann", component: null });
      expect(await app.query("mounting:whoIsWho")).toEqual({ own: null, component: null });
    },
  );

  check(
    "a component calls back by a function handle, in the same transaction",
    authoring("a handle is a string, to be called from anywhere"),
    async (app) => {
      const handle = await app.mutation("mounting:handOver", { how: "callHandle", label: "called back" });
      expect(handle).toEqual(expect.stringMatching(/^function:\/\//));
      expect(await overview(app)).toMatchObject({ own: ["called back"], component: [] });
    },
  );

  check(
    "a function that throws when called back is undone alone",
    using("each mutation call is a sub-transaction"),
    async (app) => {
      await app.mutation("mounting:handOverRefusing");
      expect(await overview(app)).toMatchObject({ own: [], component: ["before"] });
    },
  );

  check(
    "a component schedules by a function handle",
    authoring("or run it asynchronously via the scheduler"),
    async (app) => {
      await app.mutation("mounting:handOver", { how: "scheduleHandle", label: "later" });
      expect(await overview(app)).toMatchObject({ own: [] });
      await app.settle();
      expect(await overview(app)).toMatchObject({ own: ["later"], component: [] });
    },
  );

  check(
    "a component schedules its own functions, among its own jobs",
    isolation("components can schedule functions; the app's scheduled functions are not theirs"),
    async (app) => {
      await app.mutation("scheduling:noteLater", { text: "of the app", delayMs: 3_600_000 });
      expect(await mutate(app, "scheduleOwn", { label: "scheduled" })).toBe(1);
      await app.settle();
      expect(await overview(app)).toMatchObject({ own: [], component: ["scheduled"] });
      expect(await app.query("scheduling:jobs")).toHaveLength(1);
    },
  );

  check(
    "paginate is refused in a component",
    authoring("the built-in `.paginate()` doesn't work in components"),
    async (app) => {
      const { reason } = await app.refusal("query", "mounting:ask", { name: "paginate", args: {} });
      expect(reason).toMatch(/paginat/i);
    },
  );

  check(
    "a function is told its name and its component",
    {
      source: sources.functionMetadata,
      says: "getFunctionMetadata: name and component path",
    },
    async (app) => {
      expect(await app.query("mounting:whereAmI")).toMatchObject({
        own: { name: "mounting:whereAmI", componentPath: "" },
        component: { name: "counts:whereAmI", componentPath: "counter" },
      });
    },
  );
});
