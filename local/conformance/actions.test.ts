import { expect } from "vitest";
import { sources } from "./sources.js";
import { conformance } from "./suite.js";

const plain = { code: "plain", list: [1, null] };
const data = { code: "full", count: 5n, bytes: new Uint8Array([1, 2]).buffer, nested: [null, { x: 1 }] };
const identity = {
  subject: "ann",
  issuer: "https://id.test",
  tokenIdentifier: "https://id.test|ann",
  email: "a@b.c",
};

conformance("actions and errors", (check) => {
  const actions = (says: string) => ({ source: sources.actions, says });
  const errors = (says: string) => ({ source: sources.applicationErrors, says });

  check(
    "what an action's mutations wrote stays, if the action fails",
    actions("runMutation calls are separate transactions"),
    async (app) => {
      const { reason } = await app.refusal("action", "acting:addTwiceThenThrow");
      expect(reason).toMatch(/after two/);
      expect(await app.query("nesting:list")).toEqual(["1", "2"]);
    },
  );

  check(
    "an action goes on after a mutation that failed",
    actions("runMutation calls are separate transactions"),
    async (app) => {
      expect(await app.action("acting:goOnAfterRefusal")).toEqual(["1", "2"]);
    },
  );

  check(
    "an action's mutations may run at the same time",
    actions("actions can do up to 1000 concurrent operations"),
    async (app) => {
      expect(await app.action("acting:addInParallel")).toEqual(["1", "2", "3"]);
    },
  );

  check(
    "each mutation of an action has a commit timestamp of its own",
    actions("runMutation calls are separate transactions"),
    async (app) => {
      const [one, two] = await app.action<[bigint, bigint]>("acting:stampTwice");
      expect(two).toBeGreaterThan(one);
    },
  );

  check(
    "an action has no database",
    actions("an action reads and writes by queries and mutations"),
    async (app) => {
      expect(await app.action("acting:hasDatabase")).toBe(false);
    },
  );

  check(
    "a ConvexError's data reaches the client from a query or mutation",
    errors("error.data on the client"),
    async (app) => {
      expect((await app.refusal("query", "acting:throwText")).data).toBe("just text");
      expect((await app.refusal("mutation", "acting:refuse")).data).toEqual(data);
      expect(await app.query("documents:list", { table: "rows" })).toEqual([]);
    },
  );

  for (const [title, name, expected] of [
    ["", "refusePlainly", plain],
    [", with int64 and bytes in it", "refuse", data],
  ] as const) {
    check(
      `a ConvexError's data passes through nested mutations${title}`,
      errors("throw from a deeply nested function call"),
      async (app) => {
        expect((await app.refusal("mutation", "acting:throwNested", { name })).data).toEqual(expected);
      },
    );

    check(
      `who catches a ConvexError of a nested mutation has its data, but not its class${title}`,
      {
        source: sources.syscalls,
        says: "an error with data is thrown again as a new ConvexError with that data",
      },
      async (app) => {
        const caught = { isConvexError: true, isSpecial: false, data: expected };
        expect(await app.mutation("acting:catchInMutation", { name })).toEqual(caught);
      },
    );
  }

  for (const kind of ["query", "mutation", "action"])
    check(
      `a ConvexError's data passes from a ${kind} through an action`,
      errors("this will work for calls in actions too"),
      async (app) => {
        expect((await app.refusal("action", "acting:notCatch", { kind })).data).toEqual(data);
      },
    );

  check(
    "who catches a ConvexError in an action has its data",
    errors("this will work for calls in actions too"),
    async (app) => {
      const caught = { isConvexError: true, data };
      const found = await app.action("acting:catchInAction");
      expect(found).toMatchObject({ ofMutation: caught, ofQuery: caught, ofAction: caught });
    },
  );

  check(
    "the class of an error is lost on its way to an action",
    {
      source: sources.syscalls,
      says: "an error with data is thrown again as a new ConvexError with that data",
    },
    async (app) => {
      const plain = { isSpecial: false };
      const found = await app.action("acting:catchInAction");
      expect(found).toMatchObject({ ofMutation: plain, ofQuery: plain, ofAction: plain });
    },
  );

  check(
    "an error that is no ConvexError has its message and no data",
    {
      source: sources.functionErrors,
      says: "on a development deployment the client gets the original message",
    },
    async (app) => {
      const { reason, data } = await app.refusal("mutation", "acting:throwPlain");
      expect(reason).toMatch(/a plain error/);
      expect(data).toBeUndefined();
    },
  );

  check(
    "what is thrown and no error fails the call too",
    { source: sources.backendUserError, says: "test_throw_string" },
    async (app) => {
      expect((await app.refusal("mutation", "acting:throwNoError")).reason).toMatch(/a string/);
    },
  );

  check(
    "a function is told who calls",
    { source: sources.auth, says: "ctx.auth.getUserIdentity()" },
    async (app) => {
      expect(await app.query("acting:whoAmI", {}, { identity })).toMatchObject(identity);
      expect(await app.query("acting:whoAmI")).toBeNull();
    },
  );

  check(
    "who calls an action calls its queries",
    actions("auth is propagated from the action"),
    async (app) => {
      expect(await app.action("acting:whoAmINested", {}, { identity })).toEqual(["ann", "ann"]);
      expect(await app.action("acting:whoAmINested")).toEqual([null, null]);
    },
  );
});
