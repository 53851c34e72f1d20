// `npm run check:package`: packs the package, installs the tarball into an empty project and uses every entry point
// from there; publint and are-the-types-wrong look at the same tarball.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

const root = process.cwd();
const { name, exports, devDependencies } = JSON.parse(fs.readFileSync("package.json", "utf8"));
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "package-"));
const run = (command, args, cwd = folder) => execFileSync(command, args, { cwd, stdio: "inherit" });

/** Entry points that are published as TypeScript source: only a bundler or a test runner can load them. */
const isSource = (target) => typeof target === "string" && target.endsWith(".ts");
const specifierOf = (entry) => name + entry.slice(1);
const entries = Object.entries(exports).filter(([entry]) => entry !== "./package.json");
const built = entries.filter(([, target]) => !isSource(target)).map(([entry]) => specifierOf(entry));
const source = entries.filter(([, target]) => isSource(target)).map(([entry]) => specifierOf(entry));

try {
  run("npm", ["pack", "--silent", "--pack-destination", folder], root);
  const tarball = fs.readdirSync(folder).find((file) => file.endsWith(".tgz"));
  run("npx", ["publint", "--strict", path.join(folder, tarball)], root);
  const sourceEntries = entries.filter(([, target]) => isSource(target)).map(([entry]) => entry);
  const ignored = ["--profile", "esm-only", "--exclude-entrypoints", ...sourceEntries];
  run("npx", ["attw", path.join(folder, tarball), ...ignored], root);

  fs.writeFileSync(path.join(folder, "package.json"), '{"type":"module","private":true}');
  const tools = ["convex", "yjs", "convex-test", "vitest", "@edge-runtime/vm", "typescript"];
  const versions = tools.map((tool) => `${tool}@${devDependencies[tool]}`);
  run("npm", ["install", "--silent", "--no-audit", "--no-fund", `./${tarball}`, ...versions]);
  const load = built.map(
    (specifier) =>
      `console.log("imported", ${JSON.stringify(specifier)}, Object.keys(await import(${JSON.stringify(specifier)})).length > 0);`,
  );
  fs.writeFileSync(path.join(folder, "load.mjs"), load.join("\n"));
  run(process.execPath, ["load.mjs"]);
  const tests = source.map(
    (specifier) =>
      `test(${JSON.stringify(specifier)}, async () => { expect(Object.keys(await import(${JSON.stringify(specifier)})).length).toBeGreaterThan(0); });`,
  );
  fs.writeFileSync(
    path.join(folder, "load.test.ts"),
    `import { expect, test } from "vitest";\n${tests.join("\n")}\n`,
  );
  const inline = JSON.stringify([name, "convex-test", "@convex-dev/workpool", "@convex-dev/batch-worker"]);
  fs.writeFileSync(
    path.join(folder, "vitest.config.mjs"),
    `export default { test: { environment: "edge-runtime", server: { deps: { inline: ${inline} } } } };\n`,
  );
  run("npx", ["vitest", "run"]);
} finally {
  fs.rmSync(folder, { recursive: true, force: true });
}
console.log(`package: ${built.length + source.length} entry points loaded from the packed tarball`);
