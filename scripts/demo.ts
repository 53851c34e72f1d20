// `npm run demo`: the example app on this machine, with a backend of its own that keeps its data in `.fieldbook`.
// `npm run demo -- --fresh` begins anew, `-- --memory` keeps nothing.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { parseArgs } from "node:util";
import { countries, firstCountry } from "../example/src/countries.js";
import { DataDirectory } from "../local/durable/dataDirectory.js";
import { DataDirectoryError } from "../local/durable/dataDirectoryError.js";
import { deploy } from "../local/push/deploy.js";
import { startBackend } from "../local/server/backend.js";
import { demoSites } from "./demoSites.js";
import { isNewer } from "./isNewer.js";
import { isDone, seedSites, type SeedOptions } from "./seedSites.js";

const firstPort = 3210;
const site = "example/dist";
const folder = ".fieldbook";

const { values: options } = parseArgs({
  options: { fresh: { type: "boolean", default: false }, memory: { type: "boolean", default: false } },
});
const data = options.memory ? null : folder;
const stopping = new AbortController();

try {
  await start();
  process.exit(0);
} catch (error) {
  if (!stopping.signal.aborted) console.error(error instanceof Error ? error.message : error);
  process.exit(stopping.signal.aborted ? 0 : 1);
}

/** Resolves once it was stopped. */
async function start(): Promise<void> {
  await buildWhatChanged();
  if (options.fresh && data !== null) await remove(data);
  if (data !== null && fs.existsSync(data)) console.log(`Opening the data in ${data} …`);
  const kept = data === null ? {} : { data };
  const backend = await startBackend({ site, port: await freePort(firstPort), ...kept });
  const stopped = new Promise((resolve) => stopping.signal.addEventListener("abort", resolve));
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stopping.abort());
  if (!backend.hasCode || isNewer(["dist", "example/convex"], path.join(folder, "push.json.br"))) {
    console.log("Pushing the functions …");
    await push(backend.url);
  }
  await seed((rows) => backend.run("mutation", "seed:insert", { rows }), backend.url);
  await stopped;
  console.log(data === null ? "\nStopped; the data is gone." : "\nStopped; the data is kept.");
  await backend.close();
}

/** @throws Error with what the CLI printed; among others, if the data that is kept is none that the new code allows */
async function push(url: string): Promise<void> {
  try {
    await deploy(url);
  } catch (error) {
    const advice = "If it is the data that does not fit the code any more: npm run demo -- --fresh";
    throw data === null ? error : new Error(`${(error as Error).message}\n${advice}`, { cause: error });
  }
}

/** First what the app shows, then the rest of the world, while the app is in use already. */
async function seed(insert: SeedOptions["insert"], url: string): Promise<void> {
  const marker = (name: string) => (data === null ? null : path.join(data, name));
  const [shownMarker, elsewhereMarker] = [marker("shown.json"), marker("elsewhere.json")];
  if (isDone(shownMarker) && isDone(elsewhereMarker)) return console.log(whatToTry(url));
  const isShown = new Set(countries.map(({ code }) => code));
  const all = demoSites();
  const inFirst = all.filter(({ country }) => country === firstCountry);
  const inOthers = all.filter(({ country }) => country !== firstCountry && isShown.has(country));
  const shown = [...inFirst, ...inOthers];
  const elsewhere = all.filter(({ country }) => !isShown.has(country));
  const { signal } = stopping;
  await seedSites({
    what: "Sites of the app's countries",
    rows: shown,
    marker: shownMarker,
    insert,
    signal,
  });
  if (signal.aborted) return;
  console.log(whatToTry(url));
  await seedSites({
    what: "The rest of the world",
    rows: elsewhere,
    marker: elsewhereMarker,
    insert,
    signal,
  });
}

function whatToTry(url: string): string {
  const end =
    data === null ? "; the data is gone then" : `: the data is kept in ${data}, --fresh begins anew`;
  return `
  Fieldbook   ${url}

  Try this:
  · Open it in two windows and change a site in one of them.
  · Open it in a private window, too: that is another device.
  · Switch to “Work offline”, go on working, reload, and switch back.
  · Change something in Luxembourg: it is closed, so the server refuses, and nothing is lost.
  · Stop it, go on working, and start it again: what the server missed reaches it.

  Ctrl-C ends it${end}.
`;
}

/** The app and its functions import the built package. */
async function buildWhatChanged(): Promise<void> {
  if (isNewer(["src"], "dist/server/index.js")) {
    console.log("Building the package …");
    execFileSync("npm", ["run", "build", "--silent"], { stdio: "inherit" });
  }
  const built = new Set(["dist", "e2e"]);
  const sources = fs.readdirSync("example").filter((name) => !built.has(name));
  if (!isNewer(["dist", ...sources.map((name) => path.join("example", name))], path.join(site, "index.html")))
    return;
  console.log("Building Fieldbook …");
  const { build } = await import("vite");
  await build({ configFile: "example/vite.config.ts", logLevel: "warn" });
}

/** @throws DataDirectoryError `locked` if another demo has it open */
async function remove(kept: string): Promise<void> {
  if (!fs.existsSync(kept)) return;
  try {
    await (await DataDirectory.open(path.join(kept, "documents"))).close();
  } catch (error) {
    if (!(error instanceof DataDirectoryError) || error.code === "locked") throw error;
  }
  fs.rmSync(kept, { recursive: true });
}

/** The first port from `port` on that nobody listens on. */
async function freePort(port: number): Promise<number> {
  const server = createServer();
  const isFree = await new Promise<boolean>((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
  return isFree ? port : freePort(port + 1);
}
