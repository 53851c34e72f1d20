import react from "@vitejs/plugin-react";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";

const root = path.dirname(fileURLToPath(import.meta.url));

export default defineConfig({
  root,
  plugins: [react(), serviceWorker()],
  build: { outDir: "dist", emptyOutDir: true, target: "es2022" },
});

/** Writes `sw.js` with the list of all the files of the build, and a version that changes with any of them. */
function serviceWorker(): Plugin {
  let outDir = "";
  return {
    name: "fieldbook-service-worker",
    apply: "build",
    configResolved(config) {
      outDir = path.resolve(config.root, config.build.outDir);
    },
    closeBundle() {
      const files = readdirSync(outDir, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && entry.name !== "sw.js")
        .map((entry) => path.relative(outDir, path.join(entry.parentPath, entry.name)))
        .sort();
      const hash = createHash("sha256");
      for (const file of files) hash.update(file).update(readFileSync(path.join(outDir, file)));
      const urls = files.map((file) => (file === "index.html" ? "/" : `/${file.split(path.sep).join("/")}`));
      const worker = readFileSync(path.join(root, "serviceWorker.js"), "utf8")
        .replace("__VERSION__", hash.digest("hex").slice(0, 12))
        .replace('["__FILES__"]', JSON.stringify(urls));
      writeFileSync(path.join(outDir, "sw.js"), worker);
    },
  };
}
