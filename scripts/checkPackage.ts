// `npm run check:package`: packs the package and uses the tarball in an empty project, as an app would: publint and
// are-the-types-wrong look at it, every entry point is loaded, and an app that mounts the component is pushed.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { deploy } from "../local/push/deploy.js";
import { startBackend } from "../local/server/backend.js";

const { name, exports, devDependencies } = JSON.parse(fs.readFileSync("package.json", "utf8")) as {
  name: string;
  exports: Record<string, string | { default: string }>;
  devDependencies: Record<string, string>;
};
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "package-"));
const run = (command: string, args: readonly string[], cwd = folder) =>
  execFileSync(command, args, { cwd, stdio: "inherit" });
const write = (file: string, text: string) => {
  fs.mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
  fs.writeFileSync(path.join(folder, file), text);
};

const entries = Object.entries(exports);
/** Published as TypeScript source: only a bundler or a test runner can load them. */
const sourceEntries = entries.filter(([, target]) => typeof target === "string").map(([entry]) => entry);
/** Works in Convex's bundler only; the app that is pushed mounts it. */
const definitionEntries = entries.map(([entry]) => entry).filter((entry) => entry.includes("convex.config"));
const nodeEntries = entries
  .map(([entry]) => entry)
  .filter((entry) => !sourceEntries.includes(entry) && !definitionEntries.includes(entry));
const specifierOf = (entry: string) => name + entry.slice(1);

/** An app with two collections, mounted through `definition`. */
function writeApp(definition: string): void {
  write("convex/convex.config.ts", appConfig(definition));
  write(
    "convex/collections.ts",
    `import { defineCollection, field } from "${name}/collections";
     import { v } from "convex/values";
     export const notes = defineCollection("notes", { fields: { text: v.string() } });
     export const sites = defineCollection("sites", {
       fields: { name: v.string(), country: v.string(), visits: field.counter() },
       scope: (row) => row.country,
     });`,
  );
  write(
    "convex/schema.ts",
    `import { defineSchema } from "convex/server";
     import { replicaTable } from "${name}";
     import { notes, sites } from "./collections";
     export default defineSchema({ notes: replicaTable(notes), sites: replicaTable(sites) });`,
  );
  write(
    "convex/replicate.ts",
    `import { componentsGeneric } from "convex/server";
     import { Replicate } from "${name}";
     import type { ComponentApi } from "${name}/_generated/component";
     import { notes, sites } from "./collections";
     export const replicate = new Replicate(componentsGeneric().replicate as unknown as ComponentApi, {
       user: async (ctx) => (await ctx.auth.getUserIdentity())?.subject ?? null,
     });
     replicate.collection(notes, { table: "notes", read: () => true, write: () => true });
     replicate.collection(sites, { table: "sites", read: () => true, write: () => true });
     export const { push, pull, status } = replicate.api();`,
  );
  write(
    "convex/sites.ts",
    `import { mutationGeneric } from "convex/server";
     import { v } from "convex/values";
     import { sites } from "./collections";
     import { replicate } from "./replicate";
     export const rename = mutationGeneric({
       args: { id: v.string(), name: v.string() },
       handler: (ctx, { id, name }) =>
         replicate.writer(ctx, sites).update(id, (draft) => void (draft.name = name)),
     });`,
  );
}

function appConfig(definition: string): string {
  return `import { defineApp } from "convex/server";
    import replicate from "${definition}";
    const app = defineApp();
    app.use(replicate);
    export default app;`;
}

/** As an app tests itself: with its own functions, from what the package offers. */
const appTest = `import { anyApi } from "convex/server";
  import { createTestBackend, createTestReplica } from "${name}/testing";
  import { expect, test } from "vitest";
  import { notes } from "./convex/collections";
  import schema from "./convex/schema";
  test("the app's functions behind a replica", async () => {
    const backend = createTestBackend({ schema, modules: import.meta.glob("./convex/**/*.*s") });
    const setup = { backend, api: anyApi.replicate, collections: [notes] };
    const [{ replica, control }, other] = [await createTestReplica(setup), await createTestReplica(setup)];
    other.replica.subscribe(notes);
    control.offline();
    replica.collection(notes).insert({ id: "n", text: "hello" });
    control.online();
    await control.settle();
    expect(other.replica.collection(notes).get("n")).toEqual({ id: "n", text: "hello" });
  });`;

/** As the guide shows it, with a few seeds. */
function simulationTest(): string {
  const [, section = ""] = fs.readFileSync("docs/testing.md", "utf8").split("\n## Simulating your app\n");
  const [, example] = /^```ts\n([^]*?)^```$/m.exec(section) ?? [];
  if (example === undefined) throw new Error("docs/testing.md has no example of a simulation.");
  return example.replace("    schema,\n", "    schema,\n    seeds: 5,\n");
}

/** What `testing` is made of is published as source: all that it loads, and nothing of this repository's own tests. */
function checkTesting(tarball: string): void {
  const loaded = new Set<string>();
  const visit = (file: string) => {
    if (loaded.has(file)) return;
    loaded.add(file);
    for (const [, target = ""] of fs.readFileSync(file, "utf8").matchAll(/from "(\.[^"]*)\.js"/g))
      visit(path.posix.join(path.posix.dirname(file), `${target}.ts`));
  };
  visit("src/testing/index.ts");
  const packed = execFileSync("tar", ["tzf", path.join(folder, tarball)], { encoding: "utf8" })
    .split("\n")
    .map((file) => file.replace("package/", ""));
  const inTesting = (files: Iterable<string>) =>
    [...files].filter((file) => file.startsWith("src/testing/")).sort();
  const [needed, found] = [inTesting(loaded), inTesting(packed)];
  const missing = needed.filter((file) => !found.includes(file));
  const spare = found.filter((file) => !needed.includes(file));
  if (missing.length + spare.length > 0)
    throw new Error(
      `"files" of package.json: ${missing.join(", ")} missing; ${spare.join(", ")} for nobody.`,
    );
}

async function pushApp(): Promise<void> {
  const backend = await startBackend();
  try {
    for (const entry of definitionEntries) {
      writeApp(specifierOf(entry));
      await deploy(backend.url, { cwd: folder });
      const cursor = { ts: 0n, document: "" };
      await backend.run("query", "replicate:pull", { collection: "notes", scope: "", cursor });
      console.log(`mounted ${specifierOf(entry)}`);
    }
  } finally {
    await backend.close();
  }
}

try {
  run("npm", ["pack", "--silent", "--pack-destination", folder], process.cwd());
  const tarball = fs.readdirSync(folder).find((file) => file.endsWith(".tgz")) ?? "";
  checkTesting(tarball);
  run("npx", ["publint", "--strict", path.join(folder, tarball)], process.cwd());
  const ignored = ["--profile", "esm-only", "--exclude-entrypoints", ...sourceEntries];
  run("npx", ["attw", path.join(folder, tarball), "--format", "ascii", ...ignored], process.cwd());

  write("package.json", '{"type":"module","private":true,"dependencies":{"convex":"*"}}');
  const tools = ["convex", "yjs", "convex-test", "vitest", "@edge-runtime/vm", "typescript"];
  const versions = tools.map((tool) => `${tool}@${devDependencies[tool]}`);
  run("npm", ["install", "--silent", "--no-audit", "--no-fund", `./${tarball}`, ...versions]);

  const imports = nodeEntries.map(
    (entry) => `await import("${specifierOf(entry)}"); console.log("imported ${specifierOf(entry)}");`,
  );
  write("load.mjs", imports.join("\n"));
  run(process.execPath, ["load.mjs"]);

  const tests = sourceEntries.map(
    (entry) => `test("${entry}", async () => void (await import("${specifierOf(entry)}")));`,
  );
  write("load.test.ts", `import { test } from "vitest";\n${tests.join("\n")}`);
  writeApp(specifierOf("./convex.config"));
  // By which convex-test knows the folder.
  write("convex/_generated/api.js", 'import { anyApi } from "convex/server"; export const api = anyApi;');
  write("test/simulation.test.ts", simulationTest());
  write("app.test.ts", appTest);
  const inline = JSON.stringify([name, "convex-test", /@convex-dev/.source]);
  write(
    "vitest.config.mjs",
    `export default { test: { environment: "edge-runtime", server: { deps: { inline: ${inline} } } } };`,
  );
  run("npx", ["vitest", "run"]);

  await pushApp();
  console.log(`package: ${entries.length} entry points used from the packed tarball`);
} finally {
  fs.rmSync(folder, { recursive: true, force: true });
}
