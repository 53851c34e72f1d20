import { expect } from "vitest";
import { sources } from "./sources.js";
import { conformance } from "./suite.js";

conformance("ids", (check) => {
  check(
    "ids are strings that name their table",
    { source: sources.documentIds, says: "ids are strings at runtime; `v.id(table)` validates the table" },
    async (app) => {
      const id = await app.mutation<string>("documents:insert", { table: "rows", fields: {} });
      expect(id).toEqual(expect.stringMatching(/^[0-9a-z]+$/i));
      expect(await app.query("documents:ofRows", { id })).toBe(id);
      const { reason } = await app.refusal("query", "documents:ofPeople", { id });
      expect(reason).toMatch(/people/);
      await app.refusal("query", "documents:ofRows", { id: "garbage" });
    },
  );

  check(
    "normalizeId gives the id for its own table, and null for another or for garbage",
    {
      source: sources.backendIds,
      says: "normalizeId: the id with the correct table name, null with an incorrect one",
    },
    async (app) => {
      const id = await app.mutation("documents:insert", { table: "rows", fields: {} });
      expect(await app.query("documents:normalizeId", { table: "rows", id })).toBe(id);
      expect(await app.query("documents:normalizeId", { table: "people", id })).toBeNull();
      expect(await app.query("documents:normalizeId", { table: "rows", id: "garbage!" })).toBeNull();
      expect(await app.query("documents:normalizeId", { table: "rows", id: "" })).toBeNull();
    },
  );

  check(
    "system tables are out of reach of normalizeId and of writes",
    {
      source: sources.backendIds,
      says: "a virtual table with db.normalizeId throws, a user table with db.system too",
    },
    async (app) => {
      const id = await app.mutation<string>("documents:insert", { table: "rows", fields: {} });
      await app.refusal("query", "documents:normalizeId", { table: "_storage", id });
      await app.refusal("query", "documents:normalizeSystemId", { table: "rows", id });
      const { reason } = await app.refusal("mutation", "documents:insertIntoSystemTable");
      expect(reason).toMatch(/read-only/);
    },
  );

  check(
    "system documents are read by db.system alone, and others not by it",
    {
      source: sources.backendUserError,
      says: "test_nonexistent_id: `System tables can only be accessed with db.system`",
    },
    async (app) => {
      const row = await app.mutation<string>("documents:insert", { table: "rows", fields: {} });
      const job = await app.mutation<{ id: string }>("scheduling:noteLater", {
        text: "x",
        delayMs: 3_600_000,
      });
      await app.refusal("query", "documents:get", { id: job.id });
      await app.refusal("query", "documents:systemGet", { id: row });
    },
  );

  check(
    "normalizeId of db.system knows system tables",
    {
      source: sources.backendIds,
      says: "test_system_normalize_id: the id for its virtual table, null for another",
    },
    async (app) => {
      const { id } = await app.mutation<{ id: string }>("scheduling:noteLater", {
        text: "x",
        delayMs: 3_600_000,
      });
      expect(await app.query("documents:normalizeSystemId", { table: "_scheduled_functions", id })).toBe(id);
      expect(await app.query("documents:normalizeSystemId", { table: "_storage", id })).toBeNull();
    },
  );
});
