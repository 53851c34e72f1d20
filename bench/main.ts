// `npm run bench -- NAME`: runs a benchmark, prints its table and writes it to bench/out/NAME.json.
import fs from "node:fs";
import os from "node:os";
import { createServer } from "vite";
import { bundle } from "./client/bundle.js";
import { client, clientReopen } from "./client/chromium.js";
import { clientNode } from "./client/node.js";
import { clientBackend } from "./client/realBackend.js";
import { engine } from "./engine.js";
import { parts } from "./parts.js";
import { push } from "./push.js";
import { pushes } from "./pushes.js";
import type { Row } from "./row.js";
import { rows as documentRows } from "./rows.js";
import { seed } from "./seed.js";

const benchmarks: Readonly<Record<string, () => Promise<Row[]>>> = {
  bundle,
  client,
  "client-reopen": clientReopen,
  "client-node": clientNode,
  "client-backend": clientBackend,
  engine,
  parts,
  push,
  pushes,
  rows: documentRows,
  seed,
  conflicts: () => throughVite("bench/conflicts.ts", "conflicts"),
  "server-cost": () => throughVite("bench/serverCost.ts", "serverCost"),
  compaction: () => throughVite("bench/compaction.ts", "compaction"),
  scale: () => throughVite("bench/scale.ts", "scale"),
};

const [name = ""] = process.argv.slice(2);
const benchmark = benchmarks[name];
if (benchmark === undefined) {
  console.error(`Usage: npm run bench -- ${Object.keys(benchmarks).join(" | ")}`);
  process.exit(1);
}
const load = os.loadavg()[0]!;
const rows = await benchmark();
const machine = `${os.cpus().length} × ${os.cpus()[0]?.model ?? "unknown"}, Node ${process.version}, load ${load.toFixed(1)} before`;
const report = { name, machine, date: new Date().toISOString(), rows };
fs.mkdirSync("bench/out", { recursive: true });
fs.writeFileSync(`bench/out/${name}.json`, `${JSON.stringify(report, null, 2)}\n`);
console.log(`${name} · ${machine} · ${report.date}\n`);
const hasPeer = rows.some(({ peer }) => peer !== undefined);
const columns = ["value", ...(hasPeer ? ["obvious design"] : []), "floor", "ratio"];
console.log(`| case | metric | ${columns.join(" | ")} |`);
console.log(`| --- | --- |${" ---: |".repeat(columns.length)}`);
for (const { case: each, metric, value, unit, floor, ratio, peer } of rows) {
  const figures = [`${show(value)} ${unit}`, ...(hasPeer ? [show(peer)] : []), show(floor), show(ratio)];
  console.log(`| ${each} | ${metric} | ${figures.join(" | ")} |`);
}
process.exit(0);

/** Benchmarks on the real component in this process: its files are found with `import.meta.glob`, as in tests. */
async function throughVite(file: string, exported: string): Promise<Row[]> {
  const vite = await createServer({
    configFile: false,
    appType: "custom",
    logLevel: "warn",
    server: { middlewareMode: true, hmr: false, ws: false, watch: null },
    optimizeDeps: { noDiscovery: true },
  });
  const module = (await vite.ssrLoadModule(`/${file}`)) as Record<string, () => Promise<Row[]>>;
  return module[exported]!();
}

function show(value: number | undefined): string {
  return value === undefined || Number.isNaN(value) ? "" : String(Number(value.toPrecision(3)));
}
