import { expect } from "vitest";
import { sources } from "./sources.js";
import { conformance, type DeployedApp } from "./suite.js";

const store = (app: DeployedApp, text: string, type?: string) =>
  app.action<string>("files:store", { text, type });

conformance("storage", (check) => {
  const storing = (says: string) => ({ source: sources.fileStorage, says });
  const metadata = (says: string) => ({ source: sources.fileMetadata, says });

  check(
    "an action stores a file and reads it",
    storing("ctx.storage.store(blob) in actions gives a storage id"),
    async (app) => {
      const id = await store(app, "grüße");
      expect(await app.action("files:read", { id })).toBe("grüße");
      expect(await app.query("files:validate", { id })).toBe(id);
    },
  );

  check(
    "a file is a document with size and sha256",
    metadata("`sha256` and `size` in bytes, by db.system"),
    async (app) => {
      const id = await store(app, "abc");
      const file = await app.query("files:metadata", { id });
      expect(file).toMatchObject({
        _id: id,
        _creationTime: expect.any(Number),
        size: 3,
        sha256: expect.any(String),
      });
      expect(await app.query("files:all")).toEqual([file]);
    },
  );

  check(
    "sha256 is in base64",
    {
      source: sources.fileMapping,
      says: "base64 for packages since 1.9, and hex before (the page still says base16)",
    },
    async (app) => {
      const id = await store(app, "abc");
      const sha256 = "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=";
      expect(await app.query("files:metadata", { id })).toMatchObject({ sha256 });
    },
  );

  check(
    "a file keeps its content type",
    metadata("`contentType`: if it was provided on upload"),
    async (app) => {
      const id = await store(app, "{}", "application/json");
      expect(await app.query("files:metadata", { id })).toMatchObject({ contentType: "application/json" });
    },
  );

  check(
    "a file has an address, in queries and in actions",
    { source: sources.serveFiles, says: "storage.getUrl(id)" },
    async (app) => {
      const id = await store(app, "abc");
      expect(await app.query("files:url", { id })).toMatch(/^https?:\/\//);
      expect(await app.action("files:urlInAction", { id })).toMatch(/^https?:\/\//);
    },
  );

  check(
    "a file that was deleted is not found",
    { source: sources.deleteFiles, says: "storage.delete(id)" },
    async (app) => {
      const [one, two] = [await store(app, "one"), await store(app, "two")];
      await app.mutation("files:remove", { id: one, isRefused: false });
      await app.action("files:removeInAction", { id: two });
      for (const id of [one, two]) {
        expect(await app.query("files:url", { id })).toBeNull();
        expect(await app.query("files:metadata", { id })).toBeNull();
        expect(await app.action("files:read", { id })).toBeNull();
      }
      expect(await app.query("files:all")).toEqual([]);
    },
  );

  check(
    "a file stays, if the mutation that deletes it fails",
    { source: sources.mutations, says: "if it throws, nothing is written" },
    async (app) => {
      const id = await store(app, "abc");
      await app.refusal("mutation", "files:remove", { id, isRefused: true });
      expect(await app.query("files:metadata", { id })).toMatchObject({ size: 3 });
      expect(await app.action("files:read", { id })).toBe("abc");
    },
  );

  check(
    "an address to upload to is given",
    { source: sources.uploadFiles, says: "storage.generateUploadUrl()" },
    async (app) => {
      expect(await app.mutation("files:uploadUrl")).toMatch(/^https?:\/\//);
    },
  );
});
