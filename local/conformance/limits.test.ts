import { expect } from "vitest";
import { sources } from "./sources.js";
import { conformance, type DeployedApp } from "./suite.js";

const MiB = 1 << 20;
const isEmpty = (app: DeployedApp, table = "rows") => app.query("limits:isEmpty", { table });

conformance("limits", (check) => {
  const limit = (says: string) => ({ source: sources.limits, says });

  check(
    "16,000 documents are written, one more is refused",
    limit("documents written: 16,000"),
    async (app) => {
      const { reason } = await app.refusal("mutation", "limits:insertMany", { count: 16_001 });
      expect(reason).toMatch(/too many .*16,?000/is);
      expect(await isEmpty(app)).toBe(true);
      await app.mutation("limits:insertMany", { count: 16_000 });
      expect(await isEmpty(app)).toBe(false);
    },
  );

  check("16 MiB are written, not more", limit("data written: 16 MiB"), async (app) => {
    const { reason } = await app.refusal("mutation", "limits:insertMany", { count: 18, bytes: 1_000_000 });
    expect(reason).toMatch(/too (much|many)/i);
    expect(await isEmpty(app)).toBe(true);
    await app.mutation("limits:insertMany", { count: 15, bytes: 1_000_000 });
  });

  check(
    "32,000 documents are read, one more is refused",
    limit("documents scanned: 32,000, filtered ones too"),
    async (app) => {
      for (let at = 0; at < 2; at += 1) await app.mutation("limits:insertMany", { count: 16_000 });
      expect(await app.query("limits:readAll")).toBe(32_000);
      expect(await app.query("limits:readFiltered")).toBe(0);
      await app.mutation("limits:insertMany", { count: 1 });
      const { reason } = await app.refusal("query", "limits:readAll");
      expect(reason).toMatch(/too many .*32,?000/is);
    },
  );

  check(
    "documents that a filter leaves out count as read",
    limit("documents not returned due to a filter count as scanned"),
    async (app) => {
      for (const count of [16_000, 16_000, 1]) await app.mutation("limits:insertMany", { count });
      const { reason } = await app.refusal("query", "limits:readFiltered");
      expect(reason).toMatch(/too many .*32,?000/is);
    },
  );

  check("16 MiB are read, not more", limit("data read: 16 MiB"), async (app) => {
    await app.mutation("limits:insertMany", { count: 15, bytes: 1_000_000 });
    expect(await app.query("limits:readAll")).toBe(15);
    await app.mutation("limits:insertMany", { count: 3, bytes: 1_000_000 });
    const { reason } = await app.refusal("query", "limits:readAll");
    expect(reason).toMatch(/too (much|many)/i);
  });

  check(
    "4,096 index ranges are read, one more is refused",
    limit("index ranges read: 4,096"),
    async (app) => {
      await app.query("limits:queryMany", { count: 4_096 });
      const { reason } = await app.refusal("query", "limits:queryMany", { count: 4_097 });
      expect(reason).toMatch(/too many .*4,?096/is);
    },
  );

  check(
    "1,000 functions are scheduled, one more is refused",
    limit("scheduled functions: 1000 by a mutation"),
    async (app) => {
      const { reason } = await app.refusal("mutation", "limits:scheduleMany", { count: 1_001 });
      expect(reason).toMatch(/scheduled.*1,?000/is);
      expect(await isEmpty(app, "journal")).toBe(true);
      expect(await app.query("scheduling:jobs")).toEqual([]);
      await app.mutation("limits:scheduleMany", { count: 1_000 });
      expect(await app.query("scheduling:jobs")).toHaveLength(1_000);
    },
  );

  check(
    "arguments of 16 MiB are scheduled, not more",
    limit("total size of scheduled arguments: 16 MiB"),
    async (app) => {
      const { reason } = await app.refusal("mutation", "limits:scheduleMany", {
        count: 18,
        bytes: 1_000_000,
      });
      expect(reason).toMatch(/too (large|much)/i);
      expect(await app.query("scheduling:jobs")).toEqual([]);
    },
  );

  check("a document of more than 1 MiB is refused", limit("document size: 1 MiB"), async (app) => {
    await app.mutation("limits:insertMany", { count: 1, bytes: MiB - 1_000 });
    const { reason } = await app.refusal("mutation", "limits:insertMany", { count: 1, bytes: MiB });
    expect(reason).toMatch(/too large/i);
    expect(await app.query("limits:readAll")).toBe(1);
  });

  check("an array has 8,192 items at most", limit("array elements: 8192"), async (app) => {
    await app.mutation("limits:insertArray", { length: 8_192 });
    const { reason } = await app.refusal("mutation", "limits:insertArray", { length: 8_193 });
    expect(reason).toMatch(/8,?192/);
  });

  check("an object has 1,024 fields at most", limit("fields: 1024"), async (app) => {
    await app.mutation("limits:insertFields", { count: 1_024 });
    await app.refusal("mutation", "limits:insertFields", { count: 1_025 });
  });

  check("arrays and objects nest 16 deep", limit("field nesting depth: 16"), async (app) => {
    await app.mutation("limits:insertNested", { depth: 14 });
    await app.refusal("mutation", "limits:insertNested", { depth: 18 });
  });

  check(
    "a field's name begins with a letter",
    limit("top-level fields do not start with an underscore, nor with $"),
    async (app) => {
      await app.mutation("limits:insertField", { name: "a_B1" });
      await app.refusal("mutation", "limits:insertField", { name: "_own" });
      await app.refusal("mutation", "limits:insertField", { name: "$own" });
      await app.refusal("mutation", "limits:insertField", { name: "ä" });
    },
  );

  check(
    "a string has no unpaired surrogates",
    limit("strings must be valid Unicode sequences"),
    async (app) => {
      await app.refusal("mutation", "limits:insertLoneSurrogate");
    },
  );

  check(
    "16 MiB are returned, not more, and then nothing is written",
    limit("function return value size: 16 MiB"),
    async (app) => {
      const { reason } = await app.refusal("mutation", "limits:returnBytes", { bytes: 16 * MiB + 1 });
      expect(reason).toMatch(/too large/i);
      expect(await isEmpty(app)).toBe(true);
      await app.mutation("limits:returnBytes", { bytes: 15 * MiB });
    },
  );

  check("arguments are of 16 MiB at most", limit("function argument size: 16 MiB"), async (app) => {
    const of = (bytes: number) => ({ value: new ArrayBuffer(bytes) });
    expect(await app.query("limits:sizeOf", of(15 * MiB))).toBe(15 * MiB);
    const { reason } = await app.refusal("query", "limits:sizeOf", of(16 * MiB + 1));
    expect(reason).toMatch(/too large/i);
  });

  check(
    "nested calls share the limits of the whole",
    { source: sources.writingData, says: "functions called share the overall limits" },
    async (app) => {
      await app.refusal("mutation", "limits:addSomeTwice", { count: 8_001 });
      expect(await isEmpty(app)).toBe(true);
    },
  );

  const runOptions = {
    source: sources.runOptions,
    says: "transactionLimits: the absolute maximum for the nested call",
  };
  check("a nested mutation may be given limits of its own", runOptions, async (app) => {
    const args = { kind: "addSome", counts: [1, 60, 2], limits: { documentsWritten: 50 } };
    expect(await app.mutation("limits:limited", args)).toEqual(["done", "refused", "done"]);
    expect(await app.query("limits:readAll")).toBe(4);
  });

  check("a nested query may be given limits of its own", runOptions, async (app) => {
    await app.mutation("limits:insertMany", { count: 100 });
    const args = { kind: "readSome", counts: [1, 90], limits: { documentsRead: 50 } };
    expect(await app.mutation("limits:limited", args)).toEqual(["done", "refused"]);
  });

  check(
    "a function is told what it has used, and what is left",
    {
      source: sources.backendMetrics,
      says: "used and remaining; scheduling does not affect read and write metrics",
    },
    async (app) => {
      expect(await app.mutation("limits:metrics")).toMatchObject({
        documentsRead: { used: 2, remaining: 31_998 },
        documentsWritten: { used: 2, remaining: 15_998 },
        databaseQueries: { used: 1, remaining: 4_095 },
        functionsScheduled: { used: 1, remaining: 999 },
        bytesWritten: { used: expect.any(Number), remaining: expect.any(Number) },
      });
    },
  );

  check(
    "take reads no more than it gives",
    { source: sources.filters, says: "`take(5)` will not scan more than 5 documents" },
    async (app) => {
      await app.mutation("limits:insertMany", { count: 20 });
      expect(await app.query("limits:readsOfTake", { n: 5 })).toBe(5);
    },
  );

  check(
    "system documents do not count as read",
    { source: sources.backendMetrics, says: "system reads don't count against user metrics" },
    async (app) => {
      await app.mutation("limits:scheduleMany", { count: 3 });
      expect(await app.query("limits:readsOfJobs")).toBe(0);
    },
  );
});
