import { expect } from "vitest";
import { sources } from "./sources.js";
import { conformance, type DeployedApp } from "./suite.js";

const listed = (app: DeployedApp) => app.query<string[]>("nesting:list");
const noted = (app: DeployedApp) => app.query<unknown[]>("documents:list", { table: "journal" });

conformance("nesting", (check) => {
  const rollsBack = (says: string) => ({ source: sources.usingComponents, says });
  const transaction = (says: string) => ({ source: sources.mutations, says });

  check(
    "a mutation that throws writes nothing, nor do those it called",
    transaction("if the mutation throws, no data is written"),
    async (app) => {
      const { reason } = await app.refusal("mutation", "nesting:throwAtTheEnd");
      expect(reason).toMatch(/thrown at the end/);
      expect(await listed(app)).toEqual([]);
    },
  );

  check(
    "a nested mutation that throws and is caught undoes its own writes only",
    rollsBack("only its writes are rolled back; the caller that catches can continue and write more"),
    async (app) => {
      const { message, seen } = await app.mutation<{ message: string; seen: string[] }>(
        "nesting:catchNested",
      );
      expect(message).toMatch(/nested is refused/);
      expect(seen).toEqual(["before"]);
      expect(await listed(app)).toEqual(["before", "after"]);
    },
  );

  check(
    "what a nested mutation scheduled before it was undone never runs",
    { source: sources.scheduling, says: "scheduling is atomic with the rest of the mutation" },
    async (app) => {
      await app.mutation("nesting:catchNested");
      await app.settle();
      expect(await noted(app)).toEqual([]);
    },
  );

  check(
    "a nested mutation that throws and is not caught undoes the caller too",
    rollsBack("if the caller doesn't catch, all the writes of the caller are rolled back"),
    async (app) => {
      const { reason } = await app.refusal("mutation", "nesting:notCatchNested");
      expect(reason).toMatch(/nested is refused/);
      expect(await listed(app)).toEqual([]);
      await app.settle();
      expect(await noted(app)).toEqual([]);
    },
  );

  check(
    "a throw through several levels undoes them all, up to who catches",
    rollsBack("each mutation call is a sub-transaction"),
    async (app) => {
      await app.mutation("nesting:catchDeep");
      expect(await listed(app)).toEqual(["outermost"]);
    },
  );

  check(
    "an undone sub-transaction leaves patches and deletes of its caller as they were",
    rollsBack("only the writes of the sub-transaction are rolled back"),
    async (app) => {
      const all = [{ label: "x", a: "1" }, { label: "y", a: "2" }]; // prettier-ignore
      await app.mutation("documents:insertAll", { table: "rows", all });
      expect(await app.mutation("nesting:catchEdit")).toEqual(["pending", "pending"]);
      expect(await listed(app)).toEqual(["pending", "pending"]);
    },
  );

  check(
    "a query that a mutation calls sees what is not committed yet, and the mutation what those it called wrote",
    transaction("all reads inside the transaction get a consistent view"),
    async (app) => {
      expect(await app.mutation("nesting:seeEachOther")).toEqual({
        inQuery: ["own"],
        own: ["own", "2 nested"],
      });
    },
  );

  check(
    "a query on a stale snapshot does not see what is not committed yet",
    {
      source: sources.runOptions,
      says: "useStaleSnapshot runs the query on a recent snapshot of the database",
    },
    async (app) => {
      await app.mutation("nesting:add", { label: "1" });
      expect(await app.mutation("nesting:staleList")).toEqual({ stale: ["1"], fresh: ["1", "pending"] });
    },
  );

  check(
    "a query cannot ask for a stale snapshot",
    { source: sources.runOptions, says: "`useStaleSnapshot` is only supported in mutations, not queries" },
    async (app) => {
      const { reason } = await app.refusal("query", "nesting:staleFromQuery");
      expect(reason).toMatch(/useStaleSnapshot/);
    },
  );

  check(
    "a query may call a query",
    { source: sources.queries, says: "ctx.runQuery in queries" },
    async (app) => {
      await app.mutation("nesting:add", { label: "1" });
      expect(await app.query("nesting:queryCallsQuery")).toEqual(["1"]);
    },
  );

  check(
    "nested mutations under Promise.all all take effect",
    {
      source: sources.understandingComponents,
      says: "each mutation call is a sub-transaction isolated from others",
    },
    async (app) => {
      expect(await app.mutation("nesting:addInParallel")).toEqual(["1", "2", "3"]);
      expect(await listed(app)).toEqual(["1", "2", "3"]);
    },
  );

  check(
    "of nested mutations at the same time only the one that throws is undone",
    {
      source: sources.understandingComponents,
      says: "each mutation call is a sub-transaction isolated from others",
    },
    async (app) => {
      const statuses = await app.mutation("nesting:someInParallel");
      expect(statuses).toEqual(["fulfilled", "rejected", "fulfilled"]);
      expect(await listed(app)).toEqual(["1", "3"]);
    },
  );
});
