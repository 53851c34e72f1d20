import { expect } from "vitest";
import { sources } from "./sources.js";
import { conformance, type DeployedApp } from "./suite.js";

const fill = (app: DeployedApp) =>
  app.mutation<string[]>("documents:insertAll", {
    table: "notes",
    all: [
      { body: "the quick brown fox", meaning: [1, 0] },
      { body: "a slow dog", meaning: [0, 1] },
    ],
  });

conformance("search", (check) => {
  check(
    "words are found by a search index",
    { source: sources.textSearch, says: "full text search; the last word by its prefix" },
    async (app) => {
      await fill(app);
      expect(await app.query("searching:search", { words: "brow" })).toEqual(["the quick brown fox"]);
    },
  );

  check(
    "vectors are found by their nearness",
    { source: sources.vectorSearch, says: "ctx.vectorSearch in actions, the most similar first" },
    async (app) => {
      const [, dog] = await fill(app);
      expect(await app.action("searching:nearest", { vector: [0.1, 0.9] })).toEqual([dog]);
    },
  );
});
