// Checks the component against what reviewers of Convex's components directory ask for. Nine points are critical, five
// are advice; here all of them are asked.
import fs from "node:fs";
import path from "node:path";
import ts from "typescript";

const folder = "src/component";
const builders = {
  query: { isPublic: true },
  mutation: { isPublic: true },
  action: { isPublic: true },
  internalQuery: { isPublic: false },
  internalMutation: { isPublic: false },
  internalAction: { isPublic: false },
};
const problems = [];
const say = (place, message) => problems.push(`${place}: ${message}`);
const parse = (file) =>
  ts.createSourceFile(file, fs.readFileSync(file, "utf8"), ts.ScriptTarget.Latest, /* setParentNodes */ true);
const filesUnder = (root) =>
  fs
    .readdirSync(root, { recursive: true })
    .map((file) => path.join(root, file))
    .filter((file) => /\.ts$/.test(file) && !/\.(test|d)\.ts$/.test(file) && !file.includes("_generated"));
const visit = (node, look) => {
  look(node);
  ts.forEachChild(node, (child) => visit(child, look));
};

/** 3 to 6, 9: a function is made by the component's own builders, from an object, and says what it takes and gives. */
function readFunctions(file, source) {
  const own = new Set();
  for (const statement of source.statements) {
    if (!ts.isImportDeclaration(statement)) continue;
    const from = statement.moduleSpecifier.text;
    const names = statement.importClause?.namedBindings?.elements?.map(({ name }) => name.text) ?? [];
    if (from === "./_generated/server.js") names.forEach((name) => own.add(name));
    for (const name of names)
      if (/^(internal)?(Query|Mutation|Action|query|mutation|action)Generic$/.test(name))
        say(file, `${name} of ${from}: use the builders of ./_generated/server.js`);
  }
  const functions = [];
  for (const statement of source.statements) {
    const isExported = statement.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword);
    if (!ts.isVariableStatement(statement) || !isExported) continue;
    for (const { name, initializer } of statement.declarationList.declarations) {
      if (initializer === undefined || !ts.isCallExpression(initializer)) continue;
      const builder = initializer.expression.getText();
      if (!(builder in builders)) continue;
      if (!own.has(builder)) say(file, `${builder} is not the component's own`);
      functions.push({ name: name.text, builder, definition: initializer.arguments[0] });
    }
  }
  for (const each of functions) checkFunction(file, each);
  return functions;
}

function checkFunction(file, { name, definition }) {
  const place = `${file}: ${name}`;
  if (definition === undefined || !ts.isObjectLiteralExpression(definition))
    return say(place, "is not defined by an object");
  const property = (key) => definition.properties.find((each) => each.name?.getText() === key);
  for (const key of ["args", "returns", "handler"])
    if (property(key) === undefined) say(place, `has no ${key}`);
  const handler = property("handler")?.initializer;
  if (handler?.body === undefined || !ts.isBlock(handler.body)) return;
  let givesSomething = false;
  const look = (node) => {
    const isNested = ts.isFunctionLike(node) && node !== handler;
    if (isNested) return;
    if (ts.isReturnStatement(node) && node.expression && node.expression.getText() !== "null")
      givesSomething = true;
    ts.forEachChild(node, look);
  };
  look(handler.body);
  if (!givesSomething && property("returns")?.initializer?.getText() !== "v.null()")
    say(place, "gives nothing back: it must return v.null()");
}

/** 6, and the advice on queries and types. */
function checkBody(file, source) {
  visit(source, (node) => {
    if (!ts.isPropertyAccessExpression(node)) return;
    const text = node.getText();
    if (text === "ctx.auth") say(file, "ctx.auth is not available in components");
    if (node.name.text === "collect") say(file, `${text.slice(-60)}: reads without a bound`);
    const isOnQuery = node.name.text === "filter" && /ctx\.db[^;]*\.query\(/.test(node.expression.getText());
    if (isOnQuery) say(file, "filters a query: use withIndex");
  });
  if (/:\s*any\b|as any\b/.test(source.getText().replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "")))
    say(file, "has a type `any`");
}

/** 7, 8: what the app's side calls is there and public, and what is public is called by the app's side. */
function checkBoundary(functions) {
  const called = new Set(filesUnder("src/server").flatMap((file) => callsOfComponent(parse(file))));
  for (const path of called)
    if (!functions.get(path)?.isPublic)
      say("src/server", `calls ${path}, which is no public function of the component`);
  for (const [path, { isPublic }] of functions)
    if (isPublic && !called.has(path) && !operatorOnly.has(path))
      say(folder, `${path} is public, and nothing in src/server calls it: make it internal`);
}

/** `component.module.name`, also by way of `const { module } = …component` or `const { name } = …component.module`. */
function callsOfComponent(source) {
  const modules = new Set();
  const found = [];
  visit(source, (node) => {
    if (!ts.isVariableDeclaration(node) || !ts.isObjectBindingPattern(node.name)) return;
    const match = /(?:^|\.)component(?:\.(\w+))?$/.exec(node.initializer?.getText() ?? "");
    if (match === null) return;
    const names = node.name.elements.map(({ name }) => name.getText());
    const module = match[1];
    if (module === undefined) names.forEach((name) => modules.add(name));
    else found.push(...names.map((name) => `${module}:${name}`));
  });
  visit(source, (node) => {
    if (!ts.isPropertyAccessExpression(node)) return;
    const [, module, name] = /(?:^|\.)component\.(\w+)\.(\w+)$/.exec(node.getText()) ?? [];
    if (module !== undefined) found.push(`${module}:${name}`);
    else if (modules.has(node.expression.getText()))
      found.push(`${node.expression.getText()}:${node.name.text}`);
  });
  return found;
}

/** Called by an operator's own function of the app, not by this package. */
const operatorOnly = new Set(["compact:compact"]);

const config = fs.readFileSync(`${folder}/convex.config.ts`, "utf8");
if (!/defineComponent\("\w+"[,)]/.test(config) || !/export default component/.test(config))
  say(`${folder}/convex.config.ts`, "does not define a component and export it");
const { exports } = JSON.parse(fs.readFileSync("package.json", "utf8"));
for (const entry of [".", "./client", "./test", "./convex.config.js", "./_generated/component.js"])
  if (exports[entry] === undefined) say("package.json", `exports no "${entry}"`);
if (!/user:/.test(fs.readFileSync("src/server/types.ts", "utf8")))
  say("src/server", "knows no user: authorisation is the app's");

const functions = new Map();
for (const file of filesUnder(folder)) {
  const source = parse(file);
  checkBody(file, source);
  const module = path.basename(file, ".ts");
  for (const { name, builder } of readFunctions(file, source))
    functions.set(`${module}:${name}`, builders[builder]);
}
checkBoundary(functions);

for (const problem of problems) console.error(problem);
console.log(`component review: ${functions.size} functions, ${problems.length} problems`);
process.exit(problems.length > 0 ? 1 : 0);
