// Checks who may import whom (docs/architecture.md), value-import cycles and file lengths under src/.
// A zone is a file or folder prefix; the longest match wins. `may`: zones it may import; `types`: with
// `import type` only; `packages`: bare specifiers it may load at run time (prefixes). Inside the client a subsystem
// imports core, ports and base; only the files beside the folders, which wire them, see all of them.
import fs from "node:fs";
import path from "node:path";
import ts from "typescript";

const clientBase = ["client/core/", "client/ports/", "client/base/", "collections/", "shared/"];
const zones = {
  "shared/": { may: [], packages: ["convex/values", "yjs"] },
  "collections/": { may: ["shared/"], packages: ["convex/values"] },
  "component/_generated/": { may: ["component/"], packages: ["convex/"] },
  "component/": { may: ["shared/", "component/_generated/"], packages: ["convex/", "@convex-dev/"] },
  "test.ts": { may: ["component/"], packages: ["@convex-dev/"] },
  "testing/": {
    may: [
      ...["shared/", "collections/", "server/", "component/", "test.ts"],
      "client/",
      ...["base", "documents", "ports", "store", "tabs", "transport"].map((name) => `client/${name}/`),
    ],
    types: ["component/_generated/"],
    packages: ["convex/", "@convex-dev/", "convex-test", "node:async_hooks"],
  },
  // What tests of one subsystem are set up with: only tests import it.
  "testing/setUp/": {
    may: [
      ...["shared/", "collections/", "testing/"],
      ...["base", "documents", "outbox", "ports", "store", "stream", "view"].map((name) => `client/${name}/`),
    ],
    packages: ["convex/", "fast-check", "idb"],
  },
  "client/core/": { may: ["collections/", "shared/"], packages: ["convex/values"] },
  "client/ports/": { may: ["collections/", "shared/"], packages: [] },
  "client/base/": { may: ["client/core/", "client/ports/", "collections/", "shared/"], packages: [] },
  "client/documents/": { may: clientBase, packages: [] },
  "client/outbox/": { may: clientBase, types: ["client/documents/"], packages: [] },
  "client/store/": { may: clientBase, packages: ["idb"] },
  "client/stream/": { may: clientBase, packages: [] },
  "client/tabs/": { may: clientBase, packages: [] },
  "client/transport/": { may: clientBase, packages: [] },
  "client/view/": { may: clientBase, packages: [] },
  "client/": {
    may: [
      ...clientBase,
      ...["documents", "outbox", "store", "stream", "tabs", "transport", "view"].map(
        (name) => `client/${name}/`,
      ),
    ],
    packages: [],
  },
  "server/": { may: ["shared/", "collections/"], types: ["component/_generated/"], packages: ["convex/"] },
};
/** Yjs is called in these folders and files only; everybody else goes through them. */
const yjsUsers = [
  "shared/document.ts",
  "shared/mainDocument.ts",
  "shared/partDocument.ts",
  "shared/revertPart.ts",
];
const maxLines = 400;

const root = path.resolve("src");
const problems = [];
const graph = new Map();
const isTest = (file) => /\.(test|test-d)\.tsx?$/.test(file);
const files = fs
  .readdirSync(root, { recursive: true })
  .map((file) => file.split(path.sep).join("/"))
  .filter((file) => /\.tsx?$/.test(file) && !file.endsWith(".d.ts"));
const zoneOf = (file) =>
  Object.keys(zones)
    .filter((zone) => file === zone || (zone.endsWith("/") && file.startsWith(zone)))
    .sort((a, b) => b.length - a.length)[0];

function isTypeOnly(node) {
  const clause = node.importClause ?? node.exportClause;
  if (node.isTypeOnly || node.importClause?.isTypeOnly) return true;
  const names = node.importClause ? clause?.namedBindings?.elements : clause?.elements;
  return !node.importClause?.name && names?.length > 0 && names.every((name) => name.isTypeOnly);
}

function checkPackage(file, rule, specifier, report) {
  if (specifier === "yjs" && !yjsUsers.includes(file)) report(`only ${yjsUsers.join(", ")} may import yjs`);
  const isAllowed = rule.packages.some(
    (name) => specifier === name || (name.endsWith("/") && specifier.startsWith(name)),
  );
  if (!isAllowed) report(`may not import package "${specifier}"`);
}

function checkFile(file) {
  const text = fs.readFileSync(path.join(root, file), "utf8");
  const zone = zoneOf(file);
  if (!file.includes("/_generated/") && text.split("\n").length > maxLines)
    problems.push(`${file}: longer than ${maxLines} lines`);
  if (!zone) return problems.push(`${file}: belongs to no zone in scripts/importRules.mjs`);
  graph.set(file, []);
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  for (const node of source.statements) {
    if (!(ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) || !node.moduleSpecifier) continue;
    const specifier = node.moduleSpecifier.text;
    const line = source.getLineAndCharacterOfPosition(node.getStart()).line + 1;
    const report = (message) => problems.push(`${file}:${line}: ${message}`);
    const typeOnly = isTypeOnly(node);
    if (!specifier.startsWith(".")) {
      if (!typeOnly) checkPackage(file, zones[zone], specifier, report);
      continue;
    }
    const target = path.posix.join(path.posix.dirname(file), specifier).replace(/\.js$/, ".ts");
    const targetFile = files.includes(target) ? target : `${target}x`;
    if (!files.includes(targetFile)) report(`cannot resolve "${specifier}"`);
    if (!typeOnly) graph.get(file).push(targetFile);
    const targetZone = zoneOf(targetFile);
    const { may, types = [] } = zones[zone];
    const isAllowed =
      targetZone === zone || may.includes(targetZone) || (typeOnly && types.includes(targetZone));
    if (!isAllowed) report(`${zone} may not import ${targetZone}`);
  }
}

function checkCycles() {
  const done = new Set();
  const visit = (file, trail) => {
    if (trail.includes(file))
      return problems.push(`import cycle: ${[...trail.slice(trail.indexOf(file)), file].join(" → ")}`);
    if (done.has(file)) return;
    for (const next of graph.get(file) ?? []) visit(next, [...trail, file]);
    done.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
}

files.filter((file) => !isTest(file)).forEach(checkFile);
checkCycles();
for (const problem of problems) console.error(problem);
console.log(`import rules: ${graph.size} files, ${problems.length} problems`);
process.exit(problems.length > 0 ? 1 : 0);
