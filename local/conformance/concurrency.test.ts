import { expect } from "vitest";
import { sources } from "./sources.js";
import { conformance } from "./suite.js";

/** Few enough for Convex to retry its way through: it gives up after some conflicts. */
const few = 4;

conformance("concurrency", (check) => {
  const serializable = {
    source: sources.occ,
    says: "true serializability: as if mutations ran one after the other",
  };
  const snapshot = { source: sources.mutations, says: "reads are consistent, whatever is written meanwhile" };

  check("mutations that read and write the same rows lose nothing", serializable, async (app) => {
    await app.mutation("racing:setUp");
    await Promise.all(Array.from({ length: few }, () => app.mutation("racing:bumpBoth")));
    expect(await app.query("racing:lookAtBoth")).toEqual([few, few]);
  });

  check("what an action writes at the same time is not lost either", serializable, async (app) => {
    await app.mutation("racing:setUp");
    await app.action("racing:bumpInAction", { times: few });
    expect(await app.query("racing:lookAtBoth")).toEqual([few, few]);
  });

  check("a query sees one moment, whatever is written while it reads", snapshot, async (app) => {
    await app.mutation("racing:setUp");
    const looks = [];
    for (let at = 0; at < few; at += 1) {
      looks.push(app.query<[number, number]>("racing:lookAtBoth"));
      looks.push(
        app.mutation("racing:bumpBoth").then(() => app.query<[number, number]>("racing:lookAtBoth")),
      );
    }
    for (const [left, right] of await Promise.all(looks)) expect(left).toBe(right);
    expect(await app.query("racing:lookAtBoth")).toEqual([few, few]);
  });

  check("what was not there when it was looked for is inserted once", serializable, async (app) => {
    const inserted = await Promise.all(
      Array.from({ length: few }, () => app.mutation("racing:insertOnce", { a: "x" })),
    );
    expect(inserted.filter((isInserted) => isInserted)).toHaveLength(1);
    expect(await app.query("documents:list", { table: "rows" })).toHaveLength(1);
  });

  check(
    "two mutations that each write what the other has read do not both go ahead",
    serializable,
    async (app) => {
      await app.mutation("racing:setUp");
      const left = await Promise.all(
        ["left", "right"].map((label) => app.mutation("racing:leave", { label })),
      );
      expect(left.toSorted()).toEqual([false, true]);
    },
  );

  check(
    "commit timestamps of mutations at the same time differ",
    { source: sources.commitTimestamp, says: "unique" },
    async (app) => {
      const calls = Array.from({ length: 10 }, (_, at) =>
        app.mutation<bigint>("stamping:stamp", { labels: [`${at}`] }),
      );
      const given = await Promise.all(calls);
      expect(new Set(given).size).toBe(10);
      const stored = await app.query<{ label: string; ts: bigint }[]>("stamping:inOrder");
      for (const { label, ts } of stored) expect(ts).toBe(given[Number(label)]);
    },
  );
});
