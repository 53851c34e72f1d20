// `npm run backend -- --port 3210 --data .convex-local`: a backend to push to and to connect to, until it is stopped.
// `--seed FOLDER` fills an empty one from `<table>.jsonl` files; `--read-latency MS` makes contention realistic.
import { parseArgs } from "node:util";
import { importSeed } from "./server/seed.js";
import { startBackend } from "./server/backend.js";

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "3210" },
    "site-port": { type: "string", default: "3211" },
    site: { type: "string" },
    data: { type: "string" },
    seed: { type: "string" },
    "read-latency": { type: "string" },
  },
});

try {
  const { site, data, seed } = values;
  const backend = await startBackend({
    port: portOf("--port", values.port),
    sitePort: portOf("--site-port", values["site-port"]),
    ...(site === undefined ? {} : { site }),
    ...(data === undefined ? {} : { data }),
    ...engineOf(values["read-latency"]),
    log: console.log,
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(signal, () => {
      for (const line of backend.stats.lines()) console.log(line);
      void backend.close().then(() => process.exit(0));
    });
  console.log(`Local backend at ${backend.url}, HTTP actions at ${backend.siteUrl}. Push an app to it with`);
  console.log(`  CONVEX_SELF_HOSTED_URL=${backend.url} CONVEX_SELF_HOSTED_ADMIN_KEY=local npx convex dev`);
  if (seed !== undefined) console.log(await importSeed(backend, seed));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}

/** Reads that take up to so many milliseconds make functions meet as they do on a deployment. */
function engineOf(latency: string | undefined): { engine?: { readLatencyMs: readonly [number, number] } } {
  if (latency === undefined) return {};
  const most = Number(latency);
  if (Number.isFinite(most) && most >= 0) return { engine: { readLatencyMs: [0, most] } };
  throw new Error(`--read-latency must be a number of milliseconds, got "${latency}".`);
}

function portOf(option: string, value: string): number {
  const port = Number(value);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new Error(`${option} must be a number from 0 to 65535, got "${value}".`);
}
