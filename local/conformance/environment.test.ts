import { expect } from "vitest";
import { sources } from "./sources.js";
import { conformance } from "./suite.js";

interface Random {
  readonly numbers: readonly number[];
  readonly bytes: readonly number[];
  readonly uuids: readonly string[];
}

conformance("environment", (check) => {
  const runtimes = (says: string) => ({ source: sources.runtimes, says });

  check(
    "time stands still in a query",
    runtimes("Date.now() returns the same result for the entire execution"),
    async (app) => {
      const times = await app.query<number[]>("environment:timesInQuery");
      expect(new Set(times).size).toBe(1);
      expect(Math.abs(times[0]! - Date.now())).toBeLessThan(60_000);
    },
  );

  check(
    "time stands still in a mutation, also across what it waits for",
    runtimes("frozen when the function begins"),
    async (app) => {
      const times = await app.mutation<number[]>("environment:timesInMutation");
      expect(new Set(times).size).toBe(1);
    },
  );

  check(
    "time goes on from one call to the next",
    runtimes("frozen when the function begins"),
    async (app) => {
      const before = Date.now();
      expect((await app.query<number[]>("environment:timesInQuery"))[0]).toBeGreaterThanOrEqual(before);
    },
  );

  check("dates are dates", runtimes("web standard globals"), async (app) => {
    const at = 1_577_836_800_000;
    expect(await app.query("environment:dates")).toEqual({ isDate: true, utc: at, parsed: at, year: 2020 });
  });

  for (const kind of ["query", "mutation"] as const) {
    const name = kind === "query" ? "Query" : "Mutation";
    check(
      `random values in a ${kind} differ, in a call and between calls`,
      runtimes("seeded Math.random(), Web Crypto"),
      async (app) => {
        const found = [await app[kind]<Random>(`environment:randomIn${name}`)];
        found.push(await app[kind]<Random>(`environment:randomIn${name}`));
        const numbers = found.flatMap(({ numbers }) => numbers);
        expect(new Set(numbers).size).toBe(6);
        for (const number of numbers) expect(number >= 0 && number < 1).toBe(true);
        expect(found[0]!.bytes).toHaveLength(16);
        expect(found[0]!.bytes).not.toEqual(found[1]!.bytes);
        const uuids = found.flatMap(({ uuids }) => uuids);
        expect(new Set(uuids).size).toBe(4);
        for (const uuid of uuids)
          expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      },
    );

    for (const what of ["fetch", "setTimeout", "setInterval"])
      check(
        `${what} is refused in a ${kind}, by its name`,
        runtimes("queries and mutations are restricted to be deterministic; fetch in actions only"),
        async (app) => {
          const { reason } = await app.refusal(kind, `environment:useIn${name}`, { what });
          expect(reason).toContain(what);
          expect(await app.query("documents:list", { table: "rows" })).toEqual([]);
        },
      );
  }

  check(
    "timers and fetch work in an action",
    runtimes("actions are unrestricted by the rules of determinism"),
    async (app) => {
      for (const what of ["fetch", "setTimeout", "setInterval"])
        expect(await app.action("environment:useInAction", { what })).toBe("used");
    },
  );

  check("crypto.subtle works in a query", runtimes("Web Crypto APIs: SubtleCrypto"), async (app) => {
    const digest = Buffer.from(await app.query<ArrayBuffer>("environment:digest")).toString("hex");
    expect(digest).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  });

  check(
    "what a function logs reaches its caller, also if it fails",
    { source: sources.backendLogging, says: "lines are `[LOG] 'text'`, with values as inspected" },
    async (app) => {
      const lines = ["[LOG] 'words' 1", "[WARN] 'beware'", "[ERROR] 'wrong'"].map((start) =>
        expect.stringContaining(start),
      );
      const done = await app.outcome({ kind: "query", path: "environment:logInQuery", args: {} });
      expect(done.logLines).toEqual(lines);
      const failed = await app.outcome({ kind: "mutation", path: "environment:logThenThrow", args: {} });
      expect(failed).toMatchObject({ ok: false, logLines: lines });
    },
  );
});
