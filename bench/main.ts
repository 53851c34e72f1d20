// `npm run bench -- NAME`: runs a benchmark, prints its table and writes it to bench/out/NAME.json.
import fs from "node:fs";
import os from "node:os";
import { engine } from "./engine.js";
import { push } from "./push.js";
import { pushes } from "./pushes.js";
import type { Row } from "./row.js";
import { seed } from "./seed.js";

const benchmarks: Readonly<Record<string, () => Promise<Row[]>>> = { engine, push, pushes, seed };

const [name = ""] = process.argv.slice(2);
const benchmark = benchmarks[name];
if (benchmark === undefined) {
  console.error(`Usage: npm run bench -- ${Object.keys(benchmarks).join(" | ")}`);
  process.exit(1);
}
const rows = await benchmark();
const machine = `${os.cpus().length} × ${os.cpus()[0]?.model ?? "unknown"}, Node ${process.version}`;
const report = { name, machine, date: new Date().toISOString(), rows };
fs.mkdirSync("bench/out", { recursive: true });
fs.writeFileSync(`bench/out/${name}.json`, `${JSON.stringify(report, null, 2)}\n`);
console.log(`${name} · ${machine} · ${report.date}\n`);
console.log("| case | metric | value | floor | ratio |\n| --- | --- | ---: | ---: | ---: |");
for (const { case: each, metric, value, unit, floor, ratio } of rows)
  console.log(`| ${each} | ${metric} | ${show(value)} ${unit} | ${show(floor)} | ${show(ratio)} |`);
process.exit(0);

function show(value: number | undefined): string {
  return value === undefined ? "" : String(Number(value.toPrecision(3)));
}
