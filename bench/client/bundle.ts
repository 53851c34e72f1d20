// What an app ships: each entry point that a browser uses, minified and gzipped, with what it imports and without the
// peer dependencies, which an app has anyway.
import fs from "node:fs";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { build, type Rollup } from "vite";
import type { Row } from "../row.js";
import { installPeers, peersDir } from "./browser.js";

const entries: Readonly<Record<string, string>> = {
  "convex-replicate/client": "src/client/index.ts",
  "convex-replicate/collections": "src/collections/index.ts",
};

/** As little of each as an app that shows rows imports. */
const peers: Readonly<Record<string, string>> = {
  "RxDB with Dexie": `
    export { createRxDatabase } from "rxdb/plugins/core";
    export { getRxStorageDexie } from "rxdb/plugins/storage-dexie";`,
  "TanStack DB with SQLite persistence, without its worker": `
    export { createCollection, createLiveQueryCollection } from "@tanstack/db";
    export * from "@tanstack/browser-db-sqlite-persistence";`,
  "Yjs with y-indexeddb": `
    export * from "yjs";
    export { IndexeddbPersistence } from "y-indexeddb";`,
};
const worker = "node_modules/@tanstack/browser-db-sqlite-persistence/dist/assets";

export async function bundle(): Promise<Row[]> {
  installPeers();
  const rows: Row[] = [];
  for (const [name, entry] of Object.entries(entries)) {
    const source = `export * from ${JSON.stringify(path.resolve(entry))};`;
    rows.push(
      ...sizes(name, "with yjs and convex", await bundled(source, ".", [])),
      ...sizes(name, "without yjs and convex", await bundled(source, ".", [/^yjs$/, /^convex\//])),
    );
  }
  const typical = `
    export { createReplica } from ${JSON.stringify(path.resolve("src/client/index.ts"))};
    export { defineCollection, field } from ${JSON.stringify(path.resolve("src/collections/index.ts"))};`;
  rows.push(...sizes("an app: both, what it uses", "with yjs and convex", await bundled(typical, ".", [])));
  for (const [name, source] of Object.entries(peers))
    rows.push(...sizes(name, "whole", await bundled(source, peersDir, [])));
  const [file = ""] = fs.readdirSync(path.join(peersDir, worker)).filter((each) => each.endsWith(".js"));
  const code = fs.readFileSync(path.join(peersDir, worker, file), "utf8");
  return [...rows, ...sizes("TanStack DB: its worker, with SQLite", "whole", code)];
}

/** @param external - packages that are left out */
async function bundled(source: string, folder: string, external: readonly RegExp[]): Promise<string> {
  const entry = path.resolve(folder, ".bench-entry.js");
  fs.writeFileSync(entry, source);
  try {
    const built = (await build({
      configFile: false,
      root: path.resolve(folder),
      logLevel: "error",
      define: { "process.env.NODE_ENV": '"production"' },
      build: {
        write: false,
        target: "es2022",
        modulePreload: false,
        rollupOptions: { input: entry, preserveEntrySignatures: "strict", external: [...external] },
      },
    })) as Rollup.RollupOutput | Rollup.RollupOutput[];
    const outputs = Array.isArray(built) ? built : [built];
    return outputs
      .flatMap(({ output }) => output)
      .map((each) => (each.type === "chunk" ? each.code : ""))
      .join("\n");
  } finally {
    fs.rmSync(entry);
  }
}

function sizes(name: string, how: string, code: string): Row[] {
  return [
    { case: name, metric: `${how}, minified`, value: code.length / 1e3, unit: "kB" },
    { case: name, metric: `${how}, minified and gzipped`, value: gzipSync(code).length / 1e3, unit: "kB" },
  ];
}
