// `npm run demo`: the example app on this machine, with a backend of its own that forgets everything when it ends.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { build } from "vite";
import { deploy } from "../local/push/deploy.js";
import { startBackend } from "../local/server/backend.js";
import { demoSites } from "./demoSites.js";

const firstPort = 3210;
const site = "example/dist";
/** As many as `seed:insert` takes. */
const chunkSize = 500;
const seeded = [
  { country: "DE", name: "Germany" },
  { country: "LU", name: "Luxembourg" },
];

type Backend = Awaited<ReturnType<typeof startBackend>>;

buildPackage();
console.log("Building Fieldbook …");
await build({ configFile: "example/vite.config.ts", logLevel: "warn" });

const backend = await startBackend({ site, port: await freePort(firstPort) });
const stop = () => void backend.close().then(() => process.exit(0));
process.once("SIGINT", stop);
process.once("SIGTERM", stop);

await deploy(backend.url);
for (const { country, name } of seeded) await seed(backend, country, name);
console.log(`
  Fieldbook   ${backend.url}

  Try this:
  · Open it in two windows and change a site in one of them.
  · Open it in a private window, too: that is another device.
  · Switch to “Work offline”, go on working, reload, and switch back.
  · Change something in Luxembourg: it is closed, so the server refuses, and nothing is lost.

  Ctrl-C ends it; the data is gone then.
`);

/** The app and its functions import the built package. */
function buildPackage(): void {
  const entry = "dist/server/index.js";
  const newest = Math.max(...filesUnder("src").map((file) => statSync(file).mtimeMs));
  if (existsSync(entry) && statSync(entry).mtimeMs > newest) return;
  console.log("Building the package …");
  execFileSync("npm", ["run", "build", "--silent"], { stdio: "inherit" });
}

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
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

async function seed(on: Backend, country: string, name: string): Promise<void> {
  const rows = demoSites(country);
  for (let done = 0; done < rows.length;) {
    const chunk = rows.slice(done, done + chunkSize);
    await on.run("mutation", "seed:insert", { rows: chunk });
    done += chunk.length;
    const isLast = done === rows.length;
    const line = `${name}: ${done.toLocaleString("en")} of ${rows.length.toLocaleString("en")} sites`;
    if (process.stdout.isTTY) process.stdout.write(`\r${line}`);
    if (isLast) console.log(process.stdout.isTTY ? "" : line);
  }
}
